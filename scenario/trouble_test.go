package scenario

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/lab/load"
	"watari.dev/view"
)

// failedBy is an account in which each side failed some with 500.
func failedBy(source, target, sourceFailed, targetFailed int64) load.Tally {
	t := answers(source, target, 0, load.Class{})
	kind := t.Clients[load.Fresh]
	for side, n := range map[load.Side]int64{load.Source: sourceFailed, load.Target: targetFailed} {
		if n > 0 {
			t.Failed = append(t.Failed, load.Failures{Class: load.Class{Cause: load.HTTP5xx, Code: 500, Side: side}, Count: n})
		}
		t.Sent += n
		kind.Sent += n
		kind.Failed += n
	}
	t.Clients[load.Fresh] = kind
	return t
}

// afterwards is a summary with trouble in which everything was as it should be.
func afterwards(scenario string, meanwhile load.Tally, texts ...string) Summary {
	calm := answers(300, 100, 0, load.Class{})
	total := answers(meanwhile.OK[load.Source]+600, meanwhile.OK[load.Target]+200, 0, load.Class{})
	total.Failed = meanwhile.Failed
	n := meanwhile.Failures()
	total.Sent += n
	kind := total.Clients[load.Fresh]
	kind.Sent, kind.Failed = kind.Sent+n, n
	total.Clients[load.Fresh] = kind
	s := Summary{
		Scenario: scenario,
		Good: attempt{
			Number: 1, Phase: engine.Complete, Ended: noon.Add(10 * time.Minute),
			Writes: []write{{500, noon.Add(-time.Minute)}, {2500, noon.Add(-30 * time.Second)}, {5000, noon.Add(6 * time.Minute)}},
			Said:   []said{{"8s left", noon.Add(-time.Second)}},
		},
		Trouble: trouble{What: "something", Share: troubleAt, From: noon, To: noon.Add(5 * time.Minute)},
		Users: load.Result{Total: total, Segments: []load.Segment{
			{Name: "1: holding 25 %", Tally: calm}, {Name: "1: in trouble", Tally: meanwhile}, {Name: "1: after the trouble", Tally: calm},
		}},
	}
	for i, text := range texts {
		s.Good.Said = append(s.Good.Said, said{text, noon.Add(time.Duration(i+1) * time.Second)})
	}
	s.Good.Said = append(s.Good.Said, said{"healthy", noon.Add(7 * time.Minute)})
	return s
}

func outage() Summary {
	return afterwards(SharedOutage, failedBy(1500, 500, 1480, 510), "1s left", "not known: both sides fail, source 49.7 % of requests and target 50 %: not the target's doing")
}

func blindness() Summary {
	return afterwards(MetricsLost, answers(3000, 1000, 0, load.Class{}), "not known: signal cannot be read: connection refused",
		"not known: signal cannot be read: no answer within 1s", "signal cannot be read: it answered 500", "signal cannot be read: its answer is not readable")
}

func TestTroubleVerdictsFailForWhateverIsNotMet(t *testing.T) {
	for name, c := range map[string]struct {
		good func() Summary
		met  func(Summary) error
	}{SharedOutage: {outage, Summary.sharedOutageMet}, MetricsLost: {blindness, Summary.metricsLostMet}} {
		if err := c.met(c.good()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for what, spoil := range map[string]func(*Summary){
			"did not end":         func(s *Summary) { s.Good.Phase = engine.Paused },
			"was found worse":     func(s *Summary) { s.Good.Degraded = noon },
			"was taken back":      func(s *Summary) { s.Good.TakenBack = noon },
			"rose in the trouble": func(s *Summary) { s.Good.Writes[2].At = noon.Add(time.Minute) },
			"had no trouble":      func(s *Summary) { s.Trouble.To = time.Time{} },
			"said nothing": func(s *Summary) {
				s.Good.Said = slices.DeleteFunc(s.Good.Said, func(x said) bool { return strings.Contains(x.Text, "not known") || strings.Contains(x.Text, "read") })
			},
			"said it too late": func(s *Summary) {
				for i := range s.Good.Said {
					s.Good.Said[i].At = noon.Add(6 * time.Minute)
				}
			},
			"held another share": func(s *Summary) { s.Trouble.Share = 3500 },
			"lost one before": func(s *Summary) {
				s.Users.Total.Failed = append(slices.Clone(s.Users.Total.Failed), load.Failures{Class: load.Class{Cause: load.Reset}, Count: 1})
			},
		} {
			s := c.good()
			spoil(&s)
			if err := c.met(s); !errors.Is(err, ErrNotMet) {
				t.Errorf("%s that %s: %v", name, what, err)
			}
		}
	}
}

func TestAnOutageThatHitsOneSideOnlyIsNoSharedOne(t *testing.T) {
	s := outage()
	s.Users.Segments[1].Tally = failedBy(2980, 500, 0, 510)
	if err := s.sharedOutageMet(); !errors.Is(err, ErrNotMet) || !strings.Contains(err.Error(), "source") {
		t.Errorf("%v", err)
	}
	s = outage()
	for i := range s.Users.Segments[1].Tally.Failed {
		s.Users.Segments[1].Tally.Failed[i].Code = 502
	}
	if err := s.sharedOutageMet(); !errors.Is(err, ErrNotMet) || !strings.Contains(err.Error(), "502") {
		t.Errorf("%v", err)
	}
}

func TestEachLossOfMetricsMustBeNamed(t *testing.T) {
	for _, l := range losses {
		s := blindness()
		s.Good.Said = slices.DeleteFunc(s.Good.Said, func(x said) bool { return strings.Contains(x.Text, l.word) })
		if err := s.metricsLostMet(); !errors.Is(err, ErrNotMet) || !strings.Contains(err.Error(), string(l.cut)) {
			t.Errorf("without %q: %v", l.word, err)
		}
	}
}

func TestSaysBothSides(t *testing.T) {
	for text, want := range map[string]bool{
		"not known: both sides fail, source 10 % of requests and target 10.5 %: not the target's doing": true,
		"both sides fail: source 10%, target 9%":                                                        true,
		"degraded: target fails 50 %, source 0 %":                                                       false,
		"both sides fail": false,
		"25 % is held, 50 % is next, both sides known": false,
	} {
		if got := saysBothSides(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestTheSummaryOfTroubleSaysWhatHappened(t *testing.T) {
	var b strings.Builder
	outage().Write(&b)
	for _, want := range []string{
		"attempt 1  complete", "1,990 of 4,790 requests of users failed, 1,990 of them in the trouble", "at 25 %, for 5m", "something",
		"of 3,990 requests 25.3 % went to the target; source failed 49.7 %, target 50.5 %", "0 shares were written in it; 50 % came 1m",
		"failed in attempt 1",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary does not say %q:\n%s", want, b.String())
		}
	}
}

func TestTheSummaryOfTroubleThatNeverCameSaysSo(t *testing.T) {
	s := outage()
	s.Trouble.From, s.Trouble.To = time.Time{}, time.Time{}
	var b strings.Builder
	s.Write(&b)
	if !strings.Contains(b.String(), "trouble    none: 25 %") {
		t.Errorf("%s", b.String())
	}
}

func TestFoldRemembersWhatWasSaidOnce(t *testing.T) {
	var a attempt
	for i, text := range []string{"8s left", "8s left", "", "7s left", "not known: too few", "7s left"} {
		kind := "status"
		if strings.Contains(text, "not known") {
			kind = "verdict"
		}
		a.fold(view.JSONEvent{Kind: kind, Phase: engine.Holding, Text: text, At: noon.Add(time.Duration(i) * time.Second)})
	}
	a.fold(view.JSONEvent{Kind: "route", Text: "settled", At: noon})
	if got := a.texts(noon, noon.Add(time.Hour)); !slices.Equal(got, []string{"8s left", "7s left", "not known: too few", "7s left"}) {
		t.Errorf("%q", got)
	}
}

func TestEveryScenarioIsNamedAndSaysWhatWasSeen(t *testing.T) {
	for _, name := range Names() {
		if (Summary{Scenario: name}).Shown() == "" {
			t.Errorf("%s does not say what was seen", name)
		}
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Name: "outage"}, SharedOutage},
		{Options{Name: SharedOutage, Trouble: 9 * time.Minute}, "deadline"},
		{Options{Name: MetricsLost, Trouble: -time.Second}, "trouble"},
		{Options{Name: MetricsLost, Keep: true}, "kept"},
	} {
		if _, err := Run(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", c.o, err, c.want)
		}
	}
}

func TestDuringEndsWithTheAttempt(t *testing.T) {
	ended := make(chan struct{})
	if !during(t.Context(), ended, time.Millisecond) {
		t.Error("nothing ended it, and it says so")
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if during(canceled, ended, time.Hour) {
		t.Error("it went on after ctx")
	}
	close(ended)
	if during(t.Context(), ended, time.Hour) {
		t.Error("it went on after the attempt")
	}
}
