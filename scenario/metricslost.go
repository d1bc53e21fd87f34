package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// losses are the ways in which the metrics are lost, one after the other, and a
// word of what watari must say then.
var losses = []struct {
	cut  cut
	word string
}{
	{refuses, "refused"},
	{hangs, "no answer"},
	{fails, "500"},
	{strange, "not readable"},
}

// metricsLost hides both sides for a while. Users notice nothing of it.
func (s *stage) metricsLost(ctx context.Context) (Summary, error) {
	in := incident{
		what: "nobody can read the metrics", lasts: cmp.Or(s.Trouble, 90*time.Second),
		heal: func(ctx context.Context) error { return s.metrics.set(ctx, whole) },
	}
	for _, l := range losses {
		in.parts = append(in.parts, part{"the way to the metrics " + string(l.cut), func(ctx context.Context) error { return s.metrics.set(ctx, l.cut) }})
	}
	return s.troubled(ctx, in)
}

// metricsLostMet returns nil if it held still while it could not see, said why for
// each way, and nobody lost a request.
func (s Summary) metricsLostMet() error {
	errs := s.troubleMet(func(text string) bool { return strings.Contains(text, "cannot be read") })
	for _, l := range losses {
		says := func(text string) bool { return strings.Contains(text, l.word) }
		if !s.Good.saidBetween(s.Trouble.From, s.Trouble.To, says) {
			errs = append(errs, fmt.Errorf("%w: watari did not say that the way to the metrics %s (%q)", ErrNotMet, l.cut, l.word))
		}
	}
	if n := s.Users.Total.Failures(); n > 0 || s.Users.Total.Sent == 0 {
		errs = append(errs, fmt.Errorf("%w: %d of %d requests were lost", ErrNotMet, n, s.Users.Total.Sent))
	}
	return errors.Join(errs...)
}
