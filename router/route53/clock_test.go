package route53

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
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
	p := newPlain(t, awscall.Config(e.config))
	names := []string{"api.example.com", "www.example.com"}
	for _, n := range names {
		p.upsert(weighted(n, "old", "192.0.2.1", 100), weighted(n, "new", "192.0.2.2", 0))
	}
	ref := route(names...)
	ref.ID = p.zone
	limit := NewLimiter(1e6)
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
			s, err := d.Read(t.Context(), ref)
			if err != nil {
				return err
			}
			_, err = d.Write(t.Context(), router.Change{IfVersion: s.Version, ID: "1", Route: ref, Share: 5000, NotAfter: time.Now().Add(time.Minute)})
			return err
		}},
		{"back", func(d *Driver) error {
			_, err := d.Write(t.Context(), router.Change{ID: "2", Route: ref, Share: traffic.None})
			return err
		}},
	} {
		before := p.parts(ref)
		clock(10 * time.Minute)
		err := c.call(newDriver(sdk.NewFromConfig(awscall.Config(blind)), Options{Limiter: limit}, quick))
		heal()
		if !errors.Is(err, router.ErrClockOff) || errors.Is(err, router.ErrDenied) || router.EffectOf(err) != router.EffectNothing {
			t.Errorf("%s without a Date: %v", c.name, err)
		}
		if diff := cmp.Diff(before, p.parts(ref)); diff != "" {
			t.Errorf("%s without a Date changed something:\n%s", c.name, diff)
		}
		fresh := newDriver(sdk.NewFromConfig(awscall.Config(e.config)), Options{Limiter: limit}, quick)
		for _, off := range []time.Duration{10 * time.Minute, -time.Hour} {
			clock(off)
			if err := c.call(fresh); err != nil {
				t.Errorf("%s, off by %s: %v", c.name, off, err)
			}
			heal()
		}
	}
}
