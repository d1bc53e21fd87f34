package verdict

import (
	"math"
	"time"

	"watari.dev/traffic"
)

// Interval is what one source of data says of one service until To. Each side's
// begins where its last known one ended; a side that is not known is caught up
// with later, and only then compared.
type Interval struct {
	Service  int // index into Config.Services
	To       time.Time
	From     traffic.BySide[time.Time]
	Source   traffic.Reading[traffic.Counts]
	Target   traffic.Reading[traffic.Counts]
	Intended traffic.Share // what the levers should send to the target
	Step     int           // a number of its own for each hold; 0 while shares are not in place
}

// mostSkew is how far the clocks of the sides' sources may be apart: HTTP dates
// have whole seconds, so less is not known to be any.
const mostSkew = 5 * time.Second

// mostApart is how much older the data of one side may be than those of the
// other before they do not show the same time.
const mostApart = time.Minute

// Add takes what was seen of one service. It allocates nothing once the edges of
// latencies are fixed.
func (t *Test) Add(s *State, seen *Interval) {
	one := *seen
	in := &one
	if in.Step > 0 && in.Intended >= traffic.All && in.Source.State == traffic.Unknown && in.Target.State == traffic.Known {
		// The source need not be there any more; without it the objective alone decides.
		in.Source, in.From.Source = traffic.KnownAt(traffic.Counts{}, in.Target.At), in.From.Target
	}
	service := &s.Services[in.Service]
	source := t.take(s, in, traffic.Source, in.From.Source, &in.Source)
	target := t.take(s, in, traffic.Target, in.From.Target, &in.Target)
	if !source || !target {
		return
	}
	together := service.Since.Source.Equal(service.Since.Target)
	span := in.To.Sub(service.Since.Source)
	switch skew := in.Source.Value.Skew - in.Target.Value.Skew; {
	case !together:
		service.miss(&service.Missed.Gaps, Apart, in.To, "")
	case skew.Abs() > mostSkew:
		service.miss(&service.Missed.Skewed, Skewed, in.To, "the clock of who counts the source is "+skew.String()+" ahead of the target's")
	case in.Source.At.Sub(in.Target.At).Abs() > max(mostApart, 2*t.cfg.Services[in.Service].Every):
		service.miss(&service.Missed.Skewed, Skewed, in.To, "the counts of the source end "+in.Source.At.Sub(in.Target.At).Round(time.Second).String()+" after those of the target")
	case service.Resets.Source && service.Resets.Target:
		service.miss(&service.Missed.Resets, BothRestarted, in.To, "")
	case service.Resets.Target:
		service.miss(&service.Missed.Resets, TargetRestarted, in.To, "")
	case service.Resets.Source:
		service.miss(&service.Missed.Resets, Restarted, in.To, "")
	case s.before(service.Since.Source.Add(-t.cfg.Services[in.Service].Lag)):
		// Before the target had users, or before an operator had the evidence begin
		// anew, only the source is learnt from.
		t.watch(s, in.Service, span)
	default:
		t.feed(s, in, span)
	}
	service.Since.Source, service.Since.Target = in.To, in.To
	service.Resets = traffic.BySide[bool]{}
	for i := range service.Metrics {
		m := &service.Metrics[i]
		m.Half, m.HalfDoubt, m.HalfOther = Pair{}, Doubt{}, Other{}
	}
}

func (s *ServiceState) miss(counter *int64, kind Miss, at time.Time, text string) {
	*counter++
	s.Missed.Kind, s.Missed.Text, s.Missed.At = kind, text, at
}

// take adds one side's counts to what is not aligned yet, and reports whether the
// side is known until in.To. Where the windows of a side do not follow each
// other, what it was not known for is lost and its part begins anew.
func (t *Test) take(s *State, in *Interval, side traffic.Side, from time.Time, r *traffic.Reading[traffic.Counts]) bool {
	service := &s.Services[in.Service]
	since, until, reset := &service.Since.Source, &service.Until.Source, &service.Resets.Source
	if side == traffic.Target {
		since, until, reset = &service.Since.Target, &service.Until.Target, &service.Resets.Target
	}
	if !from.Equal(*until) {
		*since, *until, *reset = from, from, false
		for i := range service.Metrics {
			*service.Metrics[i].Half.of(side) = Tally{}
			*service.Metrics[i].HalfDoubt.of(side), *service.Metrics[i].HalfOther.of(side) = 0, false
		}
	}
	if r.State != traffic.Known {
		return false
	}
	*until = in.To
	*reset = *reset || r.Value.Resets > 0
	for i := range service.Metrics {
		m, cfg := &service.Metrics[i], &t.cfg.Services[in.Service].Metrics[i]
		if cfg.Kind == Latency && m.Edge == 0 {
			t.learn(s, in.Service, i, side, r.Value.Latency)
			continue
		}
		if cfg.timed() {
			m.time(side, r.Value.Latency, cfg.edge(m))
			continue
		}
		half := m.Half.of(side)
		*half = half.Plus(tallyOf(cfg, &r.Value))
	}
	t.cover(service, in, side, from, &r.Value)
	return true
}

func (p *Pair) of(side traffic.Side) *Tally {
	if side == traffic.Source {
		return &p.Source
	}
	return &p.Target
}

// tallyOf counts what is bad by a metric that is not about latency.
func tallyOf(m *Metric, c *traffic.Counts) Tally {
	switch m.Kind {
	case Events:
		if m.Event < len(c.Events) {
			return Tally{c.Requests, min(c.Events[m.Event], c.Requests)}
		}
		return Tally{}
	default:
		return Tally{c.Requests, min(c.Errors, c.Requests)}
	}
}

// feed takes what both sides answered in the same span of time.
func (t *Test) feed(s *State, in *Interval, span time.Duration) {
	service, cfg := &s.Services[in.Service], &t.cfg.Services[in.Service]
	if in.Step != service.Step {
		t.beginStep(s, in)
	}
	service.Intended, service.Compared = in.Intended, in.To
	service.Missed.Kind, service.Missed.Text = "", ""
	mass := t.spend(&service.Bet, s.since(in.To))
	t.watch(s, in.Service, span)
	// In place at 100 % the source has no users to compare with, but for stragglers.
	first := service.Metrics[0].Half
	alone := in.Step > 0 && in.Intended >= traffic.All && 100*first.Source.N <= first.Target.N
	var b bets
	for i := range service.Metrics {
		m := &service.Metrics[i]
		tells := m.bucketed()
		m.Step, m.StepDoubt = m.Step.Plus(m.Half), m.StepDoubt.plus(m.HalfDoubt)
		b.of(t.cfg.Ratio, m.Half, t.firstBet)
		if tells {
			m.Open, m.OpenDoubt = m.Open.Plus(m.Half), m.OpenDoubt.plus(m.HalfDoubt)
			t.against(m, &cfg.Metrics[i], alone, span, &b, mass)
		}
		b.better(&m.Better, m.HalfDoubt.worst(m.Half), t.cfg.slack(&cfg.Metrics[i]), s.Phi)
	}
	t.comparable(s, in, alone, span)
	service.Held += span
	service.countSplit(service.Metrics[0].Half, span)
	if service.Open += span; service.Open >= s.Unit {
		t.closeUnit(s, in.Service, in.To)
	}
}

// splitAnew is how often the sample-ratio test begins anew within a step, so that
// what was wrong once does not stay wrong.
const splitAnew = 5 * time.Minute

func (s *ServiceState) countSplit(p Pair, span time.Duration) {
	if s.SplitFor >= splitAnew {
		s.Split, s.SplitFor = Pair{}, 0
	}
	s.Split, s.SplitFor = s.Split.Plus(p), s.SplitFor+span
}

// beginStep begins the tallies anew: sums over mixed shares compare nothing
// (Simpson's paradox), so the open unit ends as well.
func (t *Test) beginStep(s *State, in *Interval) {
	st := &s.Services[in.Service]
	if st.Open > 0 {
		t.closeUnit(s, in.Service, st.Compared)
	}
	if st.Step > 0 && !s.Began.IsZero() {
		st.Moves++
		mass := moveSpending(st.Moves)
		for i := range st.Metrics {
			st.Metrics[i].Compare.restart(mass)
			st.Metrics[i].Steady.restart(mass)
			st.Metrics[i].Limit.restart(mass)
		}
	}
	st.Step, st.Held, st.Split, st.SplitFor = in.Step, 0, Pair{}, 0
	for i := range st.Metrics {
		m := &st.Metrics[i]
		m.Step, m.StepDoubt, m.Better = Pair{}, Doubt{}, [len(fractions)]float64{}
	}
}

// against adds what each interval says by itself: the forms without a unit, and
// since when things look worse.
func (t *Test) against(m *MetricState, of *Metric, alone bool, span time.Duration, b *bets, mass float64) {
	kind, p, eps := of.Kind, m.Half, t.cfg.difference(of)
	parts := t.cfg.parts(kind)
	if parts.product > 0 {
		m.Compare.restart(mass)
		for j := range m.Compare {
			m.Compare.win(j, b.product(j, eps, p))
		}
	}
	if parts.steady > 0 {
		m.Steady.restart(mass / steadyPatience)
		most := steadyCap(kind, span)
		for j := range m.Steady {
			m.Steady.win(j, min(most, b.product(j+firstSteady, eps, p)))
		}
	}
	reference := b.product(guardTheta, eps, p)
	if m.RunLog += reference; m.RunLog <= 0 {
		m.Run, m.RunLog = Pair{}, 0
	} else {
		m.Run = m.Run.Plus(p)
	}
	if parts.limit > 0 {
		m.Limit.restart(mass / limitPatience)
		guard := reference
		if alone {
			guard = math.Inf(1)
		}
		for j, l := range t.limits {
			m.Limit.win(j, min(l.factor(p.Target), guard))
		}
	}
}

// closeUnit takes the open unit as one observation.
func (t *Test) closeUnit(s *State, service int, at time.Time) {
	st, cfg := &s.Services[service], &t.cfg.Services[service]
	mass := t.spend(&st.BetUnits, s.since(at))
	for i := range st.Metrics {
		m, kind := &st.Metrics[i], cfg.Metrics[i].Kind
		if t.cfg.parts(kind).unit > 0 && m.Open.Target.N > 0 {
			m.Compare.restart(mass)
			eps := t.cfg.difference(&cfg.Metrics[i])
			for j, theta := range thetas {
				m.Compare.win(j, bet(theta, t.cfg.Ratio, eps, m.Open).unit(m.Open, m.OpenDoubt.Source))
			}
		}
		m.Open, m.OpenDoubt = Pair{}, Doubt{}
	}
	st.Open = 0
}

// watch adds the source's errors to those that bursts are looked for in. Services
// that are counted at another pace are left out: their sums would look like bursts.
func (t *Test) watch(s *State, service int, span time.Duration) {
	if t.cfg.Services[service].Every > t.quickest {
		return
	}
	s.turn = s.turn.Plus(s.Services[service].Metrics[0].Half.Source)
	s.span = max(s.span, span)
}

// before reports whether what began at a time is no evidence yet.
func (s *State) before(at time.Time) bool {
	return s.Began.IsZero() || at.Before(s.Began) || at.Before(s.Reset)
}

// since is how long the target could have had users at a time.
func (s *State) since(at time.Time) time.Duration {
	if s.Began.IsZero() {
		return 0
	}
	return max(0, at.Sub(s.Began))
}

// spend returns the money for new bets between two times, and moves spent.
func (t *Test) spend(spent *time.Duration, now time.Duration) float64 {
	if now <= *spent {
		return 0
	}
	mass := t.spending(now) - t.spending(*spent)
	*spent = now
	return mass
}

// Close weighs everything together, after the intervals of one moment were
// added.
func (t *Test) Close(s *State) {
	if s.span > 0 {
		s.Bursts.Add(s.span, s.turn)
		s.turn, s.span = Tally{}, 0
		s.Unit = s.Bursts.Unit(t.cfg.Unit, t.cfg.LongestUnit)
		s.Phi = max(t.cfg.Dispersion, s.Bursts.Dispersion(s.Unit))
	}
	sum := 0.0
	for i := range s.Services {
		for j := range s.Services[i].Metrics {
			sum += t.weights[i][j] * t.evidence(&s.Services[i].Metrics[j], t.cfg.Services[i].Metrics[j].Kind)
		}
	}
	s.LogE = logOf(sum)
	fired := s.Peak >= t.logUp
	s.Peak = max(s.Peak, s.LogE)
	if !fired && s.Peak >= t.logUp {
		worst := t.worst(s)
		s.Fired = &worst
	}
}

// evidence is E of one metric.
func (t *Test) evidence(m *MetricState, kind Kind) float64 {
	p := t.cfg.parts(kind)
	return (p.unit+p.product)*m.Compare.value() + p.steady*m.Steady.value() + p.limit*m.Limit.value()
}
