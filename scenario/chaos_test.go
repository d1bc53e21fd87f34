package scenario

import (
	"errors"
	"strings"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/lab/fault"
	"watari.dev/lab/load"
)

// survived is a summary of chaos in which everything was as it should be: a node
// died in the bad attempt, and a process slept in the good one.
func survived() Summary {
	s := good()
	s.Bad.Ended = s.Bad.Degraded.Add(30 * time.Second)
	lost := answers(50, 0, 40, load.Class{Cause: load.HTTP5xx, Code: 502, Side: load.Balancer})
	s.Users.Segments = append(s.Users.Segments, load.Segment{Name: "1: Holding" + whileDead, Tally: lost})
	s.Users.Total.Sent += lost.Sent
	s.Users.Total.OK[load.Source] += 50
	s.Users.Total.Failed = append(s.Users.Total.Failed, lost.Failed...)
	kind := s.Users.Total.Clients[load.Fresh]
	kind.Sent, kind.Failed = kind.Sent+lost.Sent, kind.Failed+40
	s.Users.Total.Clients[load.Fresh] = kind
	s.Good.Refused = 1
	s.Good.Slept = []slept{{For: 20 * time.Second, Relieved: 15 * time.Second, Woken: noon.Add(time.Minute), Ended: noon.Add(61 * time.Second), Code: exitLocked}}
	throttle := mishap{at: moment{1, engine.Holding, 500, 0}, lab: fault.Fault{AWS: &fault.AWS{Kind: fault.Throttle, Service: "elbv2", Action: "ModifyListener", Times: 4}}}
	node := mishap{at: moment{1, engine.Holding, 500, time.Second}, lab: fault.Fault{Kill: &fault.Kill{Component: fault.Node, Side: fault.Target}}}
	sleep := mishap{at: moment{2, engine.Holding, 500, 0}, run: asleep, lasts: 20 * time.Second}
	late := mishap{at: moment{2, engine.Shifting, 500, 0}, lab: throttle.lab}
	s.Chaos = &chaosReport{
		schedule: schedule{seed: 4, mishaps: []mishap{throttle, node, sleep, late}},
		Became: []happened{
			{mishap: throttle, Began: noon, Hits: 4}, {mishap: node, Began: noon, Hits: 7}, {mishap: sleep, Began: noon, Hits: 1}, {mishap: late},
		},
	}
	return s
}

func TestChaosFailsForWhateverIsNotMet(t *testing.T) {
	if err := survived().chaosMet(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Summary){
		"there was none":                     func(s *Summary) { s.Chaos = nil },
		"the bad attempt was not taken back": func(s *Summary) { s.Bad.Phase = engine.Paused },
		"taking back took too long":          func(s *Summary) { s.Bad.Ended = s.Bad.Degraded.Add(61 * time.Second) },
		"the good attempt was taken back":    func(s *Summary) { s.Good.Phase = engine.RolledBack },
		"the good attempt lost a request": func(s *Summary) {
			s.Users.Segments[2].Tally = answers(94, 5, 1, load.Class{Cause: load.Reset})
		},
		"the good attempt lost a request with a pod": func(s *Summary) {
			s.Users.Segments[4].Name = "2: Holding" + whileDead
		},
		"the bad attempt lost a request outside of the outage": func(s *Summary) { s.Users.Segments[4].Name = "1: Holding" },
		"nobody took over":    func(s *Summary) { s.Good.Slept[0].Relieved = 0 },
		"the woken went on":   func(s *Summary) { s.Good.Slept[0].Ended = time.Time{} },
		"the woken wrote":     func(s *Summary) { s.Good.Slept[0].Wrote = []string{"public: 5 % written"} },
		"AWS counts a write":  func(s *Summary) { s.Good.Slept[0].Carried = 1 },
		"the woken succeeded": func(s *Summary) { s.Good.Slept[0].Code = 0 },
	} {
		s := survived()
		spoil(&s)
		if err := s.chaosMet(); !errors.Is(err, ErrNotMet) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := survived()
	s.Good.Slept[0].Carried, s.Good.Asked = 1, []time.Time{noon.Add(60500 * time.Millisecond)}
	if err := s.chaosMet(); err != nil {
		t.Errorf("the process that had taken over wrote, and it is said of the other one: %v", err)
	}
}

func TestTakingBackMayTakeLongerIfItsProcessSleeps(t *testing.T) {
	s := survived()
	s.Bad.Ended = s.Bad.Degraded.Add(75 * time.Second)
	s.Chaos.mishaps[2].at.attempt = 1
	if err := s.chaosMet(); err != nil {
		t.Error(err)
	}
}

func TestTheSummaryOfChaosSaysWhatHappened(t *testing.T) {
	var b strings.Builder
	survived().Write(&b)
	for _, want := range []string{
		"seed 4: 3 faults came and hit 12 times, 3 of them were survived; 1 had no occasion\n",
		"0 % written 100ms after the decision, settled and read back 30s after it; allowed 1m",
		"attempt 1 lost 5 requests to the bad version, and 40, those to the bad version included, while pods that a fault had killed were dead or coming back\n",
		"attempt 2 lost 0\n", "attempt 2: watari run could not begin once, and was started again a second later\n",
		"attempt 2: watari run slept 20s; another one took over after 15s; woken, it wrote nothing and ended with exit code 5",
		"AWS throttle        2       1      4", "node killed         1       1      7", "watari run asleep   1       1      1",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary does not say %q:\n%s", want, b.String())
		}
	}
	wrote := survived()
	wrote.Good.Slept[0].Carried = 1
	b.Reset()
	wrote.Write(&b)
	if !strings.Contains(b.String(), "when it was woken it wrote\n") {
		t.Errorf("AWS counts a write that nobody else asked for, and the summary does not say so:\n%s", b.String())
	}
	lost := survived()
	lost.Good.Phase = engine.Paused
	if came, _, survived := lost.chaosTotals(); came != 3 || survived != 2 {
		t.Errorf("%d came and %d were survived, although the good attempt did not end", came, survived)
	}
}

func TestChaosIsNotForEverything(t *testing.T) {
	for want, o := range map[string]Options{
		TargetGroupBinding: {Name: MetricsLost, Chaos: 1}, "leave kills out": {Chaos: 1, Kills: 3}, "keep the lab": {Chaos: 1, Keep: true},
	} {
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", o, err, want)
		}
	}
}

func TestADirectorLetsEachMishapHappenOnceAndInOrder(t *testing.T) {
	d := newDirector(&stage{}, survived().Chaos.schedule)
	groups := d.due(1, engine.Holding, 500)
	if len(groups) != 2 || len(groups[0]) != 1 || groups[0][0] != 0 || groups[1][0] != 1 {
		t.Errorf("%v", groups)
	}
	if again := d.due(1, engine.Holding, 500); len(again) != 0 {
		t.Errorf("they would happen again: %v", again)
	}
	if later := d.due(2, engine.Holding, 2500); len(later) != 0 {
		t.Errorf("too soon: %v", later)
	}
	both := schedule{mishaps: []mishap{{at: holding(1), run: killed}, {at: holding(1), run: asleep}}}
	if groups := newDirector(&stage{}, both).due(2, engine.Holding, 2500); len(groups) != 1 || len(groups[0]) != 2 {
		t.Errorf("those of one moment are not kept in order: %v", groups)
	}
	var none *director
	if err := errors.Join(none.begin(t.Context(), nil, 1, nil), none.finish(t.Context())); err != nil {
		t.Error(err)
	}
	none.replacing()()
}
