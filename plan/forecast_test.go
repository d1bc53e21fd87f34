package plan

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
)

// The features of a rule of a load balancer, and of one Route 53 name with a TTL
// of a minute, as their drivers state them.
var features = map[string]router.Features{
	"public":   {MaxWeight: 999, Propagation: 5 * time.Second, ReadCalls: 2, WriteCalls: 2, SettleCalls: 1},
	"partners": {MaxWeight: 255, Propagation: time.Minute, Cached: time.Minute, ReadCalls: 1, WriteCalls: 1, SettleCalls: 2},
}

func twoRoutes(shares ...traffic.Share) Plan {
	p := Plan{
		Spec:   engine.Spec{Name: "shop", Source: "a", Target: "b", Routes: []engine.RouteSpec{{Name: "public"}, {Name: "partners"}}, Gate: engine.Gate{Signals: true}},
		Levers: []Lever{{Ref: router.Ref{Name: "public", Driver: "alb"}}, {Ref: router.Ref{Name: "partners", Driver: "route53"}}},
	}
	for i, s := range shares {
		p.Spec.Steps = append(p.Spec.Steps, engine.StepSpec{Share: s, Hold: time.Duration(i+1) * time.Hour})
	}
	return p
}

func TestBind(t *testing.T) {
	p := twoRoutes(100, 5000, 10000)
	bound := p.Bind(features)
	want := []engine.RouteSpec{
		{Name: "public", Granularity: 11, SettleWithin: time.Minute + 10*time.Second, LookEvery: 1500 * time.Millisecond},
		{Name: "partners", Granularity: 40, SettleWithin: 5 * time.Minute, LookEvery: 1500 * time.Millisecond},
	}
	if diff := cmp.Diff(want, bound.Spec.Routes); diff != "" {
		t.Errorf("want -, have +\n%s", diff)
	}
	if p.Spec.Routes[0].Granularity != 0 {
		t.Error("Bind changed the plan that it was called on")
	}
	// A driver that says nothing is taken for the coarsest and slowest there is,
	// and is never asked more often than once a second.
	silent := p.Bind(nil).Spec.Routes[0]
	if silent.Granularity <= 5000 || silent.SettleWithin != time.Minute || silent.LookEvery != time.Second {
		t.Errorf("without features: %+v", silent)
	}
}

// TestLookingLeavesRoomForWrites: 5 calls a second are all that Route 53 gives.
func TestLookingLeavesRoomForWrites(t *testing.T) {
	for reads := range 40 {
		f := router.Features{ReadCalls: reads, SettleCalls: reads}
		r := twoRoutes(10000).Bind(map[string]router.Features{"public": f}).Spec.Routes[0]
		if perSecond := float64(2*reads) / r.LookEvery.Seconds(); perSecond > 2 {
			t.Errorf("%d calls a look every %s are %.1f a second", 2*reads, r.LookEvery, perSecond)
		}
	}
}

// TestGranularityCoversEveryStep: what a driver may write for a step's share is
// never as far below it as the granularity, so that reading it back is known as
// done; and it is less than the step itself.
func TestGranularityCoversEveryStep(t *testing.T) {
	for _, maxWeight := range []int64{255, 999} {
		for share := traffic.Share(100); share <= traffic.All; share += 7 {
			wrote := router.Express(share, maxWeight).Share()
			gap := granularity([]engine.StepSpec{{Share: share}}, maxWeight)
			if wrote > share || wrote+gap <= share || gap > share {
				t.Errorf("%s of weights up to %d is written as %s, granularity %s", share, maxWeight, wrote, gap)
			}
		}
	}
}

func TestForesee(t *testing.T) {
	p := twoRoutes(33, 5000, 10000)
	p.Spec.Steps[1].Approval = true
	unread := errors.New("throttled")
	f := p.Foresee(features, map[string]router.Snapshot{"public": {Version: "v1"}}, map[string]error{"partners": unread}, Pace{Write: time.Second})

	if f.Name != "shop" || f.Source != "a" || f.Target != "b" {
		t.Errorf("%s: %s -> %s", f.Name, f.Source, f.Target)
	}
	// Per step: public writes 2, settles 1, reads 2 x 2; partners 1, 2, 2 x 1.
	if f.Writes != 9 || f.Calls != 3*(7+5) {
		t.Errorf("%d writes, %d calls", f.Writes, f.Calls)
	}
	if want := 6*time.Hour + 3*2*time.Minute; f.Takes != want {
		t.Errorf("takes %s, want %s", f.Takes, want)
	}
	want := []StepForecast{
		{Share: 33, Hold: time.Hour, Gates: []string{"thresholds"}, WayBack: 2 * time.Minute, Rounding: rounded(33)},
		{Share: 5000, Hold: 2 * time.Hour, Gates: []string{"thresholds", "approval"}, WayBack: 2 * time.Minute},
		{Share: 10000, Hold: 3 * time.Hour, Gates: []string{"thresholds"}, WayBack: 2 * time.Minute},
	}
	if diff := cmp.Diff(want, f.Steps); diff != "" {
		t.Errorf("want -, have +\n%s", diff)
	}
	public, partners := f.Routes[0], f.Routes[1]
	if public.Tries.Each != time.Second || public.Tries.Calls != 4 || partners.Tries.Calls != 2 {
		t.Errorf("tries: %+v, %+v", public.Tries, partners.Tries)
	}
	if public.Finest != 10 || public.Snapshot == nil || public.Snapshot.Version != "v1" || public.Err != nil {
		t.Errorf("public: %+v", public)
	}
	if partners.Finest != 39 || partners.Snapshot != nil || !errors.Is(partners.Err, unread) {
		t.Errorf("partners: %+v", partners)
	}
}

// rounded is what Foresee should say of a share that neither lever expresses.
func rounded(share traffic.Share) []string {
	var out []string
	for _, name := range []string{"public", "partners"} {
		if wrote := router.Express(share, features[name].MaxWeight).Share(); wrote != share {
			out = append(out, name+" "+wrote.String())
		}
	}
	return out
}

func TestForeseeWithoutGates(t *testing.T) {
	p := twoRoutes(10000)
	p.Spec.Gate.Signals = false
	f := p.Foresee(nil, nil, nil, Pace{})
	if len(f.Steps[0].Gates) != 0 || f.Steps[0].WayBack != 0 || f.Writes != 0 || f.Takes != time.Hour || f.Routes[0].Finest != traffic.All {
		t.Errorf("%+v", f)
	}
}

// TestManyNamesWaitForTheirTurn: a lever whose account counts calls is looked at
// as often as half of them allow, and is given the time that takes.
func TestManyNamesWaitForTheirTurn(t *testing.T) {
	p := Plan{}
	features := map[string]router.Features{}
	for _, name := range []string{"a", "b"} {
		p.Levers = append(p.Levers, Lever{Ref: router.Ref{Name: name}})
		p.Spec.Routes = append(p.Spec.Routes, engine.RouteSpec{Name: name})
		features[name] = router.Features{MaxWeight: 255, ReadCalls: 10, WriteCalls: 2, SettleCalls: 10, CallRate: 5}
	}
	bound := p.Bind(features)
	for i, r := range bound.Spec.Routes {
		if r.LookEvery != 16*time.Second || bound.Levers[i].Patience != 16*time.Second || r.SettleWithin <= time.Minute {
			t.Errorf("40 calls at 5 a second: looked at every %s, for %s", r.LookEvery, bound.Levers[i].Patience)
		}
	}
	if p.Levers[0].Patience != 0 {
		t.Error("Bind changed the plan that it was given")
	}
	if err := p.Check(features); err != nil {
		t.Errorf("24 calls for a change are written in 5 seconds: %v", err)
	}
	for name, f := range features {
		f.ReadCalls = 30
		features[name] = f
	}
	if err := p.Check(features); err == nil || !strings.Contains(err.Error(), "routes a, b need 13s") {
		t.Errorf("64 calls take longer than a rollback may: %v", err)
	}
}
