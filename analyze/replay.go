package analyze

import (
	"math"
	"slices"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Result is what the verdict would have said of a recording.
type Result struct {
	Name      string                `json:"name"`
	From      time.Time             `json:"from"`
	To        time.Time             `json:"to"`
	Intervals int                   `json:"intervals"`
	Requests  traffic.BySide[int64] `json:"requests"`
	NotKnown  traffic.BySide[int]   `json:"notKnown"`        // intervals in which a side was not known
	Whys      []Remark              `json:"whys,omitempty"`  // why they were not
	Notes     []Remark              `json:"notes,omitempty"` // what was said of counts that are known
	Missed    verdict.Missed        `json:"missed"`          // known, and no evidence all the same; all services together
	LeftOut   []LeftOut             `json:"leftOut,omitempty"`
	Coarse    []Coarse              `json:"coarse,omitempty"` // where counts are in less detail than they were counted

	Rollbacks []Rollback `json:"rollbacks,omitempty"` // more than one only if an operator went on
	Nearest   Moment     `json:"nearest"`             // when the evidence against the target was strongest
	Threshold float64    `json:"threshold"`           // ln E at which it rolls back
	LogE      float64    `json:"logE"`                // at the end
	Peak      float64    `json:"peak"`
	Unit      string     `json:"unit"` // span of one observation, at the end
	Phi       float64    `json:"phi"`  // dispersion, at the end

	Steps    []Step         `json:"steps"`
	Rises    []Risen        `json:"rises,omitempty"` // when the share changed, and the evidence around it
	Alarms   []Alarm        `json:"alarms,omitempty"`
	Points   []Point        `json:"points,omitempty"`
	Services []string       `json:"services"`
	Config   verdict.Config `json:"config"` // what it was asked with
}

// Degraded reports whether the target would have been taken back.
func (r Result) Degraded() bool { return len(r.Rollbacks) > 0 }

// Rollback is a moment at which the target would have been taken back.
type Rollback struct {
	At      time.Time       `json:"at"`
	Finding verdict.Finding `json:"finding"`
	Failed  int64           `json:"failed"` // requests of the target that had failed by then
	After   time.Duration   `json:"after"`  // since the target could have users
}

// Moment is a height of the evidence.
type Moment struct {
	At   time.Time `json:"at"`
	LogE float64   `json:"logE"`
}

// Step is one hold, as far as it was recorded. What was counted while shares
// moved belongs to none; where no shares are recorded everything is one.
type Step struct {
	Number int                 `json:"number"` // 0 where no shares are recorded
	Share  traffic.Share       `json:"share"`
	From   time.Time           `json:"from"`
	To     time.Time           `json:"to"`
	Errors Sides               `json:"errors"` // of all services, compared or not
	Beside []Beside            `json:"beside"` // the other metrics, as far as they were compared
	Enough *time.Time          `json:"enough"` // when the evidence that the target is good enough was first there; null if never
	Good   verdict.Promotion   `json:"good"`   // at the end of the step
	P50    traffic.BySide[Lag] `json:"p50"`    // zero where no histograms are recorded
	P99    traffic.BySide[Lag] `json:"p99"`
}

// Sides is one metric of both sides.
type Sides struct {
	Source verdict.Estimate `json:"source"`
	Target verdict.Estimate `json:"target"`
}

// Beside is a metric other than the errors.
type Beside struct {
	Service string `json:"service"`
	Metric  string `json:"metric"`
	Text    string `json:"text"` // what counts as bad: "slower than 500ms"
	Sides
}

// Alarm says that requests were not split as the levers say.
type Alarm struct {
	At time.Time `json:"at"`
	verdict.Split
}

// Point is the evidence at one moment, for a drawing. Errors is what was counted
// since the point before.
type Point struct {
	At     time.Time     `json:"at"`
	LogE   float64       `json:"logE"` // the highest since the point before
	Errors verdict.Pair  `json:"errors"`
	Share  traffic.Share `json:"share"`
	Step   int           `json:"step"`
}

// mostLooks is how many points are kept, about as many as a drawing can show.
const mostLooks = 1200

// Replay asks cfg, which must fit the recording (see Settings), what it would have
// said at each moment. Where the turns are read from a journal, Err of the recording
// says whether all of them were.
func Replay(r Recording, cfg verdict.Config) Result {
	w := newWalk(r, cfg)
	for t := range r.all() {
		w.turn(t)
	}
	out := w.result()
	if r.stream != nil {
		out.LeftOut = slices.Concat(r.stream.left, r.LeftOut)
	}
	return out
}

// walk is a replay under way. It looks at everything only every few turns; where
// something new is there, it goes back and finds the very turn.
type walk struct {
	test    *verdict.Test
	state   verdict.State
	out     Result
	marks   []Mark
	began   time.Time
	failed  int64 // requests of the target
	sums    map[int]*sum
	order   []int // of the steps
	step    int
	share   traffic.Share
	every   int
	open    []*Turn       // since the last look
	before  verdict.State // at the last look
	point   Point
	fired   bool
	alarmed bool // in this step
	risen   risen
	notes   remarks
	whys    remarks
}

// sum is what a step counted.
type sum struct {
	Step
	pair   verdict.Pair
	source traffic.Histogram
	target traffic.Histogram
}

func newWalk(r Recording, cfg verdict.Config) *walk {
	t := verdict.Prepare(cfg)
	n, from, to := r.size()
	w := &walk{test: t, state: t.New(), marks: r.Marks, sums: map[int]*sum{}, every: 1 + n/mostLooks, step: -1, risen: risen{left: r.Rises}}
	w.before = w.state.Clone()
	w.out = Result{
		Name: r.Name, LeftOut: r.LeftOut, Threshold: -math.Log(cfg.Alpha), Config: cfg,
		Nearest: Moment{LogE: math.Inf(-1)}, Points: make([]Point, 0, min(n, 2*mostLooks)),
		From: from, To: to, Coarse: r.Coarse,
	}
	w.point.LogE = math.Inf(-1)
	for _, s := range r.Services {
		w.out.Services = append(w.out.Services, s.Name)
	}
	return w
}

func firstOf(t Turn) time.Time {
	at := t.At
	for _, in := range t.Intervals {
		for _, from := range []time.Time{in.From.Source, in.From.Target} {
			if !from.IsZero() && from.Before(at) {
				at = from
			}
		}
	}
	return at
}

func (w *walk) turn(t *Turn) {
	w.pass(t.At)
	w.risen.pass(t.At, w.state.LogE)
	if in := t.Intervals[0]; in.Step != w.step {
		w.look()
		w.step, w.alarmed = in.Step, false
	}
	w.share = t.Intervals[0].Intended
	feed(w.test, &w.state, t)
	w.open = append(w.open, t)
	for i := range t.Intervals {
		w.count(&t.Intervals[i])
	}
	if w.state.LogE > w.out.Nearest.LogE {
		w.out.Nearest = Moment{t.At, w.state.LogE}
	}
	w.point.LogE = max(w.point.LogE, w.state.LogE)
	w.risen.seen(w.state.LogE)
	if fired := w.state.Fired != nil; fired && !w.fired {
		w.out.Rollbacks = append(w.out.Rollbacks, Rollback{At: t.At, Finding: *w.state.Fired, Failed: w.failed, After: t.At.Sub(w.began)})
		w.fired = true
	}
	if len(w.open) >= w.every {
		w.look()
	}
}

// feed gives one turn to the tests, as the engine does.
func feed(t *verdict.Test, s *verdict.State, turn *Turn) {
	for i := range turn.Intervals {
		t.Add(s, &turn.Intervals[i])
	}
	t.Close(s)
}

// pass carries out the marks before a turn.
func (w *walk) pass(at time.Time) {
	for len(w.marks) > 0 && w.marks[0].At.Before(at) {
		w.look()
		switch m := w.marks[0]; {
		case m.Kind == Began:
			w.began = m.At
			w.test.Start(&w.state, m.At)
		case m.Kind == Anew || w.fired:
			w.test.Anew(&w.state, m.At)
			w.fired = false
		}
		w.before = w.state.Clone()
		w.marks = w.marks[1:]
	}
}

// count adds an interval to the tallies.
func (w *walk) count(in *verdict.Interval) {
	w.out.Intervals++
	w.heard(in)
	source, target := in.Source.State == traffic.Known, in.Target.State == traffic.Known
	if source {
		w.out.Requests.Source += in.Source.Value.Requests
	} else {
		w.out.NotKnown.Source++
	}
	if target {
		w.out.Requests.Target += in.Target.Value.Requests
		w.failed += in.Target.Value.Errors
	} else {
		w.out.NotKnown.Target++
	}
	s := w.sum(in)
	s.To = in.To
	var p verdict.Pair
	if source {
		p.Source = verdict.Tally{N: in.Source.Value.Requests, Bad: in.Source.Value.Errors}
		s.source = added(s.source, in.Source.Value.Latency)
	}
	if target {
		p.Target = verdict.Tally{N: in.Target.Value.Requests, Bad: in.Target.Value.Errors}
		s.target = added(s.target, in.Target.Value.Latency)
	}
	s.pair, w.point.Errors = s.pair.Plus(p), w.point.Errors.Plus(p)
}

// added adds h to sum in place where it can, which is nearly always.
func added(sum, h traffic.Histogram) traffic.Histogram {
	if len(h.Buckets) == 0 {
		return sum
	}
	if len(sum.Buckets) == 0 {
		return h.Plus(traffic.Histogram{Edges: h.Edges, Buckets: make([]int64, len(h.Buckets))}) // one of its own
	}
	if len(sum.Buckets) != len(h.Buckets) {
		return sum.Plus(h)
	}
	for i, e := range h.Edges {
		if sum.Edges[i] != e {
			return sum.Plus(h)
		}
	}
	for i, n := range h.Buckets {
		sum.Buckets[i] += n
	}
	return sum
}

func (w *walk) sum(in *verdict.Interval) *sum {
	s := w.sums[in.Step]
	if s == nil {
		from := in.From.Source
		if from.IsZero() || in.From.Target.After(from) {
			from = in.From.Target
		}
		s = &sum{Step: Step{Number: in.Step, Share: in.Intended, From: from}}
		w.sums[in.Step], w.order = s, append(w.order, in.Step)
	}
	return s
}

// look takes a point, and finds what is new since the last look.
func (w *walk) look() {
	if len(w.open) == 0 {
		return
	}
	w.point.At, w.point.Share, w.point.Step = w.open[len(w.open)-1].At, w.share, w.step
	w.out.Points = append(w.out.Points, w.point)
	v := w.test.Verdict(&w.state)
	s := w.sums[w.step]
	s.Good, s.Beside = v.Good, w.beside()
	if v.Good.Enough && s.Enough == nil || v.Split.Alarm && !w.alarmed {
		w.findOut(s)
	}
	w.before, w.open = w.state.Clone(), w.open[:0]
	w.point = Point{LogE: math.Inf(-1)}
}

// beside returns what the step has shown of the metrics other than errors.
func (w *walk) beside() (out []Beside) {
	cfg := w.out.Config
	for i, service := range cfg.Services {
		for j, m := range service.Metrics {
			state := &w.state.Services[i].Metrics[j]
			text := m.Name
			switch {
			case m.Kind == verdict.Errors:
				continue
			case m.Kind == verdict.Latency && state.Edge > 0:
				text = "slower than " + state.Edge.String()
			case m.Kind == verdict.Slower:
				text = "slower than " + m.Edge.String()
			case m.Kind == verdict.Latency:
				text = m.Name + " is not known yet"
			}
			out = append(out, Beside{service.Name, m.Name, text, Sides{estimate(state.Step.Source, cfg.Alpha), estimate(state.Step.Target, cfg.Alpha)}})
		}
	}
	return out
}

// findOut goes once more through what came since the last look.
func (w *walk) findOut(s *sum) {
	state := w.before
	for _, t := range w.open {
		feed(w.test, &state, t)
		v := w.test.Verdict(&state)
		if v.Good.Enough && s.Enough == nil {
			at := t.At
			s.Enough = &at
		}
		if v.Split.Alarm && !w.alarmed {
			w.alarmed = true
			w.out.Alarms = append(w.out.Alarms, Alarm{t.At, v.Split})
		}
	}
}

// result closes what is open.
func (w *walk) result() Result {
	w.look()
	out := &w.out
	v := w.test.Verdict(&w.state)
	out.LogE, out.Peak, out.Unit, out.Phi = w.state.LogE, w.state.Peak, v.Unit, v.Phi
	for _, s := range w.state.Services {
		out.Missed.Gaps += s.Missed.Gaps
		out.Missed.Resets += s.Missed.Resets
		out.Missed.Skewed += s.Missed.Skewed
		if s.Missed.At.After(out.Missed.At) {
			out.Missed.At = s.Missed.At
		}
	}
	alpha := out.Config.Alpha
	for _, number := range w.order {
		if number == 0 && len(w.order) > 1 {
			continue // shares moved
		}
		s := w.sums[number]
		s.Errors = Sides{estimate(s.pair.Source, alpha), estimate(s.pair.Target, alpha)}
		s.P50 = traffic.BySide[Lag]{Source: lagOf(s.source, .5, alpha), Target: lagOf(s.target, .5, alpha)}
		s.P99 = traffic.BySide[Lag]{Source: lagOf(s.source, .99, alpha), Target: lagOf(s.target, .99, alpha)}
		out.Steps = append(out.Steps, s.Step)
	}
	if math.IsInf(out.Nearest.LogE, -1) {
		out.Nearest.LogE = 0
	}
	out.Rises = w.risen.all(w.state.LogE)
	out.Notes, out.Whys = w.notes, w.whys
	return *out
}

func estimate(t verdict.Tally, alpha float64) verdict.Estimate {
	low, high := verdict.Bounds(t, alpha/2)
	return verdict.Estimate{Tally: t, Low: low, High: high}
}
