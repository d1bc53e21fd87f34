package sim

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
)

var update = flag.Bool("update", false, "write what is printed into testdata")

// told as by hand: what a run may tell, in one story.
func tale() (Plan, Result) {
	gate := engine.Gate{Signals: true, MaxErrorRatio: 0.05, MinRequests: 10, Window: 10 * time.Second, Interval: 5 * time.Second}
	plan := Plan{
		Seed: 4711,
		Spec: engine.Spec{
			Name: "shop", Source: "eks-1-33", Target: "eks-1-36", Gate: gate, Deadline: 2 * time.Minute,
			Steps:  []engine.StepSpec{{Share: 500, Hold: 10 * time.Second}, {Share: 10000, Hold: 12 * time.Second, Approval: true}},
			Routes: []engine.RouteSpec{{Name: "public", SettleWithin: 26 * time.Second}, {Name: "partners", SettleWithin: 20 * time.Second}},
			Rollback: engine.Rollback{
				OnUnknown: engine.UnknownHolds, UnknownAfter: 30 * time.Second, Kinds: map[engine.Why]engine.OnUnknown{engine.Silent: engine.UnknownRollsBack},
			},
		},
		Levers:  []Lever{{MaxWeight: 999, Propagation: 3 * time.Second}, {MaxWeight: 255, Propagation: 2 * time.Second, Names: 2}},
		Signals: []Signal{{}},
		Users:   Users{Rate: 200},
		People:  People{Restart: 5 * time.Second},
	}
	story := []beat{{phase: engine.Pending}}
	at := func(seconds float64, b beat) {
		b.at = time.Duration(seconds * float64(time.Second))
		story = append(story, b)
	}
	begin := func(seconds float64, f Fault) {
		f.After = time.Duration(seconds * float64(time.Second))
		plan.Faults = append(plan.Faults, f)
		at(seconds, beat{begins: &f})
	}
	write := func(seconds float64, route string, share traffic.Share, fault Kind) {
		at(seconds, beat{call: writeCall, route: route, share: share})
		if fault != kinds {
			at(seconds, beat{fault: fault, bite: true})
		}
	}
	at(1, beat{phase: engine.Shifting})
	begin(1, Fault{Kind: ReplyLost, Times: 2})
	write(3, "public", 500, ReplyLost)
	at(3, beat{arrived: true, route: "public", share: 500})
	write(3.4, "public", 500, ReplyLost)
	begin(5, Fault{Kind: LateWrite, Times: 1})
	write(6, "partners", 500, LateWrite)
	at(14.3, beat{arrived: true, route: "partners", share: 500})
	begin(15, Fault{Kind: Throttled, Lasts: 4 * time.Second})
	at(16, beat{fault: Throttled, bite: true})
	at(16, beat{call: writeCall, route: "public", ended: true, err: router.ErrThrottled})
	at(17, beat{call: writeCall, route: "public", ended: true, err: router.ErrThrottled})
	at(18, beat{call: readCall, route: "partners", ended: true, err: router.ErrThrottled})
	begin(17, Fault{Kind: Denied, Lasts: 5 * time.Second})
	at(17.5, beat{fault: Denied, bite: true})
	begin(20, Fault{Kind: Blind, Lasts: 5 * time.Second})
	at(21, beat{fault: Blind, bite: true})
	begin(22, Fault{Kind: Gap, Lasts: 8 * time.Second, Value: 1})
	at(23, beat{fault: Gap, bite: true})
	begin(24, Fault{Kind: Skew, Lasts: 8 * time.Second}) // is never met
	begin(31, Fault{Kind: PodsDie, Lasts: 10 * time.Second, Value: 9000})
	at(31, beat{fault: PodsDie, bite: true})
	at(33, beat{intruder: "terraform", route: "public", share: 9000})
	begin(34, Fault{Kind: Touch, Route: 1})
	at(34, beat{fault: Touch, bite: true})
	at(35, beat{fault: Kill, bite: true, dies: beforeWrite})
	at(36, beat{fault: Kill, bite: true})
	at(43, beat{fault: Freeze, bite: true, lasts: 14 * time.Second})
	at(44, beat{fault: DiskFull, bite: true})
	at(45, beat{verb: engine.TakeBack})
	begin(46, Fault{Kind: ServerError, Times: 2})
	write(58, "public", 0, ServerError)
	write(60, "public", 0, ServerError)
	at(60, beat{arrived: true, route: "public"})
	at(70, beat{heal: true})
	at(75, beat{phase: engine.RolledBack})
	v := &Violation{Invariant: "an end is true", Text: "RolledBack is said while partners is at 5 %", At: 75 * time.Second}
	return plan, Result{Phase: engine.RolledBack, Broken: v, Took: 75 * time.Second, story: story}
}

func TestScriptGolden(t *testing.T) {
	golden(t, "testdata/script.golden", Script(tale()))
}

func TestWordsGolden(t *testing.T) {
	plan, _ := tale()
	golden(t, "testdata/words.golden", plan.Words())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.FromSlash(path), []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test ./sim -update writes it anew. Now:\n%s", path, got)
	}
}

// TestScriptOfEveryFault: whatever is met is told, in a line of its own or in words.
func TestScriptOfEveryFault(t *testing.T) {
	var s Simulator
	defer s.Close()
	left := Kinds()
	for seed := uint64(0); len(left) > 0 && seed < 8000; seed++ {
		plan := Draw(seed)
		r := s.Run(t.Context(), plan, Options{Trace: true})
		script := Script(plan, r)
		left = slices.DeleteFunc(left, func(k Kind) bool {
			return r.met(k) && (strings.Contains(script, ": "+k.String()+", which") || says(script, k))
		})
	}
	if len(left) > 0 {
		t.Errorf("no script tells of %v", left)
	}
}

// met reports whether a fault was met before the last phase began.
func (r Result) met(k Kind) bool {
	return slices.ContainsFunc(r.story, func(b beat) bool { return b.bite && b.fault == k && b.at <= r.Took })
}

// says reports whether a script has the directive that a fault becomes.
func says(script string, k Kind) bool {
	words := map[Kind][]string{
		ReplyLost: {"lose-reply"}, RequestLost: {"lose-write"}, LateWrite: {"late-write", "lose-write"}, PartialWrite: {"partial"},
		ServerError: {"lose-write", "lose-reply"}, Throttled: {"throttle", "unreadable"}, Denied: {"denied"}, SignedOut: {"expired"}, ClockOff: {"clock-off"}, ReadError: {"unreadable"},
		StaleRead: {"stale"}, SlowSettling: {"settles"}, Kill: {"kill"}, Freeze: {"away"}, Interrupt: {"kill"}, TornJournal: {"kill"}, PowerCut: {"kill"},
		Blind: {"signal unreachable"}, Gap: {"signal no"}, Swallow: {"swallowed"}, Resets: {"restarting"}, Skew: {"skewed"},
		TargetWorse: {"target-fails"}, TargetSlow: {"latency"}, TargetGone: {"target-fails"}, SourceGone: {"source-fails"}, BothFail: {"source-fails"},
		PodsDie: {"target-fails"}, NoUsers: {"rate=0"}, Burst: {"users rate"}, OrderPause: {"command pause"}, OrderResume: {"command resume"},
		OrderApprove: {"command approve"}, OrderRollback: {"command rollback"}, OrderRetry: {"command retry"}, OrderTwice: {"command"}, ApprovalTwice: {"command approve"}, OrderLate: {"see\n"},
		Raise: {"intrude"}, Lower: {"intrude"}, Reapply: {"intrude"}, Fight: {"intrude"}, Touch: {"touch"},
	}
	return slices.ContainsFunc(words[k], func(word string) bool { return strings.Contains(script, word) })
}

// TestDeathsHaveTheirPlace: where a process was killed is told as it was.
func TestDeathsHaveTheirPlace(t *testing.T) {
	var s Simulator
	defer s.Close()
	seen := map[death]int{}
	plan := crowded()
	for n := range 40 {
		plan.Faults = []Fault{{Kind: Kill, Phase: engine.Shifting, Nth: 1, Value: 1 + n}}
		r := s.Run(t.Context(), plan, Options{Trace: true})
		for i, b := range r.story {
			if !b.bite || b.fault != Kill {
				continue
			}
			seen[b.dies]++
			sent := slices.ContainsFunc(r.story[:i], func(c beat) bool { return c.call == writeCall })
			came := slices.ContainsFunc(r.story[:i], func(c beat) bool { return c.arrived })
			if b.dies == afterWrite && !came || b.dies == beforeWrite && !sent && came {
				t.Errorf("effect %d: said to be killed at %d, although a write was sent: %v, and arrived: %v", n+1, b.dies, sent, came)
			}
		}
	}
	if len(seen) < 3 {
		t.Errorf("killed at %v only", seen)
	}
}
