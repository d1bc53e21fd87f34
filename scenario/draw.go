package scenario

import (
	"math/rand/v2"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/lab/fault"
	"watari.dev/traffic"
)

// demoStep is a step of manifests/migration.yaml.
type demoStep struct {
	share traffic.Share
	hold  time.Duration
}

func demoSteps() []demoStep {
	return []demoStep{{500, 12 * time.Second}, {2500, 8 * time.Second}, {5000, 10 * time.Second}, {traffic.All, 10 * time.Second}}
}

// draw makes the schedule of a seed; it depends on nothing else.
//
// The good attempt gets only what a correct tool survives without losing a
// request: trouble with AWS, with the control planes, with the metrics, and with
// watari itself. What kills pods while users are with them belongs to the bad
// attempt, because it costs requests whatever moves the traffic.
func draw(seed uint64) schedule {
	d := dice{rand.New(rand.NewPCG(seed, chaosStream))}
	sleepsIn := 1
	if d.chance(0.7) {
		sleepsIn = 2
	}
	mishaps := slices.Concat(d.bad(sleepsIn == 1), d.good(sleepsIn == 2))
	slices.SortStableFunc(mishaps, func(a, b mishap) int { return a.at.compare(b.at) })
	return schedule{seed: seed, mishaps: mishaps}
}

// chaosStream tells the numbers of a schedule from others of the same seed.
const chaosStream = 0xC4A05

// bad draws what goes wrong while the target fails requests: always with the
// writes that take the share back, which are throttled and more.
func (d dice) bad(sleeps bool) []mishap {
	first := demoSteps()[0].share
	rise, live, back := moment{attempt: 1}, moment{attempt: 1, phase: written, share: first}, moment{attempt: 1, phase: engine.RollingBack}
	var out []mishap
	if d.chance(0.6) {
		out = append(out, d.write(rise, riseKinds()))
	}
	out = append(out, d.write(live, []fault.Kind{fault.Throttle}))
	if d.chance(0.7) {
		out = append(out, d.write(live, backKinds()))
	}
	if d.chance(0.6) {
		out = append(out, d.disaster(d.later(live, 0, 2*time.Second)))
	} else {
		out = append(out, d.metrics(d.later(live, 0, 2*time.Second)))
	}
	if sleeps {
		out = append(out, d.sleep(asleep, d.later(live, 0, 2*time.Second)))
	} else if d.chance(0.5) {
		out = append(out, mishap{at: d.later(live, 0, 4*time.Second), run: killed})
	}
	if d.chance(0.5) {
		out = append(out, mishap{at: d.later(back, 0, 1500*time.Millisecond), run: killed})
	}
	return out
}

// good draws what goes wrong while everything is as it should be, step by step.
func (d dice) good(sleeps bool) []mishap {
	last := len(demoSteps()) - 1
	killedAt, blindAt := d.IntN(last+1), []int{0, last}[d.IntN(2)]
	sleepsAt, inWrite := -1, false
	if sleeps {
		sleepsAt = d.IntN(last + 1)
		inWrite = sleepsAt > 0 && d.chance(0.6)
	}
	var out []mishap
	for i := range demoSteps() {
		out = append(out, d.rise(i, i == sleepsAt && inWrite)...)
		hold := holding(i)
		switch {
		case i == sleepsAt && !inWrite:
			out = append(out, d.sleep(asleep, d.later(hold, 0, 4*time.Second)))
		case i != killedAt && d.chance(0.5):
			out = append(out, d.metrics(d.later(hold, time.Second, 4*time.Second)))
		}
		if i == blindAt {
			out = append(out, d.controlPlane(d.later(hold, 0, 3*time.Second)))
		}
		if i == killedAt || d.chance(0.2) {
			out = append(out, d.kill(d.later(hold, 0, 4*time.Second))...)
		}
	}
	return out
}

// rise draws what goes wrong with the rise to a step of the good attempt.
func (d dice) rise(step int, asleep bool) (out []mishap) {
	before := moment{attempt: 2} // from when the next write is the rise
	if step > 0 {
		before = holding(step - 1)
	}
	switch {
	case asleep:
		// Only the end of the hold is disturbed by what this needs: reads that are slow.
		before.after = demoSteps()[step-1].hold - 2*time.Second
		return []mishap{d.sleep(asleepInWrite, before)}
	case d.chance(0.7):
		out = append(out, d.write(before, riseKinds()))
	}
	if d.chance(0.4) {
		shifting := moment{attempt: 2, phase: engine.Shifting, share: demoSteps()[step].share}
		out = append(out, d.read(d.later(shifting, 200*time.Millisecond, time.Second)))
	}
	return out
}

// kill draws a kill of "watari run", at times with credentials that are refused
// for a moment: they are what a process that begins needs first.
func (d dice) kill(at moment) (out []mishap) {
	if d.chance(0.5) {
		out = append(out, d.credentials(at))
	}
	return append(out, mishap{at: at, run: killed})
}

// holding is the moment at which a step of the good attempt is reached.
func holding(step int) moment {
	m := moment{attempt: 2, phase: engine.Holding, share: demoSteps()[step].share}
	if m.share == traffic.All {
		m.phase = engine.Soaking
	}
	return m
}

// riseKinds are what a rise survives. One that is denied is given up, and should
// be.
func riseKinds() []fault.Kind {
	return []fault.Kind{fault.Throttle, fault.Error, fault.ErrorAfter, fault.LostReply, fault.LostRequest, fault.Delay, fault.Late, fault.ExpiredToken}
}

// backKinds are what taking back survives beside throttling: everything that
// ends.
func backKinds() []fault.Kind {
	return []fault.Kind{
		fault.Error, fault.ErrorAfter, fault.LostReply, fault.LostRequest, fault.Delay, fault.Late, fault.ExpiredToken, fault.AccessDenied,
	}
}

// write draws a fault of the writes that follow. Together they stay below what
// makes a rise be given up, which is six tries of which each takes five
// throttlings.
func (d dice) write(at moment, kinds []fault.Kind) mishap {
	a := fault.AWS{Kind: kinds[d.IntN(len(kinds))], Service: "elbv2", Action: "ModifyListener", Times: 1 + d.IntN(2), For: writesFor}
	switch a.Kind {
	case fault.Throttle:
		a.Times = 1 + d.IntN(8)
	case fault.Delay:
		a.Delay = d.between(500*time.Millisecond, 3*time.Second)
	case fault.Late:
		a.Times, a.Delay = 1, d.late(at)
	case fault.ExpiredToken, fault.AccessDenied:
		a.Times = 1
	}
	return mishap{at: at, lab: fault.Fault{AWS: &a}}
}

// late draws how late the effect of a write comes. In the good attempt the share is
// still the one that it finds; in the bad one it may be taken back meanwhile.
func (d dice) late(at moment) time.Duration {
	if at.attempt == 2 {
		return d.between(time.Second, 4*time.Second)
	}
	return d.between(time.Second, 18*time.Second)
}

// writesFor is longer than any step is held: the fault waits for the next write.
const writesFor = 3 * time.Minute

// read draws a fault of the reads of the routes.
func (d dice) read(at moment) mishap {
	kinds := []fault.Kind{fault.Throttle, fault.Error, fault.LostRequest, fault.Delay}
	a := fault.AWS{Kind: kinds[d.IntN(len(kinds))], Service: "elbv2", Action: "DescribeListeners", Times: 1 + d.IntN(4), For: readsFor}
	if a.Kind == fault.Delay {
		a.Delay = d.between(300*time.Millisecond, 2*time.Second)
	}
	return mishap{at: at, lab: fault.Fault{AWS: &a}}
}

// readsFor is less than a step settles and is held.
const readsFor = 6 * time.Second

// credentials draws credentials that are refused for a moment.
func (d dice) credentials(at moment) mishap {
	kind := fault.ExpiredToken
	if d.chance(0.5) {
		kind = fault.AccessDenied
	}
	return mishap{at: at, lab: fault.Fault{AWS: &fault.AWS{Kind: kind, Service: "elbv2", Action: "DescribeListeners", Times: 1 + d.IntN(3), For: credentialsFor}}}
}

// credentialsFor ends before a step that is reached can be left.
const credentialsFor = 4 * time.Second

// disaster draws what kills pods.
func (d dice) disaster(at moment) mishap {
	lasts := d.between(4*time.Second, 10*time.Second)
	if d.chance(0.4) {
		return mishap{at: at, lab: fault.Fault{Partition: &fault.Partition{Side: fault.Target, For: lasts, How: fault.Hows()[d.IntN(len(fault.Hows()))]}}}
	}
	node := fault.Kill{Component: fault.Node, Side: fault.Target, Node: 1 + d.IntN(2), For: lasts}
	if d.chance(0.3) {
		node.Side = fault.Source
	}
	return mishap{at: at, lab: fault.Fault{Kill: &node}}
}

// controlPlane draws a component of a cluster that dies, mostly the API server.
func (d dice) controlPlane(at moment) mishap {
	what := fault.APIServer
	if d.chance(0.3) {
		what = []fault.Component{fault.Etcd, fault.ControllerManager, fault.Scheduler}[d.IntN(3)]
	}
	side := []string{fault.Source, fault.Target}[d.IntN(2)]
	return mishap{at: at, lab: fault.Fault{Kill: &fault.Kill{Component: what, Side: side, For: d.between(2*time.Second, 6*time.Second)}}}
}

// metrics draws a way in which the metrics are lost.
func (d dice) metrics(at moment) mishap {
	return mishap{at: at, metrics: losses[d.IntN(len(losses))].cut, lasts: d.between(2*time.Second, 6*time.Second)}
}

// sleep draws for how long the process sleeps: longer than its lease of 15 s.
func (d dice) sleep(how blow, at moment) mishap {
	return mishap{at: at, run: how, lasts: d.between(17*time.Second, 22*time.Second)}
}

// dice is where the numbers of a schedule come from.
type dice struct{ *rand.Rand }

// chance is true with probability p.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// between draws a duration in tenths of a second.
func (d dice) between(from, to time.Duration) time.Duration {
	return (from + time.Duration(d.Int64N(int64(to-from)))).Round(100 * time.Millisecond)
}

// later is a moment some time after m.
func (d dice) later(m moment, from, to time.Duration) moment {
	m.after = d.between(from, to)
	return m
}
