package route53

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/router/internal/ownership"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

var quick = awscall.Policy{First: time.Microsecond}

func driverOver(f *fakeRoute53) *Driver {
	return newDriver(f, Options{Limiter: NewLimiter(1e6), Now: f.clock.Now}, quick)
}

func weighted(name, identifier, value string, weight int64) types.ResourceRecordSet {
	return types.ResourceRecordSet{
		Name: aws.String(canonical(name)), Type: "A", SetIdentifier: aws.String(identifier), Weight: aws.Int64(weight),
		TTL: aws.Int64(60), ResourceRecords: []types.ResourceRecord{{Value: aws.String(value)}},
	}
}

func alias(name, identifier, target string, weight int64) types.ResourceRecordSet {
	return types.ResourceRecordSet{
		Name: aws.String(canonical(name)), Type: "A", SetIdentifier: aws.String(identifier), Weight: aws.Int64(weight),
		AliasTarget: &types.AliasTarget{DNSName: aws.String(target), HostedZoneId: aws.String("Z2"), EvaluateTargetHealth: true},
	}
}

func simple(name string, values ...string) types.ResourceRecordSet {
	s := types.ResourceRecordSet{Name: aws.String(canonical(name)), Type: "A", TTL: aws.Int64(30)}
	for _, v := range values {
		s.ResourceRecords = append(s.ResourceRecords, types.ResourceRecord{Value: aws.String(v)})
	}
	return s
}

func route(names ...string) router.Ref {
	return router.Ref{Name: "partners", Driver: "route53", ID: zoneID, Names: names, Type: "A", Source: "old", Target: "new"}
}

func TestContract(t *testing.T) {
	for what, make := range map[string]func(name, identifier string, weight int64) types.ResourceRecordSet{
		"values":  func(n, id string, w int64) types.ResourceRecordSet { return weighted(n, id, "192.0.2.1", w) },
		"aliases": func(n, id string, w int64) types.ResourceRecordSet { return alias(n, id, id+".elb.example.", w) },
	} {
		for _, names := range [][]string{{"api.example.com"}, {"api.example.com", "*.example.com", "Shop.example.com."}} {
			t.Run(fmt.Sprintf("%s, %d names", what, len(names)), func(t *testing.T) {
				routertest.Run(t, func(*testing.T) routertest.Harness {
					f := newFake(newClock())
					for _, n := range names {
						f.put(make(n, "old", 100))
						f.put(make(n, "new", 0))
					}
					return harness(f, route(names...))
				})
			})
		}
	}
}

func harness(f *fakeRoute53, route router.Ref) routertest.Harness {
	absent := route
	absent.ID = "Z404"
	each := func(identifier string, weight int64) {
		for _, n := range route.Names {
			f.setWeight(n, identifier, weight)
		}
	}
	return routertest.Harness{
		Driver: driverOver(f), Route: route, Absent: absent,
		Truth: func() (parts []router.Part) {
			f.mu.Lock()
			defer f.mu.Unlock()
			all := f.sorted()
			for _, n := range route.Names {
				g := group{name: n}
				for _, s := range all {
					if *s.Name == canonical(n) {
						g.sets = append(g.sets, s)
					}
				}
				parts = append(parts, g.part(route))
			}
			return parts
		},
		Intrude: func(source, target int64) { each("old", source); each("new", target) },
		Foreign: func(weight int64) { each("other", weight) },
		Inject: func(fault routertest.Fault) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.faults = append(f.faults, fault)
		},
		Heal: func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.faults = nil
		},
		Advance: f.clock.Advance, Now: f.clock.Now,
		Breaks: breaks(f),
	}
}

// breaks are the ways in which a name stops being a lever.
func breaks(f *fakeRoute53) map[string]routertest.Break {
	saved := map[string]types.ResourceRecordSet{}
	of := func(name, identifier string) types.ResourceRecordSet {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.sets[key(types.ResourceRecordSet{Name: &name, Type: "A", SetIdentifier: &identifier})]
	}
	keep := func(name string) {
		for _, id := range []string{"old", "new"} {
			s := of(name, id)
			saved[key(s)] = s
		}
	}
	mend := func(name string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for k := range f.sets {
			if strings.HasPrefix(k, canonical(name)+"|") {
				delete(f.sets, k)
			}
		}
		for k, s := range saved {
			if strings.HasPrefix(k, canonical(name)+"|") {
				f.sets[k] = s
			}
		}
		f.checks = nil
	}
	drop := func(name string, identifiers ...string) {
		keep(name)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, id := range identifiers {
			delete(f.sets, key(types.ResourceRecordSet{Name: &name, Type: "A", SetIdentifier: &id}))
		}
	}
	shown := func(do func(name string)) routertest.Break { return routertest.Break{Do: do, Mend: mend, Shown: true} }
	return map[string]routertest.Break{
		"deleted":            shown(func(n string) { drop(n, "old", "new") }),
		"lost its source":    shown(func(n string) { drop(n, "old") }),
		"became simple":      shown(func(n string) { drop(n, "old", "new"); f.put(simple(n, "192.0.2.1")) }),
		"became others'":     shown(func(n string) { drop(n, "old", "new"); f.put(weighted(n, "other", "192.0.2.9", 1)) }),
		"latency policy":     shown(func(n string) { keep(n); f.latency(n) }),
		"health check gone":  {Do: func(n string) { keep(n); f.withCheck(n, "hc-404") }, Mend: mend},
		"refused, no reason": {Do: func(n string) { keep(n); f.refuse(n) }, Mend: func(n string) { f.refuse(""); mend(n) }},
	}
}

func (f *fakeRoute53) of(name string) (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sorted() {
		if *s.Name != canonical(name) || s.Type != "A" {
			continue
		}
		text := aws.ToString(s.SetIdentifier)
		if s.Weight != nil {
			text += fmt.Sprintf("=%d", *s.Weight)
		}
		for _, r := range s.ResourceRecords {
			text += " " + *r.Value
		}
		if s.AliasTarget != nil {
			text += " -> " + *s.AliasTarget.DNSName
		}
		if s.TTL != nil {
			text += fmt.Sprintf(" ttl %d", *s.TTL)
		}
		out = append(out, strings.TrimSpace(text))
	}
	return out
}

func TestNothingIsRestoredOnceTheRightHasEnded(t *testing.T) {
	for name, c := range map[string]struct {
		right time.Duration
		slow  time.Duration // the read before the write
	}{"before it begins": {}, "while it reads": {time.Second, time.Second}, "in time": {2 * time.Second, time.Second}} {
		f := newFake(newClock(), weighted("api.example.com", "old", "192.0.2.1", 100), weighted("api.example.com", "new", "192.0.2.2", 0))
		d, r := driverOver(f), route("api.example.com")
		r.Convert = true
		f.faults = []routertest.Fault{{Kind: routertest.Slow, Times: 1, Takes: c.slow}}
		_, err := d.Restore(t.Context(), r, traffic.Source, f.clock.Now().Add(c.right))
		if late := c.right <= c.slow; late != errors.Is(err, router.ErrExpired) || late != (f.writes == 0) || !late && err != nil {
			t.Errorf("%s: %d writes, %v", name, f.writes, err)
		}
	}
}

func TestSimpleRecordIsConvertedAndRestored(t *testing.T) {
	for _, keep := range []traffic.Side{traffic.Source, traffic.Target} {
		f := newFake(newClock(), simple("api.example.com", "192.0.2.1"))
		d, r := driverOver(f), route("api.example.com")
		r.Create, r.Convert = &router.Record{Values: []string{"192.0.2.2"}}, true
		s, err := d.Read(t.Context(), r)
		if err != nil || s.High() != traffic.None || len(s.Warnings) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		if _, err := d.Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000, IfVersion: s.Version}); err != nil {
			t.Fatal(err)
		}
		if got, want := f.of("api.example.com"), []string{"new=10 192.0.2.2 ttl 30", "old=90 192.0.2.1 ttl 30"}; !slices.Equal(got, want) || f.writes != 1 {
			t.Fatalf("converted to %q in %d calls, want %q in one", got, f.writes, want)
		}
		if _, err := d.Restore(t.Context(), r, keep, time.Time{}); !errors.Is(err, router.ErrNotOwned) {
			t.Fatalf("restored while both sides have traffic: %v", err)
		}
		share, value := traffic.None, "192.0.2.1 ttl 30"
		if keep == traffic.Target {
			share, value = traffic.All, "192.0.2.2 ttl 30"
		}
		if _, err := d.Write(t.Context(), router.Change{ID: "2", Route: r, Share: share}); err != nil {
			t.Fatal(err)
		}
		receipt, err := d.Restore(t.Context(), r, keep, time.Time{})
		if got := f.of("api.example.com"); err != nil || receipt.Share != share || !slices.Equal(got, []string{value}) {
			t.Fatalf("restored %s as %q, %v; want %q", keep, got, err, value)
		}
		if receipt.Note != "simple again: api.example.com" {
			t.Errorf("noted as %q", receipt.Note)
		}
		writes := f.writes
		if again, err := d.Restore(t.Context(), r, keep, time.Time{}); err != nil || again.Note != "simple already" || f.writes != writes {
			t.Errorf("restored twice: %q in %d more calls, %v", again.Note, f.writes-writes, err)
		}
		if s, err := d.Read(t.Context(), r); err != nil || s.High() != share {
			t.Errorf("after restoring %s it reads %+v, %v", keep, s, err)
		}
		f.clock.Advance(time.Hour)
		if s, err := d.Settled(t.Context(), receipt); err != nil || s.Done {
			t.Errorf("%+v, %v: the TTL runs from when INSYNC was seen", s, err)
		}
		f.clock.Advance(time.Minute)
		if s, err := d.Settled(t.Context(), receipt); err != nil || !s.Done {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

// TestConvertingNeedsPermission: to say what the target's record answers permits
// to create it, and not to touch a simple record.
func TestConvertingNeedsPermission(t *testing.T) {
	answer := &router.Record{Values: []string{"192.0.2.2"}}
	for _, c := range []struct {
		name    string
		create  *router.Record
		convert bool
		says    string
	}{
		{"neither", nil, false, "convert: true"},
		{"only what the target answers", answer, false, "convert: true"},
		{"only to convert", nil, true, "say in the route what the target's record is to answer"},
	} {
		f := newFake(newClock(), simple("api.example.com", "192.0.2.1"))
		d, r := driverOver(f), route("api.example.com")
		r.Create, r.Convert = c.create, c.convert
		for op, err := range everyOp(t, d, r) {
			if !errors.Is(err, router.ErrNotOwned) || router.EffectOf(err) != router.EffectNothing || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: %v", c.name, op, err)
			}
		}
		if got := f.of("api.example.com"); f.writes != 0 || !slices.Equal(got, []string{"192.0.2.1 ttl 30"}) {
			t.Errorf("%s: %q after %d writes", c.name, got, f.writes)
		}
	}
}

// everyOp returns what each method of the driver says of the route.
func everyOp(t *testing.T, d *Driver, r router.Ref) map[string]error {
	t.Helper()
	out := map[string]error{}
	_, out["features"] = d.Features(t.Context(), r)
	_, out["read"] = d.Read(t.Context(), r)
	_, out["write"] = d.Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000})
	_, out["take back"] = d.Write(t.Context(), router.Change{ID: "2", Route: r})
	_, out["settled"] = d.Settled(t.Context(), router.Receipt{Route: r})
	_, out["restore"] = d.Restore(t.Context(), r, traffic.Source, time.Time{})
	return out
}

func TestRestoreIsRefused(t *testing.T) {
	const name = "api.example.com"
	for _, c := range []struct {
		what string
		sets []types.ResourceRecordSet
		ref  func(*router.Ref)
		keep traffic.Side
		says string
	}{
		{"without permission", nil, func(r *router.Ref) { r.Convert = false }, traffic.Source, "convert: true"},
		{"no side", nil, nil, traffic.NoSide, "which side"},
		{"the other side has traffic", []types.ResourceRecordSet{weighted(name, "new", "192.0.2.2", 1)}, nil, traffic.Source, "bring all of it to the source"},
		{"others' records", []types.ResourceRecordSet{weighted(name, "other", "192.0.2.3", 0)}, nil, traffic.Source, "records of others"},
		{"what the target answers is not said", []types.ResourceRecordSet{weighted(name, "old", "192.0.2.1", 0), weighted(name, "new", "192.0.2.2", 1)},
			func(r *router.Ref) { r.Create = nil }, traffic.Target, "by hand"},
		{"the target answers something else", []types.ResourceRecordSet{weighted(name, "old", "192.0.2.1", 0), weighted(name, "new", "192.0.2.9", 1)},
			nil, traffic.Target, "by hand"},
		{"the source answers what the target is to", []types.ResourceRecordSet{weighted(name, "old", "192.0.2.2", 1)}, nil, traffic.Source, "by hand"},
	} {
		f := newFake(newClock(), weighted(name, "old", "192.0.2.1", 100), weighted(name, "new", "192.0.2.2", 0))
		for _, s := range c.sets {
			f.put(s)
		}
		r := route(name)
		r.Create, r.Convert = &router.Record{Values: []string{"192.0.2.2"}}, true
		if c.ref != nil {
			c.ref(&r)
		}
		before := f.of(name)
		_, err := driverOver(f).Restore(t.Context(), r, c.keep, time.Time{})
		if !errors.Is(err, router.ErrNotOwned) || router.EffectOf(err) != router.EffectNothing || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
		if got := f.of(name); f.writes != 0 || !slices.Equal(got, before) {
			t.Errorf("%s: %q became %q", c.what, before, got)
		}
	}
}

func TestMissingTargetIsCreated(t *testing.T) {
	f := newFake(newClock(), alias("api.example.com", "old", "old.elb.example.", 100))
	d, r := driverOver(f), route("api.example.com")
	if _, err := d.Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000}); !errors.Is(err, router.ErrNotOwned) {
		t.Fatalf("without permission: %v", err)
	}
	r.Create = &router.Record{Alias: &router.Alias{Zone: "Z2", Name: "new.elb.example."}}
	if _, err := d.Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000}); err != nil {
		t.Fatal(err)
	}
	if got, want := f.of("api.example.com"), []string{"new=10 -> new.elb.example.", "old=90 -> old.elb.example."}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRefusals(t *testing.T) {
	latency := simple("api.example.com", "192.0.2.1")
	latency.SetIdentifier, latency.Region = aws.String("old"), "eu-central-1"
	for _, c := range []struct {
		name string
		sets []types.ResourceRecordSet
		ref  func(*router.Ref)
		kind error
		says string
	}{
		{"no record", nil, nil, router.ErrNotFound, "no A record"},
		{"other policy", []types.ResourceRecordSet{latency}, nil, router.ErrNotOwned, "another routing policy"},
		{"others' only", []types.ResourceRecordSet{weighted("api.example.com", "x", "192.0.2.1", 1)}, nil, router.ErrNotOwned, "identifiers are x"},
		{"no source", []types.ResourceRecordSet{weighted("api.example.com", "new", "192.0.2.1", 0)}, nil, router.ErrNotOwned, "create the source's record"},
		{"several values", []types.ResourceRecordSet{simple("api.example.com", "192.0.2.1", "192.0.2.2")},
			func(r *router.Ref) { r.Create, r.Convert = &router.Record{Values: []string{"192.0.2.3"}}, true }, router.ErrNotOwned, "several values"},
		{"no target, only to convert", []types.ResourceRecordSet{weighted("api.example.com", "old", "192.0.2.1", 1)},
			func(r *router.Ref) { r.Convert = true }, router.ErrNotOwned, "create the target's record first"},
		{"no such zone", nil, func(r *router.Ref) { r.ID = "Z404" }, router.ErrNotFound, "Z404"},
		{"no names", nil, func(r *router.Ref) { r.Names = nil }, router.ErrNotFound, "name at least one"},
		{"a type that is none", nil, func(r *router.Ref) { r.Type = "MX" }, router.ErrNotFound, `"MX"`},
	} {
		r := route("api.example.com")
		if c.ref != nil {
			c.ref(&r)
		}
		_, err := driverOver(newFake(newClock(), c.sets...)).Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000})
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || router.EffectOf(err) != router.EffectNothing {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestSomebodyFasterIsRefusedByAWS(t *testing.T) {
	f := newFake(newClock(), weighted("api.example.com", "old", "192.0.2.1", 100), weighted("api.example.com", "new", "192.0.2.2", 0))
	d, r := driverOver(f), route("api.example.com")
	s, err := d.Read(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	f.meddle = func(int) { f.setWeight("api.example.com", "new", 77) }
	_, err = d.Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000, IfVersion: s.Version})
	if !errors.Is(err, router.ErrConflict) || router.EffectOf(err) != router.EffectNothing {
		t.Errorf("between reading and writing: %v", err)
	}
	if got, want := f.of("api.example.com"), []string{"new=77 192.0.2.2 ttl 60", "old=100 192.0.2.1 ttl 60"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTakingBackWinsAgainstSomebodyFaster(t *testing.T) {
	f := newFake(newClock(), simple("api.example.com", "192.0.2.1"))
	d, r := driverOver(f), route("api.example.com")
	r.Create, r.Convert = &router.Record{Values: []string{"192.0.2.2"}}, true
	f.meddle = func(n int) {
		if n == 1 { // somebody replaces the simple record before it is converted
			f.put(simple("api.example.com", "192.0.2.9"))
		}
	}
	if _, err := d.Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000}); err != nil {
		t.Fatal(err)
	}
	if got, want := f.of("api.example.com"), []string{"new=10 192.0.2.2 ttl 30", "old=90 192.0.2.9 ttl 30"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTrapsAreWarned(t *testing.T) {
	slow := weighted("api.example.com", "new", "192.0.2.2", 0)
	slow.TTL = aws.Int64(3600)
	f := newFake(newClock(), alias("api.example.com", "old", "old.elb.example.", 0), slow)
	s, err := driverOver(f).Read(t.Context(), route("api.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(s.Warnings, "\n")
	for _, want := range []string{"equal split", "health of a record", "TTL is above 60 s"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %q in\n%s", want, all)
		}
	}
	if s.High() != 5000 || len(s.Owners) != 0 {
		t.Errorf("all weights zero is a share of %s, owners %+v", s.High(), s.Owners)
	}
}

// registry is the TXT record that external-dns keeps beside a record.
func registry(name, identifier, owner string, weight *int64) types.ResourceRecordSet {
	set := types.ResourceRecordSet{Name: aws.String(canonical(name)), Type: "TXT", TTL: aws.Int64(300), ResourceRecords: []types.ResourceRecord{{
		Value: aws.String(fmt.Sprintf(`"heritage=external-dns,external-dns/owner=%s,external-dns/resource=ingress/shop/%s"`, owner, owner)),
	}}}
	if weight != nil {
		set.SetIdentifier, set.Weight = &identifier, weight
	}
	return set
}

func TestOwnersAreReadOffTheRegistry(t *testing.T) {
	const name = "api.example.com"
	const owns = " says that it owns api.example.com"
	for _, c := range []struct {
		what string
		txt  []types.ResourceRecordSet
		want []string
	}{
		{"nobody", []types.ResourceRecordSet{simpleTXT(name, `"v=spf1 -all"`)}, nil},
		{"the source's, at its own weight", []types.ResourceRecordSet{registry("a-"+name, "old", "prod", aws.Int64(100))},
			[]string{"surely external-dns (owner prod): the TXT record a-api.example.com" + owns + ", and the weight that it registered, 100, is there now"}},
		{"the target's, at another weight", []types.ResourceRecordSet{registry("a-"+name, "new", "next", aws.Int64(7))},
			[]string{"probably external-dns (owner next): the TXT record a-api.example.com" + owns}},
		{"an alias as older versions keep it", []types.ResourceRecordSet{registry("cname-"+name, "old", "prod", aws.Int64(7))},
			[]string{"probably external-dns (owner prod): the TXT record cname-api.example.com" + owns}},
		{"a name as the oldest versions keep it", []types.ResourceRecordSet{registry(name, "", "prod", nil)},
			[]string{"probably external-dns (owner prod): the TXT record api.example.com" + owns}},
		{"one of each cluster", []types.ResourceRecordSet{registry("a-"+name, "old", "prod", aws.Int64(9)), registry("a-"+name, "new", "next", aws.Int64(0))},
			[]string{"surely external-dns (owner next): the TXT record a-api.example.com" + owns + ", and the weight that it registered, 0, is there now",
				"probably external-dns (owner prod): the TXT record a-api.example.com" + owns}},
		{"of a record that is not the migration's", []types.ResourceRecordSet{registry("a-"+name, "other", "prod", aws.Int64(9))}, nil},
	} {
		f := newFake(newClock(), weighted(name, "old", "192.0.2.1", 100), weighted(name, "new", "192.0.2.2", 0))
		for _, set := range c.txt {
			f.put(set)
		}
		s, err := driverOver(f).Read(t.Context(), route(name))
		var got []string
		for _, o := range s.Owners {
			got = append(got, fmt.Sprintf("%s %s: %s", o.Sure, o.Name, o.Proof))
			if !strings.HasPrefix(o.Remedy, "set external-dns.alpha.kubernetes.io/aws-weight on ingress/shop/") {
				t.Errorf("%s: to do: %s", c.what, o.Remedy)
			}
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v\nwant %q", c.what, got, err, c.want)
		}
	}
}

func simpleTXT(name, value string) types.ResourceRecordSet {
	return types.ResourceRecordSet{Name: aws.String(canonical(name)), Type: "TXT", TTL: aws.Int64(300), ResourceRecords: []types.ResourceRecord{{Value: &value}}}
}

// TestTheRegistryIsReadOnceInAWhile: to look for it may cost calls, and nobody who
// takes traffic back waits for it. Whether its weight is there is seen each time.
func TestTheRegistryIsReadOnceInAWhile(t *testing.T) {
	const name = "api.example.com"
	f := newFake(newClock(), weighted(name, "old", "192.0.2.1", 100), weighted(name, "new", "192.0.2.2", 0), registry("a-"+name, "old", "prod", aws.Int64(100)))
	d, r := driverOver(f), route(name)
	read := func(when string, want ...traffic.Certainty) {
		t.Helper()
		s, err := d.Read(t.Context(), r)
		var got []traffic.Certainty
		for _, o := range s.Owners {
			got = append(got, o.Sure)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: owners %q, %v; want %q", when, got, err, want)
		}
	}
	read("at first", traffic.Surely)
	f.setWeight(name, "old", 50)
	before := f.lists
	read("after our write", traffic.Probably)
	if f.lists != before+1 {
		t.Errorf("%d calls where the owner is known, want 1", f.lists-before)
	}
	f.put(simpleTXT("a-"+name, `"gone"`))
	delete(f.sets, key(registry("a-"+name, "old", "prod", aws.Int64(100))))
	f.clock.Advance(ownership.Believed)
	if _, err := d.Write(t.Context(), router.Change{ID: "1", Route: r}); err != nil {
		t.Fatal(err)
	}
	f.setWeight(name, "old", 100)
	read("while traffic is taken back", traffic.Surely)
	f.clock.Advance(ownership.Believed)
	read("later")
}

func TestForgottenChangeFallsBackToTheBound(t *testing.T) {
	f := newFake(newClock(), weighted("api.example.com", "old", "192.0.2.1", 100), weighted("api.example.com", "new", "192.0.2.2", 0))
	d := driverOver(f)
	r, err := d.Write(t.Context(), router.Change{ID: "1", Route: route("api.example.com"), Share: 1000})
	if err != nil {
		t.Fatal(err)
	}
	clear(f.changes)
	for _, c := range []struct {
		after time.Duration
		done  bool
	}{{2*Propagation + time.Minute - time.Second, false}, {time.Second, true}} {
		f.clock.Advance(c.after)
		if s, err := d.Settled(t.Context(), r); err != nil || s.Done != c.done {
			t.Errorf("%+v, %v; want done %v", s, err, c.done)
		}
	}
}
