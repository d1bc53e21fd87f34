package verdict

import (
	"fmt"
	"math"
	"strings"
	"time"

	"watari.dev/traffic"
)

// Verdict is what the evidence says.
type Verdict struct {
	Degraded   bool    `json:"degraded"`   // the target is worse: Peak has passed Threshold
	Suspicious bool    `json:"suspicious"` // half way there, in logarithms: nobody should go on
	LogE       float64 `json:"logE"`       // ln of the evidence against the target now
	Peak       float64 `json:"peak"`       // and the highest it was
	Threshold  float64 `json:"threshold"`  // ln 1/alpha
	Worst      Finding `json:"worst"`      // what speaks most against the target

	Good     Promotion `json:"good"`
	Split    Split     `json:"split"`
	Missed   Missed    `json:"missed"`            // of the service that missed last
	Compared time.Time `json:"compared,omitzero"` // up to when every service was compared
	Unit     string    `json:"unit"`              // span of one observation, in words
	Phi      float64   `json:"phi"`               // dispersion
	Compare  bool      `json:"compare"`           // there is a source with users to compare with

	Lacking traffic.BySide[Lack] `json:"lacking,omitzero"` // why the latency of a side is not known, although it is asked for
	Rare    []Rare               `json:"rare,omitempty"`   // what is looked for and comes rarely, of each service
}

// Finding is one metric of one service on both sides.
type Finding struct {
	Service string   `json:"service"`
	Metric  string   `json:"metric"`
	Text    string   `json:"text"`         // what is compared, such as "is slower than 500ms"
	To      string   `json:"to,omitempty"` // Service, where there are several
	Source  Estimate `json:"source"`
	Target  Estimate `json:"target"`
	LogE    float64  `json:"logE"`             // of this metric alone
	Peak    float64  `json:"peak"`             // ln of all evidence together when this was found
	Bounds  bool     `json:"bounds,omitempty"` // buckets do not say it exactly: at least so many of the target, at most so many of the source
}

// Estimate is a ratio with its confidence sequence, which holds the true one at
// all times with a chance of 1-alpha/2.
type Estimate struct {
	Tally
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Promotion is the evidence that the target is good enough, of the step.
type Promotion struct {
	Enough    bool          `json:"enough"`
	LogE      float64       `json:"logE"`      // of the metric that has least
	Threshold float64       `json:"threshold"` // ln 1/advance
	Service   string        `json:"service"`   // which that is
	Metric    string        `json:"metric"`
	Left      time.Duration `json:"left,omitempty"`     // how much longer it needs at this rate; 0 if nobody can say
	Requests  int64         `json:"requests,omitempty"` // and how many more requests of the target
	Why       string        `json:"why,omitempty"`      // why it does not grow
}

// Split is how requests are split, against what the levers say.
type Split struct {
	Alarm    bool          `json:"alarm"`
	LogE     float64       `json:"logE"`
	Service  string        `json:"service,omitempty"`
	Intended traffic.Share `json:"intended"`
	Observed float64       `json:"observed"` // 0..1
}

// Verdict says what s shows.
func (t *Test) Verdict(s *State) Verdict {
	v := Verdict{
		Degraded: s.Peak >= t.logUp, Suspicious: s.LogE >= t.logUp/2, LogE: s.LogE, Peak: s.Peak, Threshold: t.logUp,
		Good: t.promotion(s), Split: t.split(s), Unit: s.Unit.String(), Phi: s.Phi,
		Lacking: t.lacking(s), Rare: t.rare(s),
	}
	if s.Fired != nil {
		v.Worst = *s.Fired
	} else {
		v.Worst = t.worst(s)
	}
	for i, service := range s.Services {
		if service.Missed.At.After(v.Missed.At) {
			v.Missed = service.Missed
		}
		if i == 0 || service.Compared.Before(v.Compared) {
			v.Compared = service.Compared
		}
		v.Compare = v.Compare || service.Metrics[0].Step.Source.N > 0
	}
	return v
}

// worst returns the metric with the largest part in the evidence.
func (t *Test) worst(s *State) Finding {
	var at struct{ service, metric int }
	most := -1.0
	for i := range s.Services {
		for j := range s.Services[i].Metrics {
			if e := t.weights[i][j] * t.evidence(&s.Services[i].Metrics[j], t.cfg.Services[i].Metrics[j].Kind); e > most {
				most, at.service, at.metric = e, i, j
			}
		}
	}
	return t.finding(s, at.service, at.metric)
}

func (t *Test) finding(s *State, service, metric int) Finding {
	if service >= len(s.Services) {
		return Finding{}
	}
	cfg := t.cfg.Services[service]
	m, of := &s.Services[service].Metrics[metric], cfg.Metrics[metric]
	p := m.Step
	if m.Run.Target.Bad > 0 {
		p = m.Run // since it began, not diluted by what was before
	}
	to := ""
	if len(s.Services) > 1 {
		to = " to " + cfg.Name
	}
	return Finding{
		Service: cfg.Name, To: to, Metric: of.Name, Text: badness(of, m.Edge), LogE: logOf(t.evidence(m, of.Kind)), Peak: s.Peak,
		Source: t.estimate(p.Source), Target: t.estimate(p.Target), Bounds: m.StepDoubt != Doubt{},
	}
}

func (t *Test) estimate(of Tally) Estimate {
	low, high := Bounds(of, t.cfg.Alpha/2)
	return Estimate{Tally: of, Low: low, High: high}
}

// badness says what a metric counts.
func badness(m Metric, edge time.Duration) string {
	switch m.Kind {
	case Latency:
		if edge == 0 {
			return "is slow (" + m.Name + " is not known yet)"
		}
		return "is slower than " + edge.String()
	case Slower:
		return "is slower than " + m.Edge.String()
	case Events:
		return "has " + m.Name
	default:
		return "fails"
	}
}

// promotion returns the metric that has least evidence of being good.
func (t *Test) promotion(s *State) Promotion {
	p := Promotion{LogE: -leastLog, Threshold: -math.Log(t.cfg.Advance)}
	for i := range s.Services {
		if n := s.Services[i].Metrics[0].Step; len(s.Services) > 1 && n.Source.N+n.Target.N == 0 {
			continue // nobody uses it
		}
		for j := range s.Services[i].Metrics {
			if e := betterValue(&s.Services[i].Metrics[j].Better); e < p.LogE {
				p = t.waiting(s, i, j, e)
			}
		}
	}
	p.Enough = p.LogE >= p.Threshold
	if p.Enough {
		p.Left, p.Requests, p.Why = 0, 0, ""
	}
	return p
}

// waiting says how long a metric still needs at the rate of the step so far.
func (t *Test) waiting(s *State, service, metric int, e float64) Promotion {
	cfg, st := t.cfg.Services[service], &s.Services[service]
	m, of := &st.Metrics[metric], cfg.Metrics[metric]
	p := Promotion{LogE: e, Threshold: -math.Log(t.cfg.Advance), Service: cfg.Name, Metric: of.Name}
	switch n := m.Step.Target.N; {
	case of.Kind == Latency && m.Edge == 0:
		p.Why = "the source has not shown enough latencies yet"
	case m.Step.Source.N == 0 || n == 0:
		p.Why = "there is nothing to compare with yet"
	case e <= 0:
		worst := m.StepDoubt.worst(m.Step)
		p.Why = fmt.Sprintf("so far the target %s for %s of requests, the source for %s", badness(of, m.Edge), Percent(worst.Target.Ratio()), Percent(worst.Source.Ratio()))
		if worst.Target.Ratio() <= worst.Source.Ratio() {
			p.Why = "there were too few requests to say"
		}
	default:
		part := (p.Threshold - e) / e
		p.Requests = int64(math.Ceil(part * float64(n)))
		p.Left = time.Duration(part * float64(st.Held))
	}
	return p
}

// split returns the service whose requests are split most unlike its levers.
func (t *Test) split(s *State) Split {
	worst := Split{LogE: leastLog}
	for i := range s.Services {
		st, cfg := &s.Services[i], &t.cfg.Services[i]
		p := st.Split
		n := p.Source.N + p.Target.N
		if st.Step == 0 || n == 0 || st.Intended <= traffic.None || st.Intended >= traffic.All {
			continue
		}
		tolerance := t.cfg.SampleTolerance
		if cfg.Split > 0 {
			tolerance = cfg.Split
		}
		if e := SplitEvidence(p.Source.N, p.Target.N, st.Intended.Ratio(), tolerance); e > worst.LogE {
			worst = Split{LogE: e, Service: cfg.Name, Intended: st.Intended, Observed: float64(p.Target.N) / float64(n)}
		}
	}
	worst.Alarm = worst.LogE >= -math.Log(t.cfg.SampleAlpha)
	if worst.Service == "" {
		worst.LogE = 0
	}
	return worst
}

// Allowed returns the largest share that the harm budget allows for dwell, from
// what the step has shown of the rates and of how bad the target may still be.
func (t *Test) Allowed(s *State, dwell time.Duration) traffic.Share {
	worst := 0.0 // harmed requests of the dwell at a share of one
	for i := range s.Services {
		st := &s.Services[i]
		p := st.Metrics[0].Step
		if st.Held <= 0 {
			return traffic.None
		}
		rate := float64(p.Source.N+p.Target.N) / st.Held.Seconds()
		worst += rate * excess(p, s.Phi, t.cfg.Advance)
	}
	return traffic.Share(RampShare(t.cfg.HarmBudget, worst, dwell, 1) * float64(traffic.All))
}

// String says what was found, as a sentence for people: "target fails 4.1 % of
// requests, source 0.1 %".
func (f Finding) String() string {
	verb := "target " + f.Text + ": "
	if f.Text == "fails" {
		verb = "target fails "
	}
	least, most := "", ""
	if f.Bounds {
		least, most = "at least ", "at most "
	}
	text := verb + fmt.Sprintf("%s%s of requests%s (%d of %d)", least, Percent(f.Target.Ratio()), f.To, f.Target.Bad, f.Target.N)
	if f.Source.N == 0 {
		return text + "; the source has no users to compare with"
	}
	return text + ", source " + most + Percent(f.Source.Ratio())
}

// Chance says how rarely evidence as strong as e (ln E) comes up in a whole
// migration to a target that is not worse: at most once in E migrations, by
// Ville's inequality.
func Chance(e float64) string {
	n := math.Exp(e)
	switch {
	case n < 2:
		return "nothing unusual"
	case n >= 1e9:
		return "would be chance less than once in 1,000,000,000 migrations"
	}
	digits := math.Pow(10, math.Floor(math.Log10(n))-1)
	rounded := fmt.Sprintf("%.0f", math.Floor(n/digits)*digits)
	for at := len(rounded) - 3; at > 0; at -= 3 {
		rounded = rounded[:at] + "," + rounded[at:]
	}
	return "would be chance once in " + rounded + " migrations"
}

// Percent writes a ratio so that a small one does not become zero.
func Percent(ratio float64) string {
	switch p := ratio * 100; {
	case p == 0:
		return "0 %"
	case p < 0.1:
		return fmt.Sprintf("%.2g %%", p)
	case p < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", p), ".0") + " %"
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}
