package view

import (
	"fmt"
	"time"

	"watari.dev/engine"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// noon is when everything on the pages happens.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var spec = engine.Spec{
	Name: "shop", Source: "eks-1-33", Target: "eks-1-36",
	Routes: []engine.RouteSpec{{Name: "public"}, {Name: "partners"}},
	Steps: []engine.StepSpec{
		{Share: 100, Hold: 10 * time.Minute}, {Share: 5000, Hold: time.Hour, Approval: true}, {Share: 10000, Hold: 24 * time.Hour},
	},
	Gate: engine.Gate{Signals: true, MaxErrorRatio: 0.01, MaxP99: 400 * time.Millisecond, MinRequests: 100, Window: time.Minute, Interval: time.Second},
}

var anna = &store.Holder{ID: "x", User: "anna", Host: "bastion", PID: 4711, Since: noon.Add(-time.Hour)}

// groups are the weights of a listener rule.
func groups(source, target int) string {
	const arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/"
	return fmt.Sprintf("%sshop-1-33/73e2d6bc24d8a067 %d, %sshop-1-36/943f017f100becff %d", arn, source, arn, target)
}

// situation is a status that people meet, with what was counted just then.
type situation struct {
	name   string
	status engine.Status
	holder *store.Holder
	counts *engine.Interval
	notes  []engine.Note
}

func seen(share traffic.Share, weights string) *engine.Found {
	return &engine.Found{Low: share, High: share, Weights: weights, At: noon}
}

func settled(share traffic.Share) *engine.Written {
	return &engine.Written{ID: "shop/1", Wanted: share, Share: share, At: noon.Add(-time.Minute), Settled: true}
}

// in is a status in a phase, half of the traffic on the target.
func in(p engine.Phase, reason string, change ...func(*engine.Status)) engine.Status {
	s := engine.Status{
		Phase: p, Reason: reason, Attempt: 1, Step: 1, Started: noon.Add(-time.Hour), LastTurn: noon.Add(-900 * time.Millisecond),
		Routes: []engine.RouteStatus{
			{Name: "public", Seen: seen(5000, groups(50, 50)), Written: settled(5000)},
			{Name: "partners", Seen: seen(5000, "api.example.com: eks-1-33 128, eks-1-36 128"), Written: settled(5000)},
		},
		Verdict: engine.Verdict{State: engine.Healthy, Text: "target fails 0.1 % of 11760 requests"},
	}
	s.Evidence.InStep = 11760
	s.Evidence.Total.Source = engine.SideTotal{Requests: 1_803_211, Errors: 1984}
	s.Evidence.Total.Target = engine.SideTotal{Requests: 196_012, Errors: 176}
	s.Evidence.Intervals = []engine.Sample{{To: noon, Source: 902, Requests: 898, Errors: 1}}
	for _, f := range change {
		f(&s)
	}
	return s
}

// controller corrects the weights of a rule by itself.
var controller = traffic.Owner{
	Name: "the AWS Load Balancer Controller of cluster eks-1-33 (Ingress shop/web)", Sure: traffic.Probably,
	Proof: "the rule has its tags elbv2.k8s.aws/cluster and ingress.k8s.aws/stack", Remedy: "set the weights in the annotation alb.ingress.kubernetes.io/actions.NAME as well, or use a rule that it does not make",
}

// drifted gives the first route what the controller made of it.
func drifted(share traffic.Share, weights string) func(*engine.Status) {
	return func(s *engine.Status) {
		found := seen(share, weights)
		found.Owner = &controller
		s.Routes[0].Seen, s.Routes[0].Drift = found, found
	}
}

// taken is a status after or on the way of taking back.
func taken(p engine.Phase, reason string) engine.Status {
	return in(p, reason, func(s *engine.Status) {
		s.Routes[0].Seen, s.Routes[0].Written = seen(0, groups(100, 0)), settled(0)
		s.Routes[1].Seen, s.Routes[1].Written = seen(0, ""), settled(0)
		if p == engine.RollingBack {
			s.Routes[1].Seen, s.Routes[1].Written = seen(5000, ""), &engine.Written{ID: "shop/2", At: noon.Add(-time.Second), Pending: "INSYNC is awaited"}
		}
		s.Evidence.Total.Target = engine.SideTotal{Requests: 1413, Errors: 58}
		s.Verdict = engine.Verdict{State: engine.Degraded, Text: "target fails 4.1 % of requests (58 of 1413 in 1m0s), allowed is 1 %"}
	})
}

// compared gives a status what an analysis says.
func compared(state engine.VerdictState, why engine.Why, text string, logE float64, good verdict.Promotion) func(*engine.Status) {
	return func(s *engine.Status) {
		s.Verdict = engine.Verdict{State: state, Why: why, Text: text, Analysis: &verdict.Verdict{
			LogE: logE, Peak: logE, Threshold: 4.6, Suspicious: logE > 2.3, Good: good, Compare: true,
		}}
	}
}

func counted(source, target traffic.Reading[traffic.Counts]) *engine.Interval {
	from := noon.Add(-time.Second)
	return &engine.Interval{To: noon, From: traffic.BySide[time.Time]{Source: from, Target: from}, Source: source, Target: target}
}

func answers(n, errors int64, p99 time.Duration) traffic.Reading[traffic.Counts] {
	return traffic.KnownAt(traffic.Counts{
		Requests: n, Errors: errors, Latency: traffic.Histogram{Edges: []time.Duration{p99}, Buckets: []int64{n, 0}},
	}, noon)
}

// situations are those that a person who is called at night may find.
func situations() []situation {
	busy := counted(answers(1802, 2, 212*time.Millisecond), answers(196, 0, 187*time.Millisecond))
	refused := traffic.Reading[traffic.Counts]{State: traffic.Failed, Err: "scrape http://10.0.3.7:9100/metrics: connection refused"}
	const cause = "degraded: target fails 4.1 % of requests (58 of 1413 in 1m0s), allowed is 1 %"
	begin := func(s *engine.Status) {
		s.Step, s.Started, s.Evidence, s.Verdict = 0, time.Time{}, engine.Evidence{}, engine.Verdict{}
		for i := range s.Routes {
			s.Routes[i] = engine.RouteStatus{Name: s.Routes[i].Name}
		}
	}
	return []situation{
		{name: "nothing was begun: taken back from the file", status: engine.Status{}},
		{name: "pending, nothing read yet", holder: anna, status: in(engine.Pending, "route public was not read yet: cannot be read: throttled", begin, func(s *engine.Status) { s.Routes[0].Trouble = "cannot be read: throttled" })},
		{name: "pending, no users", holder: anna, status: in(engine.Pending, "waiting: the signal saw no request in 1m0s", begin, func(s *engine.Status) {
			s.Routes[0].Seen, s.Routes[1].Seen = seen(0, groups(100, 0)), seen(0, "")
		})},
		{name: "shifting", holder: anna, counts: busy, status: in(engine.Shifting, "writing 50 %", func(s *engine.Status) {
			s.Routes[0].Want = &engine.Wish{Share: 5000}
			s.Routes[0].Seen, s.Routes[1].Written.Settled = seen(100, ""), false
		}), notes: []engine.Note{{Kind: "phase", Text: "Shifting: step 2 of 3, 50 %"}, {Kind: "write", Route: "partners", Text: "partners: 50 % written"}}},
		{name: "only a part of the names", holder: anna, counts: busy, status: in(engine.Shifting, "route partners: throttled, trying again", func(s *engine.Status) {
			s.Routes[1].Seen.Low, s.Routes[1].Want, s.Routes[1].Trouble = 100, &engine.Wish{Share: 5000, Tries: 2}, "throttled; nothing was changed"
		})},
		{name: "holding, healthy", holder: anna, counts: busy, status: in(engine.Holding, "50 %, 18m12s left"), notes: []engine.Note{{Kind: "phase", Text: "Holding: 50 % on every route, holding for 1h0m0s"}}},
		{name: "holding, nobody runs it", status: in(engine.Holding, "50 %, 18m12s left", func(s *engine.Status) { s.LastTurn = noon.Add(-26 * time.Hour) })},
		{name: "holding, too few requests", holder: anna, counts: counted(answers(90, 0, time.Millisecond), answers(1, 0, time.Millisecond)), status: in(engine.Holding, "held long enough, but the target is not known: too few requests", func(s *engine.Status) {
			s.Verdict = engine.Verdict{State: engine.NotKnown, Why: engine.TooFew, Text: "target got 12 of 100 requests needed in 1m0s"}
		})},
		{name: "holding, blind", holder: anna, counts: counted(refused, refused), status: in(engine.Holding, "50 %, 18m12s left, not counting: signal cannot be read: "+refused.Err, func(s *engine.Status) {
			s.Verdict = engine.Verdict{State: engine.NotKnown, Why: engine.Unreachable, Text: "signal cannot be read: " + refused.Err}
		}), notes: []engine.Note{{Kind: "verdict", Text: "not known: source of data unreachable: signal cannot be read: " + refused.Err}}},
		{name: "holding, no data of the target", holder: anna, counts: counted(answers(1802, 2, 212*time.Millisecond), traffic.Reading[traffic.Counts]{}), status: in(engine.Holding, "50 %, 18m12s left, not counting: signal has no data of the target", func(s *engine.Status) {
			s.Verdict = engine.Verdict{State: engine.NotKnown, Why: engine.NoData, Text: "signal has no data of the target"}
		})},
		{name: "compared, nothing unusual", holder: anna, counts: busy, status: in(engine.Holding, "50 %, 18m12s left", compared(engine.Healthy, "", "target fails 0.1 % of requests, source 0.11 %", -0.7,
			verdict.Promotion{LogE: 3.2, Threshold: 3, Enough: true, Metric: "errors"}))},
		{name: "compared, a doubt", holder: anna, counts: busy, status: in(engine.Holding, "held long enough, but the target is not known: target fails 0.4 % of requests (13 of 3012), source 0.11 %; not enough to say: would be chance once in 24 migrations",
			compared(engine.NotKnown, engine.Unclear, "target fails 0.4 % of requests (13 of 3012), source 0.11 %; not enough to say: would be chance once in 24 migrations", 3.2, verdict.Promotion{LogE: -1, Threshold: 3, Metric: "errors", Why: "it fails more"}))},
		{name: "compared, not proven yet", holder: anna, counts: busy, status: in(engine.Holding, "held long enough, but not proven good enough: errors needs about 3529 more requests of the target, 1m11s at this rate",
			compared(engine.Healthy, "", "target fails 0.1 % of requests, source 0.11 %", 1.5, verdict.Promotion{LogE: 1.9, Threshold: 3, Metric: "errors", Requests: 3529, Left: 71 * time.Second}))},
		{name: "both sides fail", holder: anna, counts: counted(answers(1802, 890, 212*time.Millisecond), answers(196, 101, 187*time.Millisecond)), status: in(engine.Holding, "50 %, 12m3s left, both sides fail, source 49 % of requests and target 52 %: not the target's doing, and no time to go on",
			compared(engine.NotKnown, engine.Shared, "both sides fail, source 49 % of requests and target 52 %: not the target's doing, and no time to go on", 0.2, verdict.Promotion{Threshold: 3, Metric: "errors"}))},
		{name: "waiting for approval", holder: anna, counts: busy, status: in(engine.WaitingForApproval, "50 % held for 1h0m0s; to go on to 100 %: watari approve shop --step 2")},
		{name: "waiting for approval, nobody runs it", status: in(engine.WaitingForApproval, "50 % held for 1h0m0s; to go on to 100 %: watari approve shop --step 2")},
		{name: "approved, and not convinced", holder: anna, counts: busy, status: in(engine.WaitingForApproval, "held long enough, but the target is not known: signal has no data of the target", func(s *engine.Status) {
			s.Approved, s.Answers = true, []engine.Answer{
				{ID: "0", Obeyed: true, At: noon.Add(-time.Hour)},
				{ID: "1", Verb: engine.Retry, By: "ben@laptop", Text: "there is nothing to try again: shop is holding", At: noon.Add(-30 * time.Hour)},
				{ID: "2", Verb: engine.Approve, By: "anna@bastion", Obeyed: true, Text: "step 2 of 3 (50 %)", At: noon.Add(-time.Minute)},
				{ID: "3", Verb: engine.Approve, By: "ben@laptop", Text: "step 2 is approved already", At: noon.Add(-time.Second)},
			}
		})},
		{name: "approved, nobody runs it", status: in(engine.WaitingForApproval, "step 2 is approved and goes on when nothing speaks against it", func(s *engine.Status) { s.Approved = true })},
		{name: "paused by an operator", holder: anna, counts: busy, status: in(engine.Paused, "paused by anna@bastion; the share stays")},
		{name: "paused, nobody runs it", status: in(engine.Paused, "paused by anna@bastion; the share stays")},
		{name: "drift", holder: anna, counts: busy, status: in(engine.Paused, "route public: somebody else changed it to 30 %, we wrote 50 % at 11:59:00 (weights now: "+groups(70, 30)+"); resume writes 50 % again, rollback takes everything back", func(s *engine.Status) {
			s.Routes[0].Seen = seen(3000, groups(70, 30))
			s.Routes[0].Drift = s.Routes[0].Seen
		}), notes: []engine.Note{{Kind: "route", Route: "public", Text: "public: somebody else changed it to 30 % (weights now: " + groups(70, 30) + ")"}}},
		{name: "drift, its owner known", holder: anna, counts: busy, status: in(engine.Paused, "route public: probably "+controller.Name+" changed it to 30 %, we wrote 50 % at 11:59:00 (weights now: "+groups(70, 30)+"): "+controller.Proof+"; "+controller.Remedy+"; it is not raised again without an operator; resume writes 50 % again, rollback takes everything back", drifted(3000, groups(70, 30)))},
		{name: "drift, written again", holder: anna, counts: busy, status: in(engine.Shifting, "writing again what somebody else changed: public", drifted(9000, groups(10, 90)), func(s *engine.Status) {
			s.Routes[0].Want = &engine.Wish{ID: "shop/3", Share: 5000, Low: 9000, High: 9000, Asked: noon}
			s.Routes[0].Trouble, s.Reasserting = "throttled", true
		})},
		{name: "rolling back", holder: anna, counts: busy, status: taken(engine.RollingBack, cause+"; route partners at 0 %: INSYNC is awaited"), notes: []engine.Note{{Kind: "verdict", Text: cause}, {Kind: "phase", Text: "RollingBack: " + cause}}},
		{name: "rolling back, nobody runs it", status: taken(engine.RollingBack, cause+"; writing 0 %")},
		{name: "rolled back", status: taken(engine.RolledBack, "0 % on every route, settled and read back; "+cause)},
		{name: "second attempt", holder: anna, counts: busy, status: in(engine.Soaking, "100 %, 23h59m0s left", func(s *engine.Status) { s.Attempt, s.Step = 2, 2 })},
		{name: "complete", status: in(engine.Complete, "everything is on eks-1-36, settled and read back on every route", func(s *engine.Status) {
			s.Step, s.LastTurn = 2, noon.Add(-50*time.Hour)
			s.Routes[0].Seen, s.Routes[1].Seen = seen(10000, ""), seen(10000, "")
		})},
		{name: "failed", status: in(engine.Failed, "route public cannot be read: access denied; nothing was changed", begin, func(s *engine.Status) { s.Routes[0].Trouble = "cannot be read: access denied" })},
	}
}

// turn is the turn that a watcher sees in the situation.
func (s situation) turn() runner.Turn {
	t := runner.Turn{At: noon, Status: s.status, Notes: s.notes}
	if s.counts != nil {
		t.Seen.Counts = []engine.Interval{*s.counts}
	}
	return t
}
