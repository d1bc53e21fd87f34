package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"watari.dev/engine"
	"watari.dev/lab/load"
	"watari.dev/traffic"
	"watari.dev/view"
)

// troubleAt is the share at which trouble begins: both sides have many users.
const troubleAt traffic.Share = 2500

// calmBefore is how long the share is held before the trouble begins: less than
// the step's hold.
const calmBefore = 3 * time.Second

// Parts of the users' account.
const (
	duringTrouble = "in trouble"
	afterTrouble  = "after the trouble"
)

// incident is trouble that a scenario makes in the middle of a good attempt.
type incident struct {
	what  string // for people
	lasts time.Duration
	parts []part // one after the other, each as long as the others
	heal  func(context.Context) error
}

// part is one kind of trouble.
type part struct {
	what  string
	begin func(context.Context) error
}

// trouble is what became of an incident.
type trouble struct {
	What     string
	Share    traffic.Share // that was held
	From, To time.Time     // zero if there was none
}

// troubled plays one attempt to a good target with an incident in the middle.
func (s *stage) troubled(ctx context.Context, in incident) (Summary, error) {
	sum := s.summary()
	sum.Trouble = trouble{What: in.what, Share: troubleAt}
	if err := s.open(ctx, noFaults); err != nil {
		return sum, err
	}
	users, err := s.startUsers(ctx)
	if err != nil {
		return sum, err
	}
	defer func() { _, _ = users.leave() }() // its account was asked for before, or the error says enough
	s.title("Both sides are healthy. At %s, for %s: %s.", troubleAt, view.Span(in.lasts), in.what)
	sum.Good, err = s.attempt(ctx, users, 1, &interlude{at: troubleAt, act: func(ctx context.Context, ended <-chan struct{}) (err error) {
		sum.Trouble.From, sum.Trouble.To, err = s.befall(ctx, ended, users, in)
		return err
	}})
	if err != nil {
		return sum, err
	}
	return sum, s.account(ctx, users, &sum)
}

// befall lets an incident happen and returns when it began and ended. It is over
// early if the attempt ends.
func (s *stage) befall(ctx context.Context, ended <-chan struct{}, users *users, in incident) (from, to time.Time, err error) {
	if !during(ctx, ended, calmBefore) {
		return from, to, ctx.Err()
	}
	if err := users.markAnswered(ctx, 1, duringTrouble); err != nil {
		return from, to, err
	}
	from = time.Now()
	for _, p := range in.parts {
		s.say("  %s", p.what)
		if err := p.begin(ctx); err != nil {
			return from, to, fmt.Errorf("%s: %w", p.what, err)
		}
		if !during(ctx, ended, in.lasts/time.Duration(len(in.parts))) {
			break
		}
	}
	to = time.Now()
	if err := in.heal(ctx); err != nil {
		return from, to, fmt.Errorf("end the trouble: %w", err)
	}
	s.say("  it is over")
	return from, to, users.mark(1, afterTrouble)
}

// during lets time pass, and returns false if the attempt or ctx ended first.
func during(ctx context.Context, ended <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ended:
		return false
	case <-ctx.Done():
		return false
	}
}

// troubleMet reports what is not as it should be, whatever the trouble was:
// nothing may rise or be taken back in it, it must be said, and it must go on
// afterwards. right tells a text that says it.
func (s Summary) troubleMet(right func(string) bool) []error {
	var errs []error
	a, t := s.Good, s.Trouble
	if a.Phase != engine.Complete {
		errs = append(errs, fmt.Errorf("%w: the attempt ended as %q, not complete; %s", ErrNotMet, a.Phase, a.Cause))
	}
	if !a.Degraded.IsZero() || !a.TakenBack.IsZero() {
		errs = append(errs, fmt.Errorf("%w: it was taken back; %s", ErrNotMet, a.Cause))
	}
	if t.To.IsZero() {
		return append(errs, fmt.Errorf("%w: %s was not held long enough for any trouble", ErrNotMet, troubleAt))
	}
	if w := a.writesBetween(t.From, t.To); len(w) > 0 {
		errs = append(errs, fmt.Errorf("%w: %s was written %s after the trouble began", ErrNotMet, w[0].Share, view.Span(w[0].At.Sub(t.From))))
	}
	if !a.saidBetween(t.From, t.To, right) {
		errs = append(errs, fmt.Errorf("%w: watari did not say what the trouble was; it said %q", ErrNotMet, a.texts(t.From, t.To)))
	}
	errs = append(errs, s.shareMet(), s.Users.Check())
	return errs
}

// shareMet compares the share that users met in the trouble with the one that was
// held.
func (s Summary) shareMet() error {
	got, n := s.troubleTally().share(), s.troubleTally().Sent
	want := s.Trouble.Share.Ratio()
	if n < 100 {
		return fmt.Errorf("%w: only %d requests were sent in the trouble", ErrNotMet, n)
	}
	// Five standard deviations of a fair split.
	if bound := 5 * math.Sqrt(want*(1-want)/float64(n)); math.Abs(got-want) > bound {
		return fmt.Errorf("%w: %.2f %% of the requests in the trouble went to the target, not %s", ErrNotMet, 100*got, s.Trouble.Share)
	}
	return nil
}

// troubleTally is the account of the users from the beginning to the end of the
// trouble.
func (s Summary) troubleTally() sides {
	for _, seg := range s.Users.Segments {
		if seg.Name == fmt.Sprintf("%d: %s", s.Good.Number, duringTrouble) {
			return sides{seg.Tally}
		}
	}
	return sides{}
}

// sides is an account that is read side by side.
type sides struct{ load.Tally }

// share is the part of the answers that came from the target, 0..1.
func (t sides) share() float64 {
	by := answeredBy(t.Tally)
	return ratio(by[load.Target], by[load.Source]+by[load.Target])
}

// failing is the part of a side's answers that were failures, 0..1.
func (t sides) failing(side load.Side) float64 {
	return ratio(answeredBy(t.Tally)[side]-t.OK[side], answeredBy(t.Tally)[side])
}

func ratio(part, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(part) / float64(of)
}

// texts is what was said within a span of time.
func (a attempt) texts(from, to time.Time) (texts []string) {
	a.saidBetween(from, to, func(text string) bool {
		texts = append(texts, text)
		return false
	})
	return texts
}

// writeTrouble says what happened in the trouble.
func (s Summary) writeTrouble(w io.Writer) {
	t, during := s.Trouble, s.troubleTally()
	sent, failed := s.tallies(s.Good.Number)
	fmt.Fprintf(w, "  attempt 1  %s\n", outcome(s.Good))
	fmt.Fprintf(w, "             %s of %s requests of users failed, %s of them in the trouble\n", view.Count(failed), view.Count(sent), view.Count(during.Failures()))
	if t.To.IsZero() {
		fmt.Fprintf(w, "  trouble    none: %s was not held long enough\n\n", t.Share)
		return
	}
	fmt.Fprintf(w, "  trouble    at %s, for %s: %s\n", t.Share, view.Span(t.To.Sub(t.From)), t.What)
	fmt.Fprintf(w, "             of %s requests %.1f %% went to the target; source failed %.1f %%, target %.1f %%\n",
		view.Count(during.Sent), 100*during.share(), 100*during.failing(load.Source), 100*during.failing(load.Target))
	fmt.Fprintf(w, "             %d shares were written in it", len(s.Good.writesBetween(t.From, t.To)))
	if next := s.Good.writesBetween(t.To, s.Good.Ended); len(next) > 0 {
		fmt.Fprintf(w, "; %s came %s after it", next[0].Share, view.Span(next[0].At.Sub(t.To)))
	}
	fmt.Fprint(w, "\n\n")
}

// markAnswered begins a part of the account and waits until everything that was
// sent before is answered: what comes now happens to this part only.
func (u *users) markAnswered(ctx context.Context, attempt int, part string) error {
	if err := u.mark(attempt, part); err != nil {
		return err
	}
	return u.answered(ctx)
}

// answered waits until everything that was sent before the last mark is answered.
func (u *users) answered(ctx context.Context) error {
	return until(ctx, 30*time.Second, "the requests under way to be answered", func(context.Context) (bool, error) {
		segments := u.generator.Snapshot().Segments
		if len(segments) == 0 {
			return false, errors.New("nobody sends any")
		}
		for _, seg := range segments[:len(segments)-1] {
			if seg.Tally.InFlight > 0 {
				return false, nil
			}
		}
		return true, nil
	})
}
