package load

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestCacheKeepsTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var fail error
		c := newCache(func(context.Context, string) (records, error) {
			asked++
			return records{addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, ttl: 60 * time.Second}, fail
		}, "shop", false)
		for _, step := range []struct {
			after time.Duration
			fail  error
			asked int
			ok    bool
		}{
			{0, nil, 1, true},
			{59 * time.Second, nil, 1, true},
			{time.Second, nil, 2, true},                   // the TTL is over
			{60 * time.Second, errors.New("x"), 3, false}, // an old answer is not used for want of a new one
			{0, nil, 4, true},                             // a failure is not kept
		} {
			time.Sleep(step.after) // of the bubble's clock
			fail = step.fail
			_, err := c.resolve(t.Context())
			if asked != step.asked || (err == nil) != step.ok {
				t.Errorf("%+v: asked %d times, %v", step, asked, err)
			}
		}
	})
}

func TestCacheForeverNeverAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := newCache(func(context.Context, string) (records, error) {
			asked++
			return records{addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, nil
		}, "shop", true)
		for range 3 {
			if _, err := c.resolve(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1000 * time.Hour) // of the bubble's clock
		}
		if asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
	})
}

func TestCacheAsksOneQuestionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		c := newCache(func(context.Context, string) (records, error) {
			asked.Add(1)
			time.Sleep(time.Second) // of the bubble's clock
			return records{addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, ttl: time.Minute}, nil
		}, "shop", false)
		impatient, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		results := make(chan error, 3)
		go func() { _, err := c.resolve(t.Context()); results <- err }()
		synctest.Wait()
		go func() { _, err := c.resolve(t.Context()); results <- err }()
		go func() { _, err := c.resolve(impatient); results <- err }()
		if err := <-results; decideCause(err) != DNS || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has no time to wait gets %v", err)
		}
		if err := errors.Join(<-results, <-results); err != nil {
			t.Error(err)
		}
		if asked.Load() != 1 {
			t.Errorf("asked %d times, want once", asked.Load())
		}
	})
}

func TestAskServer(t *testing.T) {
	ns := serveDNS(t)
	ask := askServer(netip.MustParseAddrPort(ns.addr))
	for _, c := range []struct {
		name  string
		rcode int
		rrs   []string
		want  records
		err   string
	}{
		{"address", dns.RcodeSuccess, []string{"shop. 60 IN A 127.0.0.7"}, records{[]netip.Addr{netip.MustParseAddr("127.0.0.7")}, time.Minute}, ""},
		{"alias asked for on its own", dns.RcodeSuccess, []string{"shop. 5 IN CNAME alb.", "alb. 60 IN A 127.0.0.8"}, records{[]netip.Addr{netip.MustParseAddr("127.0.0.8")}, 5 * time.Second}, ""},
		{"no such name", dns.RcodeNameError, nil, records{}, "NXDOMAIN"},
		{"no address", dns.RcodeSuccess, nil, records{}, "has no address"},
		{"a circle", dns.RcodeSuccess, []string{"shop. 5 IN CNAME alb.", "alb. 5 IN CNAME shop."}, records{}, "aliases"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns.set(c.rcode, c.rrs...)
			got, err := ask(t.Context(), "shop")
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want an error with %q", err, c.err)
				}
				return
			}
			if err != nil || got.ttl != c.want.ttl || got.addrs[0] != c.want.addrs[0] {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestAskServerByTCPWhenTheAnswerIsCut(t *testing.T) {
	ns := serveDNS(t, "shop. 60 IN A 127.0.0.7")
	ns.truncate()
	got, err := askServer(netip.MustParseAddrPort(ns.addr))(t.Context(), "shop")
	if err != nil || len(got.addrs) != 1 || ns.questions() != 2 {
		t.Errorf("%+v, %v after %d questions", got, err, ns.questions())
	}
}
