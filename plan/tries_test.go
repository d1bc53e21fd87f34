package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"watari.dev/engine"
	"watari.dev/router"
)

func TestHowOftenThingsAreTried(t *testing.T) {
	p := twoRoutes(10000)
	p.Spec.Rollback.Manual = true
	b := engine.TryBounds()
	f := router.Features{ReadCalls: 4, WriteCalls: 2, HeldBack: 3 * time.Second, CallTries: 5, CallWaits: 7 * time.Second, BackTries: 3}
	want := TriesForecast{
		Rise: b.RiseTries, RiseWithin: b.RisePauses + time.Duration(b.RiseTries)*(3+2+12)*time.Second, Manual: true,
		BackEvery: b.LongestPause + 2*time.Second, Each: 12 * time.Second,
		Calls: 6, CallTries: 5, CallWaits: 7 * time.Second, BackTries: 3,
	}
	pace := Pace{Write: 12 * time.Second, Turn: 2 * time.Second}
	if diff := cmp.Diff(want, p.tries(f, pace)); diff != "" {
		t.Errorf("want -, have +\n%s", diff)
	}
	held := p.Bind(map[string]router.Features{"public": f}).Spec.Routes[0].SettleWithin
	if free := p.Bind(nil).Spec.Routes[0].SettleWithin; held-free != 2*f.HeldBack {
		t.Errorf("what is held back must settle within %s, what is not within %s", held, free)
	}
	// A driver that says nothing tries once.
	if got := p.tries(router.Features{}, pace); got.CallTries != 1 || got.BackTries != 1 || got.Calls != 0 {
		t.Errorf("%+v", got)
	}
}
