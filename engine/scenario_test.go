package engine

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// TestScenarios runs the scripts of testdata. A script begins with a spec and
// then lets things happen; what is printed is the journal and the state.
//
//	spec [deadline=5m] [manual] [reassert] [on-unknown=rollback] [unknown=KIND:rollback] [p99=100ms] [no-signals]
//	     [window=10s] [interval=1s] [errors=1%] [unknown-after=30s]
//	     [analysis] [form=unit] [unit=1s] [latency] [slower=5s] [services=web,api] [adaptive] [promote] [budget=20] [min=20]
//	route NAME [settle-within=30s]
//	step SHARE HOLD [approval]
//	----
//	run DURATION                  let time pass
//	lever NAME FAULT[=N]          throttle, lose-reply, lose-write, denied, expired, clock-off[=writes], unreadable, never-settles, late=SHARE, cap=SHARE, ok,
//	                              late-write=8s (the next write arrives so much later), partial (the next write changes some names),
//	                              gone, name-deleted, name-refused (all of it; or the name api.example.com of two),
//	                              stale=5s (reads are that much behind), settles=2s
//	users rate=N target-fails=5% source-fails=1% latency=20ms swallowed counted [service=web]
//	signal ok|unreachable|no-target|no-source|none|skewed|restarting|crashing|noted [service=web]
//	latency source|target none|other|ok    no latencies are counted, or in other buckets
//	intrude NAME SHARE [OWNER [perhaps|probably|surely]]   SHARE may be 10%..50%, different in its names
//	race NAME SHARE [OWNER...]    the same, between the look and the next write
//	command VERB [step=N] [without=NAME] [seen|unbound]   pause, resume, approve, rollback, retry; about what is there now, or was at "see"
//	see                           an operator looks at the status
//	touch NAME                    somebody else's change to something that is not the share
//	away DURATION                 let time pass without anybody who watches
//	kill                          a new process takes over now
//	kill-after-save               the process dies between saving the next write and applying it
//	kill-after-write              the process dies between applying the next write and saving its result
func TestScenarios(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { runScript(t, path) })
	}
}

func runScript(t *testing.T, path string) {
	var w *world
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "spec" {
			w = newWorld(readSpec(t, d))
			return w.state()
		}
		w.log = nil
		w.obey(t, d)
		return strings.Join(append(w.log, w.state()), "\n")
	})
}

func (w *world) obey(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "run":
		w.run(span(t, d.CmdArgs[0].Key))
	case "lever":
		w.misbehave(t, w.levers[d.CmdArgs[0].Key], d.CmdArgs[1])
	case "users":
		for _, a := range d.CmdArgs {
			w.users(t, a)
		}
	case "signal":
		how := d.CmdArgs[0].Key
		w.signal, w.silent, w.sightless = how != "unreachable", how == "no-target" || how == "none", how == "no-source" || how == "none"
		w.skewed, w.restarting, w.crashing, w.noted = how == "skewed", how == "restarting", how == "crashing", how == "noted"
		if w.signalService = ""; len(d.CmdArgs) > 1 {
			w.signalService = d.CmdArgs[1].Vals[0]
		}
	case "latency":
		how := timing(strings.TrimSuffix(d.CmdArgs[1].Key, "ok"))
		if d.CmdArgs[0].Key == "source" {
			w.timing.Source = how
		} else {
			w.timing.Target = how
		}
	case "intrude", "race":
		low, high, differ := strings.Cut(d.CmdArgs[1].Key, "..")
		if !differ {
			high = low
		}
		name, who := d.CmdArgs[0].Key, ownerOf(d.CmdArgs[2:])
		intrude := func() { w.intrude(name, share(t, low), share(t, high), who) }
		if w.levers[name].race = intrude; d.Cmd == "intrude" {
			w.levers[name].race = nil
			intrude()
		}
	case "touch":
		w.levers[d.CmdArgs[0].Key].version++
	case "away":
		w.now = w.now.Add(span(t, d.CmdArgs[0].Key))
	case "command":
		w.order(t, d.CmdArgs)
		w.run(0)
	case "see":
		w.saw = w.status.clone()
	case "kill":
		w.restart()
	case "kill-after-save":
		w.crashAfterSave = true
	case "kill-after-write":
		w.crashAfterWrite = true
	default:
		t.Fatalf("%s: no such command %q", d.Pos, d.Cmd)
	}
}

// order is an operator's command as a script gives it.
func (w *world) order(t *testing.T, args []datadriven.CmdArg) {
	c, saw := Command{Verb: Verb(args[0].Key)}, w.status
	bound := true
	for _, a := range args[1:] {
		switch a.Key {
		case "step":
			c.Step, _ = strconv.Atoi(a.Vals[0])
		case "without":
			c.Without = a.Vals
		case "seen":
			saw = w.saw
		case "unbound":
			bound = false
		default:
			t.Fatalf("a command has no %q", a.Key)
		}
	}
	if bound {
		c = saw.Bound(c)
	}
	w.give(c)
}

// ownerOf is what the data plane shows of somebody else; nil if nothing.
func ownerOf(args []datadriven.CmdArg) *traffic.Owner {
	if len(args) == 0 {
		return nil
	}
	o := traffic.Owner{Name: args[0].Key, Sure: traffic.Surely, Proof: "its mark is on it", Remedy: "stop it while the migration runs"}
	if len(args) > 1 {
		o.Sure = traffic.Certainty(args[1].Key)
	}
	return &o
}

func (w *world) misbehave(t *testing.T, l *lever, a datadriven.CmdArg) {
	n := 1
	if len(a.Vals) > 0 {
		n, _ = strconv.Atoi(a.Vals[0])
	}
	switch a.Key {
	case "throttle":
		l.throttle = n
	case "lose-reply":
		l.loseReply = n
	case "lose-write":
		l.loseWrite = n
	case "denied":
		l.denied = true
	case "expired":
		l.expired = true
	case "clock-off":
		l.clockOff, l.clockOffUnread = true, len(a.Vals) == 0 // else it is noticed by the writes only
	case "unreadable":
		l.unread = true
	case "never-settles":
		l.neverSettles = true
	case "late":
		l.late, l.lateAt = share(t, a.Vals[0]), w.now.Add(3*time.Second)
	case "cap":
		l.cap = share(t, a.Vals[0])
	case "late-write":
		l.lateWrite = span(t, a.Vals[0])
	case "partial":
		l.partial = n
	case "stale":
		l.stale = span(t, a.Vals[0])
	case "settles":
		l.settles = span(t, a.Vals[0])
	case "gone":
		l.spoil(w.now, "gone")
	case "name-deleted":
		l.spoil(w.now, "deleted")
	case "name-refused":
		l.spoil(w.now, "refused")
	case "ok":
		l.spoil(w.now, "")
		l.lateWrite, l.partial, l.stale = 0, 0, 0
		l.throttle, l.loseReply, l.loseWrite, l.denied, l.unread, l.neverSettles, l.expired, l.clockOff, l.clockOffUnread = 0, 0, 0, false, false, false, false, false, false
	default:
		t.Fatalf("no such fault %q", a.Key)
	}
}

func (w *world) users(t *testing.T, a datadriven.CmdArg) {
	switch a.Key {
	case "rate":
		w.rate, _ = strconv.ParseInt(a.Vals[0], 10, 64)
	case "target-fails":
		w.failing.Target = share(t, a.Vals[0]).Ratio()
	case "source-fails":
		w.failing.Source = share(t, a.Vals[0]).Ratio()
	case "swallowed":
		w.swallowed = true
	case "counted":
		w.swallowed = false
	case "latency":
		w.latency = span(t, a.Vals[0])
	case "leak":
		w.leak = share(t, a.Vals[0])
	case "service":
		w.failingService = a.Vals[0]
	default:
		t.Fatalf("users have no %q", a.Key)
	}
}

func readSpec(t *testing.T, d *datadriven.TestData) Spec {
	spec := Spec{
		Name: "shop", Source: "eks-1-33", Target: "eks-1-36",
		Gate:     Gate{Signals: true, MaxErrorRatio: 0.01, MinRequests: 20, Window: 10 * time.Second, Interval: time.Second},
		Rollback: Rollback{OnUnknown: UnknownHolds, UnknownAfter: 30 * time.Second},
	}
	var errors *float64
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "deadline":
			spec.Deadline = span(t, a.Vals[0])
		case "manual":
			spec.Rollback.Manual = true
		case "reassert":
			spec.OnDrift = DriftReasserts
		case "on-unknown":
			spec.Rollback.OnUnknown = OnUnknown(a.Vals[0])
		case "p99":
			spec.Gate.MaxP99 = span(t, a.Vals[0])
		case "no-signals":
			spec.Gate.Signals = false
		case "unknown":
			kind, do, _ := strings.Cut(a.Vals[0], ":")
			if spec.Rollback.Kinds == nil {
				spec.Rollback.Kinds = map[Why]OnUnknown{}
			}
			spec.Rollback.Kinds[Why(strings.ReplaceAll(kind, "-", " "))] = OnUnknown(do)
		case "window":
			spec.Gate.Window = span(t, a.Vals[0])
		case "interval":
			spec.Gate.Interval = span(t, a.Vals[0])
		case "errors":
			ratio := share(t, a.Vals[0]).Ratio()
			errors = &ratio
		case "unknown-after":
			spec.Rollback.UnknownAfter = span(t, a.Vals[0])
		case "min":
			spec.Gate.MinRequests, _ = strconv.ParseInt(a.Vals[0], 10, 64)
		case "analysis", "form", "unit", "latency", "slower", "services", "adaptive", "promote", "budget":
			analysisOf(t, &spec, a)
		default:
			t.Fatalf("%s: a spec has no %q", d.Pos, a.Key)
		}
	}
	if a := spec.Gate.Analysis; a != nil {
		cfg := a.WithDefaults()
		spec.Gate.Analysis, spec.Gate.MaxErrorRatio = &cfg, 1
	}
	if errors != nil {
		spec.Gate.MaxErrorRatio = *errors
	}
	for line := range strings.Lines(d.Input) {
		words := strings.Fields(line)
		switch words[0] {
		case "route":
			r := RouteSpec{Name: words[1], Granularity: 10, SettleWithin: 30 * time.Second, LookEvery: time.Second}
			if len(words) > 2 {
				r.SettleWithin = span(t, strings.TrimPrefix(words[2], "settle-within="))
			}
			spec.Routes = append(spec.Routes, r)
		case "step":
			spec.Steps = append(spec.Steps, StepSpec{Share: share(t, words[1]), Hold: span(t, words[2]), Approval: len(words) > 3})
		default:
			t.Fatalf("%s: a spec has no line %q", d.Pos, line)
		}
	}
	return spec
}

// analysisOf sets one thing of the analysis, which there is one of from then on.
func analysisOf(t *testing.T, spec *Spec, a datadriven.CmdArg) {
	if spec.Gate.Analysis == nil {
		spec.Gate.Analysis = &verdict.Config{Services: []verdict.Service{{Name: "web", Metrics: []verdict.Metric{{Name: "errors", Kind: verdict.Errors}}}}}
	}
	cfg := spec.Gate.Analysis
	switch a.Key {
	case "form":
		cfg.Form = verdict.Form(a.Vals[0])
	case "unit":
		cfg.Unit = span(t, a.Vals[0])
	case "latency":
		cfg.Services[0].Metrics = append(cfg.Services[0].Metrics, verdict.Metric{Name: "p99", Kind: verdict.Latency, Quantile: .99})
	case "slower":
		cfg.Services[0].Metrics = append(cfg.Services[0].Metrics, verdict.Metric{Name: "slowerThan", Kind: verdict.Slower, Edge: span(t, a.Vals[0])})
	case "services":
		cfg.Services = nil
		for _, name := range a.Vals {
			cfg.Services = append(cfg.Services, verdict.Service{Name: name, Metrics: []verdict.Metric{{Name: "errors", Kind: verdict.Errors}}})
		}
	case "adaptive":
		cfg.Adaptive, cfg.Promote = true, true
	case "promote":
		cfg.Promote = true
	case "budget":
		cfg.HarmBudget, _ = strconv.ParseFloat(a.Vals[0], 64)
	}
}

func span(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func share(t *testing.T, text string) traffic.Share {
	s, err := traffic.ParseShare(text)
	if err != nil {
		t.Fatal(fmt.Errorf("script: %w", err))
	}
	return s
}
