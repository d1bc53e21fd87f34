package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"watari.dev/runner"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// counter is a signal as one process asks it.
type counter struct {
	*process
	Signal
	service int // number of its service, from 0 on
}

func (p *process) signals() (out []runner.Signal) {
	services := names(p.plan.Signals)
	for _, s := range p.plan.Signals {
		q := signal.Query{Name: "sim", Requests: traffic.BySide[string]{Source: sourceEntry, Target: targetEntry}}
		out = append(out, runner.Signal{Service: s.Service, Source: &counter{p, s, slices.Index(services, s.Service)}, Query: q, Every: s.Every})
	}
	return out
}

var (
	errRefused = errors.New("connection refused")
	unseen     = traffic.Reading[traffic.Counts]{Err: "no series"}
)

// Counts implements signal.Source.
func (c *counter) Counts(ctx context.Context, q signal.Query, from, to time.Time) (out signal.Counts, err error) {
	c.effect()
	target := q.Requests.Target != ""
	r := c.read(ctx, target, c.time(from), c.time(to))
	c.check.counted(c.process, c.service, target, r)
	if target {
		out.Target = r
	} else {
		out.Source = r
	}
	return out, nil
}

// time is a moment of the process's clock in true time.
func (c *counter) time(at time.Time) time.Duration { return at.Sub(dawn) - c.offset }

// struck reports whether a fault hits the metrics of this service now.
func (c *counter) struck(k Kind) (condition, bool) {
	fault := c.conditions[k]
	return fault, fault.on(c.now) && (fault.service == 0 || fault.service == c.service+1)
}

// struckSide is struck for faults that hit one side, or both.
func (c *counter) struckSide(k Kind, target bool) bool {
	fault, hit := c.struck(k)
	return hit && fault.value != 1-which(target)
}

func (c *counter) read(ctx context.Context, target bool, from, to time.Duration) traffic.Reading[traffic.Counts] {
	if _, slow := c.struck(SlowData); slow {
		c.bite(SlowData)
		if err := c.pass(ctx, time.Duration(c.noise()*float64(7*time.Second))); err != nil {
			return traffic.FailedAt[traffic.Counts](err, c.wall())
		}
	}
	if _, blind := c.struck(Blind); blind {
		c.bite(Blind)
		return traffic.FailedAt[traffic.Counts](errRefused, c.wall())
	}
	switch {
	case c.struckSide(Gap, target):
		c.bite(Gap)
		return unseen
	case !c.Balancer && target && c.conditions[TargetGone].on(c.now), !c.Balancer && !target && c.conditions[SourceGone].on(c.now):
		return traffic.FailedAt[traffic.Counts](errRefused, c.wall())
	}
	from, to = c.looked(from), c.looked(to)
	if from >= to {
		return traffic.Reading[traffic.Counts]{Err: "nothing new"}
	}
	counts := c.users.counts(target, from, to)
	if _, swallowed := c.struck(Swallow); swallowed && target {
		c.bite(Swallow)
		counts = traffic.Counts{Latency: traffic.Histogram{Edges: latencyEdges, Buckets: make([]int64, 4)}}
	}
	counts.Latency = c.timed(counts.Latency, target)
	if c.struckSide(Resets, target) {
		c.bite(Resets)
		counts.Resets = 1
	}
	if skew, skewed := c.struck(Skew); skewed && target {
		c.bite(Skew)
		counts.Skew = time.Duration(skew.value) * time.Second
	}
	return traffic.KnownAt(counts, dawn.Add(to+c.offset))
}

// which numbers the sides, for faults that hit one of them, or both.
func which(target bool) int {
	if target {
		return 1
	}
	return 0
}

// looked is what the newest look before a moment covers.
func (c *counter) looked(at time.Duration) time.Duration {
	at = max(0, at-c.Delay)
	if c.Every > 0 {
		at -= at % c.Every
	}
	return at
}
