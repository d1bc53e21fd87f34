package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/router/memrouter"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// elsewhen counts by a clock of its own, what was there at its time: a target that
// fails all requests.
type elsewhen struct {
	signal.Source
	skew func() time.Duration
}

func (e *elsewhen) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	counts, err := e.Source.Counts(ctx, q, from, to)
	skew := e.skew()
	for side, r := range map[traffic.Side]*traffic.Reading[traffic.Counts]{traffic.Source: &counts.Source, traffic.Target: &counts.Target} {
		if r.State != traffic.Known || skew == 0 {
			continue
		}
		r.Value.Skew = skew
		if side == traffic.Target {
			r.Value.Errors = r.Value.Requests
		}
	}
	return counts, err
}

// TestCountsOfAnotherTimeAreNoEvidence: the clock is off for five minutes while a
// share is held, and what is counted then by the right one looks terrible.
func TestCountsOfAnotherTimeAreNoEvidence(t *testing.T) {
	for _, off := range []time.Duration{10 * time.Minute, -10 * time.Minute, 61 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			skew, since, told := time.Duration(0), time.Time{}, false
			s.cfg.Signals[0].Source = &elsewhen{s.signal, func() time.Duration { return skew }}
			s.cfg.OnTurn = func(turn Turn) {
				switch {
				case turn.Status.Phase == engine.Holding && since.IsZero():
					skew, since = off, time.Now()
				case !since.IsZero() && time.Since(since) > 5*time.Minute:
					skew = 0
				}
				told = told || strings.Contains(turn.Status.Verdict.Text, "this machine's clock is ")
			}
			status, err := s.run(t)
			if err != nil || status.Phase != engine.Complete || s.share() != traffic.All || !told {
				t.Errorf("off by %s: %s %s, share %s, told %v, %v", off, status.Phase, status.Reason, s.share(), told, err)
			}
		})
	}
}

// offline is a lever that refuses every call for its time while off is true.
type offline struct {
	router.Driver
	off *bool
}

func (o offline) refused(op string) error {
	if !*o.off {
		return nil
	}
	return &router.Error{Op: "mem: " + op, On: "rule-1", Kind: router.ErrClockOff, Cause: errors.New("Signature expired"), Effect: router.EffectNothing, Advice: "this machine's clock is 10m3s behind"}
}

func (o offline) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	if err := o.refused("read weights"); err != nil {
		return router.Snapshot{}, err
	}
	return o.Driver.Read(ctx, route)
}

func (o offline) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	if err := o.refused("set weights"); err != nil {
		return router.Receipt{}, err
	}
	return o.Driver.Write(ctx, change)
}

// TestAClockThatIsOffTakesNothingBack: from the very write on that raises the share,
// before the first reading, and while the share is held, for ten minutes each.
func TestAClockThatIsOffTakesNothingBack(t *testing.T) {
	for _, phase := range []engine.Phase{engine.Pending, engine.Shifting, engine.Holding, engine.Soaking} {
		t.Run(string(phase), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				off, since := phase == engine.Pending, time.Time{}
				if off {
					since = time.Now()
				}
				route := s.cfg.Routes["public"]
				route.Driver = offline{route.Driver, &off}
				s.cfg.Routes["public"] = route
				named := false
				s.cfg.OnTurn = func(turn Turn) {
					if turn.Status.Phase == phase && since.IsZero() {
						off, since = true, time.Now()
					}
					if off && time.Since(since) > 10*time.Minute {
						off = false
					}
					named = named || strings.Contains(turn.Status.Routes[0].Trouble, "this machine's clock is 10m3s behind")
				}
				status, err := s.run(t)
				if err != nil || status.Phase != engine.Complete || s.share() != traffic.All || !named {
					t.Errorf("%s %s, share %s, named %v, %v", status.Phase, status.Reason, s.share(), named, err)
				}
			})
		})
	}
}

// TestARiseIsRefusedForItsTimeOnly: the route can be read all the while.
func TestARiseIsRefusedForItsTimeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.router.Fail(memrouter.Write, memrouter.Fault{Kind: router.ErrClockOff, Times: 60}) // ten times what a rise is tried
		status, err := s.run(t)
		if err != nil || status.Phase != engine.Complete || s.share() != traffic.All {
			t.Errorf("%s %s, share %s, %v", status.Phase, status.Reason, s.share(), err)
		}
	})
}
