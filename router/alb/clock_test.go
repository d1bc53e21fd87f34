package alb

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/google/go-cmp/cmp"

	"watari.dev/lab/fault"
	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/traffic"
)

// dateless makes answers a cache's, so that nothing can be corrected by their time.
type dateless struct{ aws.HTTPClient }

func (d dateless) Do(r *http.Request) (*http.Response, error) {
	response, err := d.HTTPClient.Do(r)
	if err == nil {
		response.Header.Set("Age", "1")
	}
	return response, err
}

// TestAClockThatIsOff over the wire: what is called first may be any operation.
func TestAClockThatIsOff(t *testing.T) {
	e := emulate(t)
	p := plain{t: t, api: elb.NewFromConfig(awscall.Config(e.config))}
	old, next := p.group("old"), p.group("new")
	action := forwardTo(group(old, 100), group(next, 0))
	action.Order = nil
	ref := router.Ref{Name: "public", Driver: "alb", ID: p.lever("rule", action), Source: old, Target: next}
	clock := func(off time.Duration) {
		t.Helper()
		if _, err := e.server.Rules().Inject(t.Context(), fault.Fault{AWS: &fault.AWS{Kind: fault.Clock, Off: off, For: time.Minute}}); err != nil {
			t.Fatal(err)
		}
	}
	heal := func() {
		if _, err := e.server.Rules().HealAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	blind := e.config.Copy()
	blind.HTTPClient = dateless{http.DefaultClient}
	if e.config.HTTPClient != nil {
		blind.HTTPClient = dateless{e.config.HTTPClient}
	}
	for _, c := range []struct {
		name string
		call func(*Driver) error
	}{
		{"describe", func(d *Driver) error { _, err := d.Features(t.Context(), ref); return err }},
		{"read", func(d *Driver) error { _, err := d.Read(t.Context(), ref); return err }},
		{"rise", func(d *Driver) error {
			_, err := d.Write(t.Context(), router.Change{ID: "1", Route: ref, Share: 5000, NotAfter: time.Now().Add(time.Minute)})
			return err
		}},
		{"back", func(d *Driver) error {
			_, err := d.Write(t.Context(), router.Change{ID: "2", Route: ref, Share: traffic.None})
			return err
		}},
	} {
		before := p.forward(ref.ID).part(ref)
		clock(10 * time.Minute)
		err := c.call(newDriver(elb.NewFromConfig(awscall.Config(blind)), Options{}, quick))
		heal()
		if !errors.Is(err, router.ErrClockOff) || errors.Is(err, router.ErrDenied) || router.EffectOf(err) != router.EffectNothing {
			t.Errorf("%s without a Date: %v", c.name, err)
		}
		if diff := cmp.Diff(before, p.forward(ref.ID).part(ref)); diff != "" {
			t.Errorf("%s without a Date changed something:\n%s", c.name, diff)
		}
		fresh := newDriver(elb.NewFromConfig(awscall.Config(e.config)), Options{}, quick)
		for _, off := range []time.Duration{10 * time.Minute, -time.Hour} {
			clock(off)
			if err := c.call(fresh); err != nil {
				t.Errorf("%s, off by %s: %v", c.name, off, err)
			}
			heal()
		}
	}
}
