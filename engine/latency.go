package engine

import (
	"fmt"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// time adds what is known of the latencies of the target.
func (s *Sample) time(target traffic.Counts, limit time.Duration) {
	if limit <= 0 {
		return
	}
	surely, perhaps := target.Latency.Slower(limit)
	s.Measured, s.Slow, s.MaybeSlow = target.Latency.Count(), float64(surely), perhaps-surely
}

// slowness is how many requests of the target were above MaxP99 within the window.
// Those of the bucket that the limit lies in may be on either side of it.
type slowness struct {
	measured int64
	surely   float64
	perhaps  float64 // with those that surely are
}

func (e *Evidence) slow() (out slowness) {
	for _, s := range e.Intervals {
		out.measured += s.Measured
		if s.Measured == 0 && s.Slow > 0 { // of a status from before it was counted
			out.measured += s.Requests
		}
		out.surely += s.Slow
		out.perhaps += s.Slow + float64(s.MaybeSlow)
	}
	return out
}

// base is the number of requests that parts are of, at least least.
func (s slowness) base(least int64) float64 { return float64(max(s.measured, least)) }

// above reports whether the 99th percentile is above the limit for sure.
func (s slowness) above(least int64) bool {
	return s.surely > slowPart*s.base(least) && (s.measured >= least || s.surely >= earlyErrors)
}

// unclear says why it is not known whether the 99th percentile of n requests keeps the
// limit, if so. Which services have a latency at all, only an analysis knows: it says
// itself what is missing.
func (s slowness) unclear(gate Gate, n int64) string {
	switch {
	case gate.MaxP99 <= 0:
		return ""
	case gate.Analysis == nil && 2*s.measured < n:
		return fmt.Sprintf("latency of the target: %d of %d requests in %s have one, and there is a limit for the p99", s.measured, n, gate.Window)
	case s.perhaps > slowPart*s.base(gate.MinRequests):
		return fmt.Sprintf("latency of the target: between %s and %s of requests are slower than %s (p99 limit) in %s, because its buckets have no edge there",
			verdict.Percent(s.surely/s.base(1)), verdict.Percent(s.perhaps/s.base(1)), gate.MaxP99, gate.Window)
	default:
		return ""
	}
}

// untimed says of which side the latency is not known although it is asked for, if so.
// Once everything is meant for the target that of the source does not matter.
func (t *turn) untimed(a *verdict.Verdict) (Verdict, bool) {
	if a == nil {
		return Verdict{}, false
	}
	if l := a.Lacking.Target; l.Text != "" && t.spec.Rollback.on(NoTargetLatency) != UnknownIgnored {
		return Verdict{State: NotKnown, Why: NoTargetLatency, Text: "latency of the target" + ofService(l) + ": " + l.Text}, true
	}
	l := a.Lacking.Source
	switch {
	case l.Text == "" || t.status.Evidence.Alone || t.spec.Rollback.on(NoSourceLatency) == UnknownIgnored:
		return Verdict{}, false
	case l.Few:
		return Verdict{State: NotKnown, Why: TooFew, Text: "latency of the source" + ofService(l) + ": " + l.Text}, true
	default:
		return Verdict{State: NotKnown, Why: NoSourceLatency, Text: "latency of the source" + ofService(l) + ": " + l.Text}, true
	}
}

func ofService(l verdict.Lack) string {
	if l.Service == "" {
		return ""
	}
	return " of " + l.Service
}
