package scenario

import (
	"errors"
	"strings"
	"testing"
	"time"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/lab/load"
	"watari.dev/view"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func answers(source, target, failed int64, class load.Class) load.Tally {
	t := load.Tally{Sent: source + target + failed, OK: map[load.Side]int64{load.Source: source, load.Target: target}}
	t.Clients = map[load.Kind]load.Client{load.Fresh: {Sent: t.Sent, OK: t.OK, Failed: failed}}
	if failed > 0 {
		t.Failed = []load.Failures{{Class: class, Count: failed}}
	}
	return t
}

// good is a summary in which everything was as it should be.
func good() Summary {
	bad500 := load.Class{Cause: load.HTTP5xx, Code: 500, Side: load.Target}
	segments := []load.Segment{
		{Name: "start", Tally: answers(100, 0, 0, load.Class{})},
		{Name: "1: Shifting", Tally: answers(90, 5, 5, bad500)},
		{Name: "2: holding 5 %", Tally: answers(95, 5, 0, load.Class{})},
		{Name: "2: holding 100 %", Tally: answers(0, 100, 0, load.Class{})},
	}
	return Summary{
		Scenario: TargetGroupBinding,
		Bad:      attempt{Number: 1, Phase: engine.RolledBack, Degraded: noon.Add(3 * time.Second), TakenBack: noon.Add(3100 * time.Millisecond), Writes: make([]write, 2)},
		Good:     attempt{Number: 2, Phase: engine.Complete},
		Users: load.Result{
			Segments: segments, Total: answers(285, 110, 5, bad500),
			Samples: []load.Sample{{Sent: noon, Segment: "1: Shifting", Class: bad500}},
		},
	}
}

func TestVerdictFailsForWhateverIsNotMet(t *testing.T) {
	if err := good().cutoverMet(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Summary){
		"the bad attempt was not taken back": func(s *Summary) { s.Bad.Phase = engine.Complete },
		"the good attempt did not end":       func(s *Summary) { s.Good.Phase = engine.Paused },
		"the good attempt lost a request": func(s *Summary) {
			s.Users.Segments[2].Tally = answers(94, 5, 1, load.Class{Cause: load.Reset})
		},
		"the good attempt had no users": func(s *Summary) { s.Users.Segments = s.Users.Segments[:2] },
		"the bad attempt lost a request for another reason": func(s *Summary) {
			s.Users.Segments[1].Tally = answers(90, 5, 5, load.Class{Cause: load.HTTP5xx, Code: 502, Side: load.Balancer})
		},
		"a request is unaccounted for": func(s *Summary) { s.Users.Total.Sent++ },
	} {
		s := good()
		spoil(&s)
		if err := s.cutoverMet(); err == nil || name != "a request is unaccounted for" && !errors.Is(err, ErrNotMet) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSummarySaysWhatHappened(t *testing.T) {
	found, back, known := good().Detection()
	if !known || found != 3*time.Second || back != 3100*time.Millisecond {
		t.Errorf("found after %s, taken back after %s, %v", found, back, known)
	}
	rows := good().steps()
	if len(rows) != 2 || rows[0].intended != 500 || rows[0].observed != 5 || rows[1].observed != 100 {
		t.Errorf("%+v", rows)
	}
	var b strings.Builder
	good().Write(&b)
	for _, want := range []string{"5 of 100 requests of users failed", "0 of 200 requests of users failed", "found 3,000 ms after the first bad answer", "accepted 100 ms after that", "http_5xx (500)"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary does not say %q:\n%s", want, b.String())
		}
	}
}

func TestFoldFindsATakingBackWhoseReplyWasLost(t *testing.T) {
	var a attempt
	a.fold(view.JSONEvent{Kind: "write", Phase: engine.Shifting, Text: "public: found at 0 % when read back", At: noon})
	a.fold(view.JSONEvent{Kind: "write", Phase: engine.RollingBack, Text: "public: found at 5 % when read back", At: noon})
	if !a.TakenBack.IsZero() {
		t.Errorf("%+v", a)
	}
	a.fold(view.JSONEvent{Kind: "write", Phase: engine.RollingBack, Text: "public: found at 0 % when read back", At: noon})
	if a.TakenBack != noon {
		t.Errorf("%+v", a)
	}
}

func TestFoldFollowsAnAttempt(t *testing.T) {
	var a attempt
	for _, e := range []view.JSONEvent{
		{Kind: "phase", Phase: engine.Shifting, At: noon},
		{Kind: "phase", Phase: engine.Holding, Share: 500, At: noon.Add(time.Second)},
		{Kind: "phase", Phase: engine.RollingBack, Share: 500, Text: "RollingBack: degraded", At: noon.Add(2 * time.Second)},
		{Kind: "status", Phase: engine.RolledBack, At: noon.Add(3 * time.Second)},
	} {
		a.fold(e)
	}
	if a.Phase != engine.RolledBack || a.Degraded != noon.Add(2*time.Second) || a.Ended != noon.Add(3*time.Second) || a.Cause != "RollingBack: degraded" {
		t.Errorf("%+v", a)
	}
}

// demoValues are what a manifest is filled in with, but for the gate.
func demoValues() map[string]string {
	arn := "arn:aws:elasticloadbalancing:eu-central-1:123456789012:"
	return map[string]string{
		"KUBECONFIG": "/tmp/kubeconfig", "REGION": "eu-central-1", "ENDPOINT": "http://127.0.0.1:1", "METRICS": "http://127.0.0.1:1/_lab/metrics",
		"LISTENER_ARN": arn + "listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2",
		"SOURCE_ARN":   arn + "targetgroup/shop-eks-1-33/73e2d6bc24d8a067", "TARGET_ARN": arn + "targetgroup/shop-eks-1-36/943f017f100becff",
	}
}

func TestTheDemosFileHasNoMistakes(t *testing.T) {
	values := demoValues()
	for _, p := range pieces() {
		values["GATE"] = p.gate
		text, err := manifest("migration.yaml", values)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v1alpha1.Parse("migration.yaml", text); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	delete(values, "METRICS")
	if _, err := manifest("migration.yaml", values); err == nil {
		t.Error("a value that nobody gave must be a mistake")
	}
}
