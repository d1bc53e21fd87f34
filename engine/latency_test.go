package engine

import (
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// TestLimitOfTheP99 holds windows of the target against a limit.
func TestLimitOfTheP99(t *testing.T) {
	at := time.Unix(1000, 0)
	edges := []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second}
	counts := func(requests int64, buckets ...int64) traffic.Counts {
		c := traffic.Counts{Requests: requests}
		if len(buckets) > 0 {
			c.Latency = traffic.Histogram{Edges: edges, Buckets: buckets}
		}
		return c
	}
	for name, c := range map[string]struct {
		limit  time.Duration
		counts traffic.Counts
		old    bool // the sample is of a version that did not count how many have a latency
		two    bool // another service of ten times the requests counts no latency, and nobody asks for it
		want   VerdictState
		text   string
	}{
		"quick":                                 {time.Second, counts(200, 199, 1, 0, 0), false, false, Healthy, ""},
		"slow":                                  {time.Second, counts(200, 190, 0, 10, 0), false, false, Degraded, "target answers 5 % of requests slower than 1s (p99 limit) in 30s"},
		"slow, and most requests are elsewhere": {time.Second, counts(200, 190, 0, 10, 0), false, true, Degraded, "answers 5 % of requests"},
		"exactly one in a hundred":              {time.Second, counts(200, 198, 0, 2, 0), false, false, Healthy, ""},
		"above the highest edge, within the limit": {10 * time.Second, counts(200, 150, 0, 0, 50), false, false, NotKnown, "between 0 % and 25 % of requests are slower than 10s"},
		"above the highest edge, one in a hundred": {10 * time.Second, counts(200, 198, 0, 0, 2), false, false, Healthy, ""},
		"the limit is between two edges":           {300 * time.Millisecond, counts(200, 100, 100, 0, 0), false, false, NotKnown, "between 0 % and 50 % of requests are slower than 300ms"},
		"and some are surely above":                {300 * time.Millisecond, counts(200, 100, 90, 10, 0), false, false, Degraded, "answers 5 % of requests slower than 300ms"},
		"no latency":                               {time.Second, counts(200), false, false, NotKnown, "latency of the target: 0 of 200 requests in 30s have one"},
		"few with a latency":                       {time.Second, counts(200, 60, 0, 0, 0), false, false, NotKnown, "latency of the target: 60 of 200 requests"},
		"no limit, no latency":                     {0, counts(200), false, false, Healthy, ""},
		"few requests, and none with a latency":    {time.Second, counts(20), false, false, NotKnown, "target got 20 of 50 requests needed in 30s"},
		"three slow ones of a few":                 {time.Second, counts(20, 17, 0, 3, 0), false, false, Degraded, "answers 15 % of requests"},
		"of an older version, within the limit":    {time.Second, counts(2000, 1990, 0, 10, 0), true, false, Healthy, ""},
	} {
		gate := Gate{Signals: true, MaxErrorRatio: 1, MaxP99: c.limit, MinRequests: 50, Window: 30 * time.Second}
		e := Evidence{}
		in := []Interval{{Service: "web", To: at, Source: traffic.KnownAt(traffic.Counts{}, at), Target: traffic.KnownAt(c.counts, at)}}
		if c.two {
			gate.Analysis = &verdict.Config{}
			in = append(in, Interval{Service: "api", To: at, Source: in[0].Source, Target: traffic.KnownAt(traffic.Counts{Requests: 2000}, at)})
		}
		e.absorb(gate, in, 0, at)
		if c.old {
			e.Intervals[0].Measured = 0
		}
		got := judge(gate, e, at)
		if got.State != c.want || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %s, %q", name, got, got.Text)
		}
		if strings.HasPrefix(got.Text, "latency") != (got.Why == NoTargetLatency) {
			t.Errorf("%s: %s", name, got.Why)
		}
	}
}

// TestLatencyIsAskedForByKind: each side has its own words, and the policy of either
// decides.
func TestLatencyIsAskedForByKind(t *testing.T) {
	lack := verdict.Lack{Service: "api", Text: "none of its last 30 requests has one"}
	few := verdict.Lack{Text: "40 of the 100 requests from which its p99 is learnt", Few: true}
	for name, c := range map[string]struct {
		target, source verdict.Lack
		kinds          map[Why]OnUnknown
		alone          bool
		why            Why
		text           string
	}{
		"nothing":                       {},
		"the target":                    {target: lack, why: NoTargetLatency, text: "latency of the target of api: none of its last 30 requests has one"},
		"the source":                    {source: lack, why: NoSourceLatency, text: "latency of the source of api: none"},
		"both":                          {target: lack, source: lack, why: NoTargetLatency, text: "latency of the target"},
		"the source is being learnt":    {source: few, why: TooFew, text: "latency of the source: 40 of the 100 requests"},
		"everything is on the target":   {source: lack, alone: true},
		"the target's is ignored":       {target: lack, source: lack, kinds: map[Why]OnUnknown{NoTargetLatency: UnknownIgnored}, why: NoSourceLatency, text: "latency of the source"},
		"the source's is ignored":       {source: lack, kinds: map[Why]OnUnknown{NoSourceLatency: UnknownIgnored}},
		"also while it is being learnt": {source: few, kinds: map[Why]OnUnknown{NoSourceLatency: UnknownIgnored}},
	} {
		turn := turn{spec: Spec{Rollback: Rollback{Kinds: c.kinds}}}
		turn.status.Evidence.Alone = c.alone
		v, lacks := turn.untimed(&verdict.Verdict{Lacking: traffic.BySide[verdict.Lack]{Source: c.source, Target: c.target}})
		if lacks != (c.why != "") || v.Why != c.why || !strings.HasPrefix(v.Text, c.text) {
			t.Errorf("%s: %s, %q", name, v, v.Text)
		}
	}
	if _, lacks := (&turn{}).untimed(nil); lacks {
		t.Error("without an analysis nothing lacks")
	}
	for _, why := range []Why{NoTargetLatency, NoSourceLatency} {
		if do := (Rollback{OnUnknown: UnknownHolds}).on(why); do != UnknownHolds || !why.blind() {
			t.Errorf("%s: %s, blind %v", why, do, why.blind())
		}
	}
}
