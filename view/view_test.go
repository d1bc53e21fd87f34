package view

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/traffic"
)

func TestStatus(t *testing.T) {
	var p page
	for _, s := range situations() {
		var b bytes.Buffer
		Status(&b, spec, s.status, s.holder, noon)
		p.add(s.name, b.String())
	}
	p.compare(t, "status")
}

func TestFrame(t *testing.T) {
	var p page
	for _, s := range situations() {
		if s.holder == nil {
			continue // nobody watches
		}
		w := NewWatch(spec)
		w.Add(s.turn())
		p.add(s.name, strings.Join(w.Frame(), "\n"))
	}
	w := NewWatch(engine.Spec{Name: "shop", Steps: []engine.StepSpec{{Share: 10000, Approval: true}}})
	w.Add(runner.Turn{At: noon, Status: in(engine.WaitingForApproval, "100 % soaked for 1m0s; to complete: watari approve shop --step 1")})
	p.add("without signals", strings.Join(w.Frame(), "\n"))
	p.compare(t, "frame")
}

func TestLines(t *testing.T) {
	var p page
	for _, s := range situations() {
		if s.holder == nil {
			continue
		}
		w := NewWatch(spec)
		p.add(s.name, strings.Join(append(w.Add(s.turn()), w.Beat()), "\n"))
	}
	p.compare(t, "lines")
}

func TestNext(t *testing.T) {
	var p page
	for _, phase := range phases {
		p.add(string(phase), Next("shop", phase, "shop.yaml")+"\n"+Next("shop", phase, "")+"\nwhile it runs: "+nextWhileRun("shop", phase))
	}
	p.compare(t, "next")
}

var phases = []engine.Phase{
	engine.Pending, engine.Shifting, engine.Holding, engine.WaitingForApproval, engine.Paused,
	engine.RollingBack, engine.RolledBack, engine.Soaking, engine.Complete, engine.Failed,
}

func TestPlanPage(t *testing.T) {
	var p page
	ref := router.Ref{Name: "public", Driver: "alb", ID: "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/shop/50dc/f2f7/9683", Source: "s", Target: "t"}
	dns := router.Ref{Name: "partners", Driver: "route53", ID: "Z123", Names: []string{"api.example.com", "www.example.com"}}
	snapshot := &router.Snapshot{
		Parts: []router.Part{{Name: "api.example.com", Share: 100, Weights: []router.Weight{{Entry: "eks-1-33", Weight: 99}, {Entry: "eks-1-36", Weight: 1}}}},
		Owners: []traffic.Owner{
			{
				Name: "external-dns (owner prod)", Sure: traffic.Probably, Proof: "the TXT record a-api.example.com says that it owns api.example.com",
				Remedy: "set external-dns.alpha.kubernetes.io/aws-weight on ingress/shop/web, or stop it while the migration runs",
			},
			{Name: "Terraform", Sure: traffic.Perhaps, Proof: "the rule has the tag ManagedBy=terraform", Remedy: "do not apply it while the migration runs"},
		},
		Warnings: []string{"api.example.com: the TTL is above 60 s; so long do clients keep the answer before"},
	}
	triedOnce := plan.TriesForecast{Rise: 6, RiseWithin: 93500 * time.Millisecond, BackEvery: 16 * time.Second, Each: 12 * time.Second, CallTries: 1, BackTries: 1}
	tried := triedOnce
	tried.Manual, tried.RiseWithin, tried.Calls, tried.CallTries, tried.CallWaits = true, 183500*time.Millisecond, 4, 5, 7500*time.Millisecond
	triedOften := tried
	triedOften.Calls, triedOften.BackTries, triedOften.Manual = 1, 3, false
	f := plan.Forecast{
		Gate: plan.GateForecast{Alpha: .01, Trouble: map[string]string{"signals[1] cloudWatch": "the source cannot be counted: access denied"}, Blind: []plan.BlindForecast{{Signal: "signals[1] cloudWatch", Route: "public"}}, Services: []plan.ServiceForecast{
			{Name: "checkout", Metrics: []string{"errors", "p50", "p99"}, Signals: []string{"prometheus", "cloudWatch"}, Late: 3 * time.Minute},
			{Name: "search", Metrics: []string{"errors"}, Signals: []string{"scrape"}},
		}},
		Drift: engine.DriftReasserts,
		Name:  "shop", Source: "eks-1-33", Target: "eks-1-36", Writes: 8, Calls: 1234, Takes: 25*time.Hour + 41*time.Minute,
		Steps: []plan.StepForecast{
			{Share: 33, Hold: 90 * time.Second, Gates: []string{"thresholds"}, WayBack: 65 * time.Second, Rounding: []string{"partners 0.32 %"}},
			{Share: 5000, Hold: time.Hour, Gates: []string{"thresholds", "approval"}, WayBack: 65 * time.Second},
			{Share: 10000, Hold: 24 * time.Hour, Gates: []string{"approval"}, WayBack: 65 * time.Second},
		},
		Routes: []plan.RouteForecast{
			{Ref: ref, Features: router.Features{Propagation: 5 * time.Second, Limit: "a few calls per second"}, Finest: 10, Tries: tried, Err: errors.New("alb: read weights of it: throttled; nothing was changed")},
			{Ref: dns, Features: router.Features{Propagation: time.Minute, Cached: 5 * time.Second}, Finest: 39, Tries: triedOften, Snapshot: snapshot},
		},
	}
	write := func(f plan.Forecast, source, target string) string {
		var b bytes.Buffer
		Plan(&b, f, traffic.BySide[string]{Source: source, Target: target})
		return b.String()
	}
	p.add("both sides known, a route that cannot be read, a writer", write(f, "Kubernetes 1.33.13, 214 of 214 pods ready", "Kubernetes 1.36.3, 31 of 31 pods ready"))
	one := f
	one.Steps, one.Routes, one.Writes = []plan.StepForecast{{Share: 10000, Hold: time.Minute}}, []plan.RouteForecast{{Ref: router.Ref{Name: "m", Driver: "mem", ID: "x"}, Finest: 1, Tries: triedOnce}, {Ref: router.Ref{Name: "n", Driver: "mem", ID: "y"}, Finest: 1, Tries: triedOnce}}, 1
	one.Drift = engine.DriftHolds
	p.add("one side not read, nothing else known", write(one, "", "not read: kubernetes: read the version of context eks-1-36: no usable answer; see whether kubectl reaches it"))
	p.compare(t, "plan")
}

func TestJSON(t *testing.T) {
	var p page
	for _, s := range situations() {
		turn := s.turn()
		if s.name == "shifting" {
			turn.Effects = []runner.Effect{
				{Write: engine.Write{ID: "shop/public/3", Route: "public", Share: 5000}, Result: engine.Result{ID: "shop/public/3", Err: "the connection was cut"}, Took: time.Second},
			}
		}
		for _, beat := range []bool{false, true} {
			var b bytes.Buffer
			if err := JSON(&b, turn, beat); err != nil {
				t.Fatal(err)
			}
			if want := len(turn.Notes) + len(turn.Effects) + map[bool]int{true: 1}[beat]; strings.Count(b.String(), "\n") != want {
				t.Errorf("%s: %d lines, want %d", s.name, strings.Count(b.String(), "\n"), want)
			}
			if beat {
				p.add(s.name, b.String())
			}
		}
	}
	p.compare(t, "json")
	if err := JSON(broken{}, runner.Turn{}, true); !errors.Is(err, errBroken) {
		t.Errorf("a pipe that is closed: %v", err)
	}
}

type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// TestNothingForMachines reads all that people read: no names of the program's
// insides, no ARNs of target groups, and a next command at the end.
func TestNothingForMachines(t *testing.T) {
	foreign := regexp.MustCompile(`RollingBack|RolledBack|WaitingForApproval|targetgroup/|failed to|%!|\x1b|<nil>`)
	for _, s := range situations() {
		var b bytes.Buffer
		Status(&b, spec, s.status, s.holder, noon)
		w := NewWatch(spec)
		for _, line := range append(w.Add(s.turn()), w.Beat(), strings.Join(w.Frame(), "\n"), b.String()) {
			if found := foreign.FindString(line); found != "" {
				t.Errorf("%s: %q in %q", s.name, found, line)
			}
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(last, "watari ") {
			t.Errorf("%s: no next command in %q", s.name, last)
		}
	}
}

func TestFrameKeepsTheLatestEvents(t *testing.T) {
	w := NewWatch(spec)
	for i := range 3 * keepEvents {
		w.Add(runner.Turn{At: noon.Add(time.Duration(i) * time.Second), Notes: []engine.Note{{Kind: "write", Text: "event"}}})
	}
	frame := w.Frame()
	if n := strings.Count(strings.Join(frame, "\n"), "event"); n != keepEvents || !strings.Contains(frame[len(frame)-1], "12:00:23") {
		t.Errorf("%d events, the last is %q", n, frame[len(frame)-1])
	}
}
