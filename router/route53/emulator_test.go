package route53

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	balancer "watari.dev/lab/alb"
	lab "watari.dev/lab/aws"
	"watari.dev/lab/aws/wire"
	"watari.dev/lab/dnsserver"
	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

// TestContractOverTheEmulator runs the contract with the real SDK over HTTP.
func TestContractOverTheEmulator(t *testing.T) {
	for what, names := range map[string][]string{"one name": {"api.example.com"}, "three names": {"api.example.com", "*.example.com", "a-b.example.com"}} {
		t.Run(what, func(t *testing.T) {
			routertest.Run(t, func(t *testing.T) routertest.Harness { return emulated(t, names...) })
		})
	}
}

// plain is a client of the emulator that stands for somebody else.
type plain struct {
	t    *testing.T
	api  *sdk.Client
	zone string
}

func newPlain(t *testing.T, config aws.Config) plain {
	t.Helper()
	p := plain{t: t, api: sdk.NewFromConfig(config)}
	out, err := p.api.CreateHostedZone(t.Context(), &sdk.CreateHostedZoneInput{Name: aws.String("example.com"), CallerReference: aws.String("1")})
	if err != nil {
		t.Fatal(err)
	}
	p.zone = strings.TrimPrefix(*out.HostedZone.Id, "/hostedzone/")
	return p
}

func (p plain) upsert(sets ...types.ResourceRecordSet) {
	batch := &types.ChangeBatch{}
	for _, s := range sets {
		batch.Changes = append(batch.Changes, types.Change{Action: types.ChangeActionUpsert, ResourceRecordSet: &s})
	}
	if _, err := p.api.ChangeResourceRecordSets(context.Background(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &p.zone, ChangeBatch: batch}); err != nil {
		p.t.Fatal(err)
	}
}

func (p plain) parts(ref router.Ref) (parts []router.Part) {
	out, err := p.api.ListResourceRecordSets(context.Background(), &sdk.ListResourceRecordSetsInput{HostedZoneId: &p.zone})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, n := range ref.Names {
		g := group{name: n}
		for _, s := range out.ResourceRecordSets {
			if canonical(*s.Name) == canonical(n) && s.Type == types.RRTypeA {
				g.sets = append(g.sets, s)
			}
		}
		parts = append(parts, g.part(ref))
	}
	return parts
}

func emulated(t *testing.T, names ...string) routertest.Harness {
	e, at := emulate(t), newClock()
	config := awscall.Config(e.config)
	p := newPlain(t, config)
	set := func(identifier, value string, weight int64) {
		var sets []types.ResourceRecordSet
		for _, n := range names {
			sets = append(sets, weighted(n, identifier, value, weight))
		}
		p.upsert(sets...)
	}
	set("old", "192.0.2.1", 100)
	set("new", "192.0.2.2", 0)
	ref := route(names...)
	ref.ID = p.zone
	absent := ref
	absent.ID = "Z0000000000000000404"
	return routertest.Harness{
		Driver: newDriver(sdk.NewFromConfig(config), Options{Limiter: NewLimiter(1e6), Now: at.Now}, quick), Route: ref, Absent: absent,
		Truth: func() []router.Part { return p.parts(ref) },
		Intrude: func(source, target int64) {
			set("old", "192.0.2.1", source)
			set("new", "192.0.2.2", target)
		},
		Foreign: func(weight int64) { set("other", "192.0.2.3", weight) },
		Inject:  func(f routertest.Fault) { e.inject(f, at, "ChangeResourceRecordSets") },
		Heal:    func() { e.server.SetFault(nil) },
		Advance: at.Advance, Now: at.Now, Checks: 15,
		Breaks: p.breaks(names),
	}
}

// breaks are the ways in which a name stops being a lever, as far as the emulator
// has them.
func (p plain) breaks(names []string) map[string]routertest.Break {
	change := func(action types.ChangeAction, sets ...types.ResourceRecordSet) {
		batch := &types.ChangeBatch{}
		for _, s := range sets {
			batch.Changes = append(batch.Changes, types.Change{Action: action, ResourceRecordSet: &s})
		}
		if len(sets) == 0 {
			return
		}
		if _, err := p.api.ChangeResourceRecordSets(context.Background(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &p.zone, ChangeBatch: batch}); err != nil {
			p.t.Fatal(err)
		}
	}
	of := func(name string, identifiers ...string) (sets []types.ResourceRecordSet) {
		out, err := p.api.ListResourceRecordSets(context.Background(), &sdk.ListResourceRecordSetsInput{HostedZoneId: &p.zone})
		if err != nil {
			p.t.Fatal(err)
		}
		for _, s := range out.ResourceRecordSets {
			if canonical(*s.Name) == canonical(name) && s.Type == types.RRTypeA && (len(identifiers) == 0 || slices.Contains(identifiers, aws.ToString(s.SetIdentifier))) {
				sets = append(sets, s)
			}
		}
		return sets
	}
	drop := func(name string, identifiers ...string) {
		change(types.ChangeActionDelete, of(name, identifiers...)...)
	}
	mend := func(name string) {
		drop(name)
		change(types.ChangeActionCreate, weighted(name, "old", "192.0.2.1", 50), weighted(name, "new", "192.0.2.2", 50))
	}
	return map[string]routertest.Break{
		"deleted":         {Do: func(n string) { drop(n) }, Mend: mend, Shown: true},
		"lost its source": {Do: func(n string) { drop(n, "old") }, Mend: mend, Shown: true},
		"became simple": {Do: func(n string) {
			drop(n)
			change(types.ChangeActionCreate, simple(n, "192.0.2.1"))
		}, Mend: mend, Shown: true},
		"health check gone": {Do: func(n string) {
			config := &types.HealthCheckConfig{Type: types.HealthCheckTypeTcp, IPAddress: aws.String("192.0.2.1"), Port: aws.Int32(80)}
			out, err := p.api.CreateHealthCheck(context.Background(), &sdk.CreateHealthCheckInput{CallerReference: aws.String("hc " + n), HealthCheckConfig: config})
			if err != nil {
				p.t.Fatal(err)
			}
			sets := of(n)
			for i := range sets {
				sets[i].HealthCheckId = out.HealthCheck.Id
			}
			change(types.ChangeActionUpsert, sets...)
			if _, err := p.api.DeleteHealthCheck(context.Background(), &sdk.DeleteHealthCheckInput{HealthCheckId: out.HealthCheck.Id}); err != nil {
				p.t.Fatal(err)
			}
		}, Mend: mend},
	}
}

// TestOwnersOverTheEmulator reads the registry of external-dns with the real SDK:
// weighted TXT records beside the weighted records.
func TestOwnersOverTheEmulator(t *testing.T) {
	e := emulate(t)
	config := awscall.Config(e.config)
	p := newPlain(t, config)
	const name = "api.example.com"
	p.upsert(weighted(name, "old", "192.0.2.1", 100), weighted(name, "new", "192.0.2.2", 0),
		registry("a-"+name, "old", "prod", aws.Int64(100)), registry("a-"+name, "new", "next", aws.Int64(0)))
	ref := route(name)
	ref.ID = p.zone
	d := newDriver(sdk.NewFromConfig(config), Options{Limiter: NewLimiter(1e6)}, quick)
	for _, c := range []struct {
		source, target int64
		who            string
	}{{100, 0, "external-dns (owner next)"}, {50, 50, "external-dns (owner next)"}, {100, 50, "external-dns (owner prod)"}} {
		p.upsert(weighted(name, "old", "192.0.2.1", c.source), weighted(name, "new", "192.0.2.2", c.target))
		s, err := d.Read(t.Context(), ref)
		if o := traffic.Surest(s.Owners); err != nil || len(s.Owners) != 2 || o.Name != c.who {
			t.Errorf("at %d to %d: %+v, %v; want %s", c.source, c.target, s.Owners, err, c.who)
		}
	}
}

// TestConversionOverTheEmulator holds the batches of a conversion and of its
// undoing against a second opinion of what AWS accepts.
func TestConversionOverTheEmulator(t *testing.T) {
	e := emulate(t)
	config := awscall.Config(e.config)
	p := newPlain(t, config)
	p.upsert(simple("api.example.com", "192.0.2.1"), simple("shop.example.com", "192.0.2.1"))
	ref := route("api.example.com", "shop.example.com")
	ref.ID, ref.Create = p.zone, &router.Record{Values: []string{"192.0.2.2"}}
	d := newDriver(sdk.NewFromConfig(config), Options{Limiter: NewLimiter(1e6)}, quick)
	if _, err := d.Write(t.Context(), router.Change{ID: "1", Route: ref, Share: 1000}); !errors.Is(err, router.ErrNotOwned) || router.EffectOf(err) != router.EffectNothing {
		t.Fatalf("without permission: %v", err)
	}
	if got := p.parts(ref); len(got[0].Weights) != 1 || len(got[1].Weights) != 1 {
		t.Fatalf("converted without permission: %+v", got)
	}
	ref.Convert = true
	for _, share := range []traffic.Share{1000, traffic.All} {
		s, err := d.Read(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write(t.Context(), router.Change{ID: share.String(), Route: ref, Share: share, IfVersion: s.Version}); err != nil {
			t.Fatal(err)
		}
		if s, err = d.Read(t.Context(), ref); err != nil || s.Low() != share || s.High() != share {
			t.Fatalf("%s, %v", s.Describe(), err)
		}
	}
	if r, err := d.Restore(t.Context(), ref, traffic.Target, time.Time{}); err != nil || r.Note != "simple again: api.example.com, shop.example.com" {
		t.Fatalf("%q, %v", r.Note, err)
	}
	for _, part := range p.parts(ref) {
		if len(part.Weights) != 1 || part.Share != traffic.All {
			t.Errorf("%+v is not simple", part)
		}
	}
}

// TestBatchesOverTheEmulator takes more names from one side to the other than a
// batch may have, in both forms that a change has.
func TestBatchesOverTheEmulator(t *testing.T) {
	e := emulate(t)
	config := awscall.Config(e.config)
	p := newPlain(t, config)
	f, ref := zoneOf(300, 100, 0)
	for sets := range slices.Chunk(f.sorted(), 250) {
		p.upsert(sets...)
	}
	ref.ID = p.zone
	d := newDriver(sdk.NewFromConfig(config), Options{Limiter: NewLimiter(1e6)}, quick)
	for _, share := range []traffic.Share{traffic.All, traffic.None} {
		s, err := d.Read(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		change := router.Change{ID: share.String(), Route: ref, Share: share, IfVersion: s.Version}
		if share == traffic.None {
			change.IfVersion = ""
		}
		r, err := d.Write(t.Context(), change)
		if err != nil || strings.Count(r.Token, ",") != 1 {
			t.Fatalf("%s: changes %q, %v; want two", share, r.Token, err)
		}
		if s, err = d.Read(t.Context(), ref); err != nil || s.Low() != share || s.High() != share {
			t.Fatalf("%s, %v", s.Describe(), err)
		}
	}
}

// emulator is the lab's AWS with nothing behind it, and how to reach it.
type emulator struct {
	server *lab.Server
	config aws.Config
}

// nothing stands for the data planes.
type nothing struct{}

func (nothing) Apply(balancer.Config) error     { return nil }
func (nothing) Health(string) []balancer.Health { return nil }

type noNames struct{}

func (noNames) Apply([]dnsserver.Zone) {}

func emulate(t *testing.T) emulator {
	t.Helper()
	server, err := lab.New(lab.Config{
		Account: "123456789012", Region: "eu-central-1", AccessKey: "AKIALABEXAMPLE", SecretKey: "secret", Seed: 1,
		PropagationDelay: -1, InsyncDelay: -1, ProcessingTime: -1, Unthrottled: true,
	}, lab.Planes{Balancer: nothing{}, DNS: noNames{}, DNSAddr: "127.0.0.1:53"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	listening, transport := httptest.NewServer(server), &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		listening.Close()
		cancel()
		running.Wait()
	})
	return emulator{server: server, config: aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(listening.URL), HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", ""),
	}}
}

// inject makes calls fail: those whose action begins with one of writes, or all
// the others.
func (e emulator) inject(fault routertest.Fault, at *clock, writes ...string) {
	var mu sync.Mutex
	left := fault.Times
	e.server.SetFault(func(_, action string, _ []byte) *lab.Injected {
		modifies := slices.ContainsFunc(writes, func(w string) bool { return strings.HasPrefix(action, w) })
		mu.Lock()
		defer mu.Unlock()
		if modifies != fault.Writes || fault.Times > 0 && left == 0 {
			return nil
		}
		left--
		if fault.Kind == routertest.Slow {
			at.Advance(fault.Takes)
			return nil
		}
		return injected(fault.Kind)
	})
}

func injected(kind routertest.Kind) *lab.Injected {
	switch kind {
	case routertest.Throttled:
		return lab.FaultThrottle()
	case routertest.Denied:
		return &lab.Injected{Err: &wire.Error{Status: http.StatusForbidden, Code: "AccessDenied", Message: "not authorized"}}
	case routertest.RequestLost:
		return &lab.Injected{DropBefore: true}
	case routertest.ReplyLost:
		return &lab.Injected{DropReply: true}
	default:
		return &lab.Injected{Delay: time.Hour}
	}
}
