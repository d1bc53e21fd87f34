package verdict

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"watari.dev/traffic"
)

// State is what the tests know: plain data, part of a migration's status. It is
// made by Test.New and changed by Test.Add and Test.Close only.
type State struct {
	Began    time.Time      `json:"began,omitzero"`   // when the target could first have users; new bets are counted from here
	Reset    time.Time      `json:"reset,omitzero"`   // when an operator had the evidence begin anew
	Services []ServiceState `json:"services"`         // in the order of Config.Services
	Bursts   Bursts         `json:"bursts,omitempty"` // of the source's errors, all services together
	Unit     time.Duration  `json:"unit"`             // span of one observation of the unit form at present
	Phi      float64        `json:"phi"`              // dispersion that the promotion evidence is divided by
	LogE     float64        `json:"logE"`             // ln of the weighted sum of all evidence against the target
	Peak     float64        `json:"peak"`             // the highest LogE so far, which is what decides
	Fired    *Finding       `json:"fired,omitempty"`  // what spoke most against the target when Peak passed the threshold
	turn     Tally          // of the source since the last Close
	span     time.Duration  // that it covers
}

// ServiceState is what is known of one service.
type ServiceState struct {
	Name   string                    `json:"name"`
	Since  traffic.BySide[time.Time] `json:"since,omitzero"` // where what is not aligned yet begins
	Until  traffic.BySide[time.Time] `json:"until,omitzero"` // up to when each side is known
	Resets traffic.BySide[bool]      `json:"resets,omitzero"`

	Step     int           `json:"step,omitempty"`     // the hold that the tallies belong to; 0 while shares move
	Held     time.Duration `json:"held,omitempty"`     // what the tallies of the step cover
	Open     time.Duration `json:"open,omitempty"`     // what the open unit covers
	Moves    int           `json:"moves,omitempty"`    // how often shares began to move, after the start
	Bet      time.Duration `json:"bet,omitempty"`      // up to when the money for new bets of intervals was spent, since State.Began
	BetUnits time.Duration `json:"betUnits,omitempty"` // and for those of units
	Intended traffic.Share `json:"intended,omitempty"`
	Split    Pair          `json:"split"`              // requests of both sides, for the sample-ratio test
	SplitFor time.Duration `json:"splitFor,omitempty"` // what they cover

	Metrics []MetricState `json:"metrics"`

	Missed   Missed    `json:"missed,omitzero"`
	Compared time.Time `json:"compared,omitzero"` // up to when both sides were compared

	Latency traffic.BySide[Coverage] `json:"latency,omitzero"` // how many of the requests have one
	Near    time.Duration            `json:"near,omitempty"`   // what Near of the metrics covers
}

// Missed counts the spans of time that were known of both sides and are no
// evidence all the same.
type Missed struct {
	Resets int64     `json:"resets,omitempty"` // a counter of either side began again
	Skewed int64     `json:"skewed,omitempty"` // the clocks of the sides' sources disagree
	Gaps   int64     `json:"gaps,omitempty"`   // the sides are not known over the same span
	Kind   Miss      `json:"kind,omitempty"`   // the newest, until something is compared again
	Text   string    `json:"text,omitempty"`   // about it
	At     time.Time `json:"at,omitzero"`      // when
}

// Miss is why a span of time is no evidence.
type Miss string

// The kinds of Miss.
const (
	Restarted       Miss = "restarted" // of the source
	TargetRestarted Miss = "target restarted"
	BothRestarted   Miss = "both restarted"
	Skewed          Miss = "skewed"
	Apart           Miss = "apart"
)

// MetricState is what is known of one metric of a service.
type MetricState struct {
	Edge    time.Duration           `json:"edge,omitempty"`    // Latency: slower is bad; 0 until the source has shown enough
	Before  *traffic.Histogram      `json:"before,omitempty"`  // Latency: of the source, until the edge is fixed
	Compare mixture                 `json:"compare,omitempty"` // M_j of the unit or product form
	Steady  mixture                 `json:"steady,omitempty"`  // M_j of the steady form
	Limit   mixture                 `json:"limit,omitempty"`   // M_j of the limit form
	Better  [len(fractions)]float64 `json:"better"`            // ln e of the promotion form, of the step
	Half    Pair                    `json:"half"`              // known of one side, and not of the other yet
	Open    Pair                    `json:"open"`              // of the open unit
	Step    Pair                    `json:"step"`              // since the step's share is in place
	Run     Pair                    `json:"run"`               // since things began to look worse
	RunLog  float64                 `json:"runLog,omitempty"`

	// Of latencies: how much of Half, Open, Step and Near is not known.
	HalfDoubt Doubt `json:"halfDoubt,omitzero"`
	OpenDoubt Doubt `json:"openDoubt,omitzero"`
	StepDoubt Doubt `json:"stepDoubt,omitzero"`
	NearDoubt Doubt `json:"nearDoubt,omitzero"`
	Near      Pair  `json:"near,omitzero"`      // of the last seconds, to see whether the buckets can be compared
	Judged    bool  `json:"judged,omitempty"`   // they could once be for long enough
	HalfOther Other `json:"halfOther,omitzero"` // whose buckets lack the edge, in Half
	Other     Other `json:"other,omitzero"`     // and in what was compared last
	Trusted   bool  `json:"trusted,omitempty"`  // the source's other buckets were found to tell enough
	Vague     Vague `json:"vague,omitzero"`     // why they cannot
}

// MarshalJSON writes four numbers: requests and bad ones of the source, then of
// the target. There are many pairs in a status that is written every second.
func (p Pair) MarshalJSON() ([]byte, error) {
	return json.Marshal([4]int64{p.Source.N, p.Source.Bad, p.Target.N, p.Target.Bad})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Pair) UnmarshalJSON(data []byte) error {
	var four []int64
	if err := json.Unmarshal(data, &four); err != nil {
		return fmt.Errorf("a pair of tallies: %w", err)
	}
	if len(four) != 4 {
		return fmt.Errorf("a pair of tallies has 4 numbers, not %d", len(four))
	}
	*p = Pair{Tally{four[0], four[1]}, Tally{four[2], four[3]}}
	return nil
}

// Clone returns a copy that shares nothing with s.
func (s State) Clone() State {
	s.Services = slices.Clone(s.Services)
	for i := range s.Services {
		metrics := slices.Clone(s.Services[i].Metrics)
		for j := range metrics {
			m := &metrics[j]
			m.Compare, m.Steady, m.Limit = slices.Clone(m.Compare), slices.Clone(m.Steady), slices.Clone(m.Limit)
			if m.Before != nil {
				h := traffic.Histogram{Edges: slices.Clone(m.Before.Edges), Buckets: slices.Clone(m.Before.Buckets)}
				m.Before = &h
			}
		}
		s.Services[i].Metrics = metrics
	}
	s.Bursts.Scales = slices.Clone(s.Bursts.Scales)
	if s.Fired != nil {
		f := *s.Fired
		s.Fired = &f
	}
	return s
}

// Test is a Config made ready: it holds what need not be computed each time, and
// no state.
type Test struct {
	cfg     Config
	limits  []limitBet
	weights [][]float64 // each metric's part, by service
	logUp   float64     // ln 1/alpha

	timed    []bool        // of each service: somebody asks for its latencies
	firstBet int           // index of the first theta whose terms each interval needs
	quickest time.Duration // Every of the service that is counted most often
}

// Prepare makes a test of a complete Config.
func Prepare(cfg Config) *Test {
	t := &Test{cfg: cfg, limits: limitBets(cfg.Limit), logUp: -math.Log(cfg.Alpha)}
	if cfg.Form != Product {
		t.firstBet = firstSteady
	}
	total := 0.0
	for i, s := range cfg.Services {
		total += s.Weight
		t.timed = append(t.timed, s.Latency || slices.ContainsFunc(s.Metrics, Metric.timed))
		if i == 0 || s.Every < t.quickest {
			t.quickest = s.Every
		}
	}
	for _, s := range cfg.Services {
		metrics, of := make([]float64, len(s.Metrics)), 0.0
		for _, m := range s.Metrics {
			of += m.Weight
		}
		for j, m := range s.Metrics {
			metrics[j] = s.Weight / total * m.Weight / of
		}
		t.weights = append(t.weights, metrics)
	}
	return t
}

// Config returns what t was made of.
func (t *Test) Config() Config { return t.cfg }

// New returns the state before anything was seen.
func (t *Test) New() State {
	s := State{Unit: t.cfg.Unit, Phi: t.cfg.Dispersion, Services: make([]ServiceState, len(t.cfg.Services))}
	for i, service := range t.cfg.Services {
		metrics := make([]MetricState, len(service.Metrics))
		for j, m := range service.Metrics {
			t.open(&metrics[j], m.Kind)
		}
		s.Services[i].Name, s.Services[i].Metrics = service.Name, metrics
	}
	return s
}

func (t *Test) open(m *MetricState, k Kind) {
	p := t.cfg.parts(k)
	m.Compare, m.Steady, m.Limit = nil, nil, nil
	if p.unit+p.product > 0 {
		m.Compare = make(mixture, len(thetas))
		m.Compare.open(startMass)
	}
	if p.steady > 0 {
		m.Steady = make(mixture, len(thetas)-firstSteady)
		m.Steady.open(startMass)
	}
	if p.limit > 0 {
		m.Limit = make(mixture, len(t.limits))
		m.Limit.open(startMass)
	}
}

// Fits reports whether s is a state of this test, and not of another one.
func (t *Test) Fits(s *State) bool {
	if len(s.Services) != len(t.cfg.Services) {
		return false
	}
	for i, service := range t.cfg.Services {
		if s.Services[i].Name != service.Name || len(s.Services[i].Metrics) != len(service.Metrics) {
			return false
		}
		for j, m := range service.Metrics {
			want, have := MetricState{}, &s.Services[i].Metrics[j]
			t.open(&want, m.Kind)
			if len(want.Compare) != len(have.Compare) || len(want.Steady) != len(have.Steady) || len(want.Limit) != len(have.Limit) {
				return false
			}
		}
	}
	return true
}

// Start says that the target may have users from now on. Before, only the source
// is learnt from.
func (t *Test) Start(s *State, at time.Time) {
	s.Began = at
	for i := range s.Services {
		for j := range s.Services[i].Metrics {
			t.fixEdge(s, i, j)
		}
		s.Services[i].Latency.Target = Coverage{} // what it did without users is another thing
	}
}

// Anew forgets the evidence against the target, and nothing else: an operator has
// seen it and wants to go on.
func (t *Test) Anew(s *State, at time.Time) {
	s.Reset, s.LogE, s.Peak, s.Fired = at, 0, 0, nil
	for i := range s.Services {
		for j := range s.Services[i].Metrics {
			m := &s.Services[i].Metrics[j]
			t.open(m, t.cfg.Services[i].Metrics[j].Kind)
			m.Run, m.RunLog, m.Open, m.OpenDoubt = Pair{}, 0, Pair{}, Doubt{}
		}
		spent := max(0, at.Sub(s.Began))
		s.Services[i].Open, s.Services[i].Bet, s.Services[i].BetUnits = 0, spent, spent
	}
}
