package engine

import (
	"fmt"
	"math"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// slowPart is the part of the requests that may be slower than MaxP99.
const slowPart = 0.01

// earlyErrors is how many failures it takes to call a target degraded before it
// has had enough requests: one or two happen to everybody.
const earlyErrors = 3

// VerdictState is what the evidence says of the target.
type VerdictState string

// The verdict's states.
const (
	NotKnown VerdictState = "not known"
	Healthy  VerdictState = "healthy"
	Degraded VerdictState = "degraded"
)

// Why tells the kinds of not knowing apart.
type Why string

// The kinds of not knowing.
const (
	TooFew       Why = "too few requests"
	NoTraffic    Why = "no traffic"
	NoData       Why = "no data" // of either side
	NoSourceData Why = "no data of the source"
	NoTargetData Why = "no data of the target"
	Unreachable  Why = "source of data unreachable"
	Silent       Why = "target is silent" // it has a share, the source has users, and nobody saw one on it
	Restarts     Why = "counters begin again"
	ClockSkew    Why = "clocks disagree"
	Missplit     Why = "not split as intended" // the sample-ratio test
	Shared       Why = "both sides fail"
	Unclear      Why = "not clear yet"
	Uncompared   Why = "not compared"

	NoSourceLatency Why = "latency of the source" // it is asked for and missing, or its buckets cannot be compared
	NoTargetLatency Why = "latency of the target"
)

// blind reports whether w means that nobody can see the target, or that what is
// seen cannot be believed, as opposed to there being little to see.
func (w Why) blind() bool {
	switch w {
	case NoData, NoSourceData, NoTargetData, Unreachable, Silent, Restarts, ClockSkew, Missplit, Uncompared, NoSourceLatency, NoTargetLatency:
		return true
	default:
		return false
	}
}

// onlyTarget reports whether w means that the target may be seen, and there is nothing
// to compare it with.
func (w Why) onlyTarget() bool {
	return w == NoSourceData || w == Restarts || w == ClockSkew || w == Uncompared
}

// Verdict is what the evidence says, with a sentence for people.
type Verdict struct {
	State    VerdictState     `json:"state"`
	Why      Why              `json:"why,omitempty"` // if State is NotKnown
	Text     string           `json:"text,omitempty"`
	Analysis *verdict.Verdict `json:"analysis,omitempty"` // the numbers, if the gate has an analysis
}

// String writes the state, and why it is not known.
func (v Verdict) String() string {
	if v.Why != "" {
		return string(v.State) + ": " + string(v.Why)
	}
	return string(v.State)
}

// grace is how long a side may go without news: half a window, so that what is
// judged by is never mostly old, or three intervals of the slowest source.
func (g Gate) grace() time.Duration {
	grace := g.Window / 2
	if g.Analysis != nil {
		for _, s := range g.Analysis.Services {
			grace = max(grace, 3*s.Every)
		}
	}
	return grace
}

// graceOf is that of one service.
func (g Gate) graceOf(name string) time.Duration {
	if g.Analysis != nil {
		for _, s := range g.Analysis.Services {
			if s.Name == name {
				return max(g.Window/2, 3*s.Every)
			}
		}
	}
	return g.grace()
}

// judge decides what the evidence says of the target. A target that already has
// more errors than the threshold allows in the smallest evaluation is degraded
// without waiting for the rest of it, but never for fewer than earlyErrors.
func judge(gate Gate, e Evidence, now time.Time) Verdict {
	var n, errors int64
	for _, s := range e.Intervals {
		n, errors = n+s.Requests, errors+s.Errors
	}
	slow := e.slow()
	base := float64(max(n, gate.MinRequests))
	enough := n >= gate.MinRequests || errors >= earlyErrors
	switch {
	case n > 0 && enough && float64(errors) > gate.MaxErrorRatio*base:
		return Verdict{State: Degraded, Text: fmt.Sprintf("target fails %s of requests (%d of %d in %s), allowed is %s",
			verdict.Percent(float64(errors)/float64(n)), errors, n, gate.Window, verdict.Percent(gate.MaxErrorRatio))}
	case gate.MaxP99 > 0 && slow.above(gate.MinRequests):
		return Verdict{State: Degraded, Text: fmt.Sprintf("target answers %s of requests slower than %s (p99 limit) in %s",
			verdict.Percent(slow.surely/slow.base(1)), gate.MaxP99, gate.Window)}
	case n >= gate.MinRequests:
		if why, text := e.unseen(gate, now); why != "" {
			return Verdict{State: NotKnown, Why: why, Text: text}
		}
		if text := slow.unclear(gate, n); text != "" {
			return Verdict{State: NotKnown, Why: NoTargetLatency, Text: text}
		}
		return Verdict{State: Healthy, Text: fmt.Sprintf("target fails %s of %d requests", verdict.Percent(float64(errors)/float64(n)), n)}
	default:
		return notKnown(gate, e, n, now)
	}
}

func notKnown(gate Gate, e Evidence, n int64, now time.Time) Verdict {
	v := Verdict{State: NotKnown}
	if v.Why, v.Text = e.unseen(gate, now); v.Why != "" {
		return v
	}
	if n == 0 {
		v.Why, v.Text = NoTraffic, fmt.Sprintf("target got no request in %s", gate.Window)
		return v
	}
	v.Why, v.Text = TooFew, fmt.Sprintf("target got %d of %d requests needed in %s", n, gate.MinRequests, gate.Window)
	return v
}

// unseen says why the target cannot be seen, if it was not for longer than is
// normal. A source that has nothing new yet, or one answer that got lost, is not
// blindness.
func (e *Evidence) unseen(gate Gate, now time.Time) (Why, string) {
	target, source := e.Last.Target, e.Last.Source
	blindTo := func(s SideState) bool { return s.State != traffic.Known && !s.recent(gate, now) }
	noSource := gate.Analysis != nil && !e.Alone && blindTo(source)
	switch {
	case blindTo(target) && target.State == traffic.Failed:
		return Unreachable, "signal" + target.of() + " cannot be read: " + target.Err
	case blindTo(target) && noSource:
		return NoData, "signal" + target.of() + " has no data of either side" + colon(target.Err)
	case blindTo(target):
		return NoTargetData, "signal" + target.of() + " has no data of the target" + colon(target.Err)
	case noSource && source.State == traffic.Failed:
		return Unreachable, "signal" + source.of() + " cannot be read: " + source.Err
	case noSource:
		return NoSourceData, "signal" + source.of() + " has no data of the source, so there is nothing to compare with" + colon(source.Err)
	default:
		return "", ""
	}
}

// lag is how long after it was made a count is known at the latest, as sources go
// that say so.
func (g Gate) lag() (longest time.Duration) {
	if g.Analysis != nil {
		for _, s := range g.Analysis.Services {
			if s.Lag > 0 {
				longest = max(longest, s.Lag+s.Every)
			}
		}
	}
	return longest
}

// ratio returns errors per request of one side within the window, 0 without any.
func (e *Evidence) ratio(side traffic.Side) float64 {
	var n, errors int64
	for _, s := range e.Intervals {
		if side == traffic.Source {
			n, errors = n+s.Source, errors+s.SourceErrors
		} else {
			n, errors = n+s.Requests, errors+s.Errors
		}
	}
	if n == 0 {
		return 0
	}
	return float64(errors) / float64(n)
}

// failing reports whether the target fails more than an error budget bears, and
// the source does not. Evidence to take it back for that may still be missing; it
// is not healthy.
func (e *Evidence) failing(gate Gate) (string, bool) {
	ratio, burning := e.burning(gate)
	if !burning {
		return "", false
	}
	return fmt.Sprintf("target fails %s of requests, source %s; not enough to say", verdict.Percent(ratio), verdict.Percent(e.ratio(traffic.Source))), true
}

// burning returns which part of its requests the target fails, and whether that is
// more than an error budget bears.
func (e *Evidence) burning(gate Gate) (ratio float64, burning bool) {
	var failed int64
	for _, s := range e.Intervals {
		failed += s.Errors
	}
	ratio = e.ratio(traffic.Target)
	return ratio, failed >= earlyErrors && ratio > gate.Analysis.Limit
}

// sharedTrouble reports whether both sides fail more than an error budget bears:
// what they share is broken. That is no fault of the target, and no time to go
// on. It is over when little is left of it.
func (e *Evidence) sharedTrouble(gate Gate, already bool) (string, bool) {
	limit := gate.Analysis.Limit
	if already {
		limit /= 2
	}
	var failed int64
	for _, s := range e.Intervals {
		failed += s.SourceErrors
	}
	source, target := e.ratio(traffic.Source), e.ratio(traffic.Target)
	if failed < earlyErrors || min(source, target) <= limit {
		return "", false
	}
	return fmt.Sprintf("both sides fail, source %s of requests and target %s: not the target's doing, and no time to go on", verdict.Percent(source), verdict.Percent(target)), true
}

// silent reports whether the target should have had a whole evaluation of
// requests by its share and had none: they are lost on the way, or the signal
// does not see them.
func (e *Evidence) silent(gate Gate, share traffic.Share) (string, bool) {
	var source, target int64
	for _, s := range e.Intervals {
		source, target = source+s.Source, target+s.Requests
	}
	if target > 0 || e.Last.Target.State != traffic.Known || len(e.Intervals) == 0 || share <= traffic.None {
		return "", false
	}
	expected := int64(e.Rate * gate.Window.Seconds()) // at a share of 100 %: those who were there before
	if share < traffic.All {
		expected = source * int64(share) / int64(traffic.All-share)
	}
	if expected < gate.least() {
		return "", false
	}
	return fmt.Sprintf("target should have got about %d requests in %s and the signal saw none", expected, gate.Window), true
}

// Harmed estimates how many requests failed on the target that would not have
// failed on the source, which had the same users at the same time.
func (e Evidence) Harmed() int64 {
	expected := 0.0
	if s := e.Total.Source; s.Requests > 0 {
		expected = float64(s.Errors) / float64(s.Requests)
	}
	return max(0, e.Total.Target.Errors-int64(math.Round(expected*float64(e.Total.Target.Requests))))
}
