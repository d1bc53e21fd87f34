package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/lab/fault"
)

// attemptWithin is how long an attempt of a schedule may take. A calm one takes
// less than one minute.
const attemptWithin = 6 * time.Minute

// mayBeRefused is how often a process may fail to begin in an attempt, each time for
// a second: longer than credentials are refused.
const mayBeRefused = 10

// chaos plays the cutover of TargetGroupBinding under the schedule of a seed.
func (s *stage) chaos(ctx context.Context) (Summary, error) {
	s.director = newDirector(s, draw(s.Chaos))
	s.watari.patience = mayBeRefused
	fmt.Fprintf(s.Out, "\n%s", s.director.schedule.text())
	sum, err := s.targetGroupBinding(ctx)
	sum.Chaos = &chaosReport{schedule: s.director.schedule, Became: s.director.became}
	return sum, err
}

// endures plays an attempt under the schedule. It is given up when it does not
// end by itself.
func (s *stage) endures(ctx context.Context, users *users, n int, middle *interlude) (attempt, error) {
	within, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	a, err := s.attempt(within, users, n, middle)
	if within.Err() != nil && ctx.Err() == nil {
		var status bytes.Buffer
		_ = s.watari.print(ctx, &status, "status", "shop") // says itself what it cannot say
		return a, fmt.Errorf("%w: attempt %d did not end within %s; its journal is in %s. It stands at:\n%s", ErrNotMet, n, attemptWithin, s.watari.state, strings.TrimSpace(status.String()))
	}
	if err != nil {
		return a, err
	}
	if err := s.director.finish(ctx); err != nil {
		return a, err
	}
	return a, s.watari.decided(ctx, &a)
}

// decided adds to an attempt what its processes may have been killed over before
// they could say it.
func (w *watari) decided(ctx context.Context, a *attempt) error {
	out, err := w.command(ctx, "status", "shop", "-o", "json").Output()
	if err != nil {
		return fmt.Errorf("watari status: %w", err)
	}
	var said struct{ Status engine.Status }
	if err := json.Unmarshal(out, &said); err != nil {
		return fmt.Errorf("read the answer of watari status: %w", err)
	}
	a.Phase = said.Status.Phase
	if !said.Status.Degraded.IsZero() {
		a.Degraded, a.Cause = said.Status.Degraded, said.Status.Cause
	}
	if a.Phase.Ended() && a.Ended.IsZero() {
		a.Ended = said.Status.Since
	}
	if a.Phase == engine.RolledBack && a.TakenBack.Before(a.Degraded) {
		a.TakenBack = a.Ended // nobody lived to say when
	}
	return nil
}

// cluster is one side.
func (s *stage) cluster(side string) *cluster {
	if side == fault.Source {
		return s.source
	}
	return s.target
}

// chaosMet returns nil if the bad attempt was taken back in time, the good one
// lost nothing, and whoever slept longer than its lease wrote nothing.
func (s Summary) chaosMet() error {
	errs := s.attemptsMet()
	if s.Chaos == nil {
		return errors.Join(append(errs, fmt.Errorf("%w: there was no chaos", ErrNotMet))...)
	}
	if took, within := s.Bad.Ended.Sub(s.Bad.Degraded), s.Chaos.schedule.takesBackWithin(); took > within {
		errs = append(errs, fmt.Errorf("%w: attempt 1 was rolled back %s after the decision, not within %s", ErrNotMet, took.Round(time.Millisecond), within))
	}
	for _, a := range []attempt{s.Bad, s.Good} {
		for _, one := range a.Slept {
			errs = append(errs, one.met(a))
		}
	}
	errs = append(errs, s.Users.Check())
	return errors.Join(errs...)
}

// met returns nil if the process did what one must that has slept longer than its
// lease: nothing, and end.
func (b slept) met(a attempt) error {
	others := b.written(a)
	switch {
	case b.Err != nil:
		return b.Err
	case b.Relieved == 0:
		return fmt.Errorf("%w: in attempt %d nobody could take over from watari run, which was stopped for %s", ErrNotMet, a.Number, b.For.Round(time.Millisecond))
	case b.Ended.IsZero():
		return fmt.Errorf("%w: in attempt %d watari run was woken after %s and did not end by itself", ErrNotMet, a.Number, b.For.Round(time.Millisecond))
	case len(b.Wrote) > 0:
		return fmt.Errorf("%w: in attempt %d watari run was woken after %s and wrote: %s", ErrNotMet, a.Number, b.For.Round(time.Millisecond), strings.Join(b.Wrote, "; "))
	case b.Carried > others:
		return fmt.Errorf("%w: in attempt %d AWS carried out %d writes after watari run was woken, and the process that had taken over asked for %d", ErrNotMet, a.Number, b.Carried, others)
	case b.Code != exitLocked:
		return fmt.Errorf("%w: in attempt %d watari run was woken after %s and ended with exit code %d, not %d", ErrNotMet, a.Number, b.For.Round(time.Millisecond), b.Code, exitLocked)
	}
	return nil
}

// written counts the writes of other processes between the waking of one and its
// end, those included that may have begun or ended in between.
func (b slept) written(a attempt) (n int) {
	for _, at := range a.Asked {
		if at.After(b.Woken.Add(-time.Second)) && at.Before(b.Ended.Add(time.Second)) {
			n++
		}
	}
	return n
}
