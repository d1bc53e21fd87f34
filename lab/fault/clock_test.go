package fault

import (
	"testing"
	"time"
)

// TestAClockBitesByItself: beside other faults, and before they are asked.
func TestAClockBitesByItself(t *testing.T) {
	r := NewRules(nil)
	for _, a := range []AWS{
		{Kind: Clock, Service: "elbv2", Off: 10 * time.Minute, Times: 2},
		{Kind: Throttle, Service: "elbv2", Times: 1},
		{Kind: Clock, Off: -time.Hour, For: time.Minute},
	} {
		if _, err := r.Inject(t.Context(), Fault{AWS: &a}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []time.Duration{10 * time.Minute, 10 * time.Minute, -time.Hour} {
		if got := r.ClockOff("elbv2", "ModifyRule"); got != want {
			t.Errorf("call %d: off by %s, want %s", i+1, got, want)
		}
	}
	if b, bites := r.Bite("elbv2", "ModifyRule"); !bites || b.Kind != Throttle {
		t.Errorf("%+v, %v", b, bites)
	}
	if b, bites := r.Bite("elbv2", "ModifyRule"); bites {
		t.Errorf("%+v bites as a fault of a call", b)
	}
	list, err := r.List(t.Context())
	if err != nil || list[0].Count() != 2 || list[0].End != UsedUp || list[2].Count() != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}
