package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"watari.dev/lab/database"
	"watari.dev/lab/load"
)

// outageRatio is the part of its requests that the database fails.
const outageRatio = 0.5

// sharedOutage breaks what both sides stand on: a limit would blame the target, and
// taking back would help nobody.
func (s *stage) sharedOutage(ctx context.Context) (Summary, error) {
	const what = "the database behind both sides fails half of its requests"
	return s.troubled(ctx, incident{
		what: what, lasts: cmp.Or(s.Trouble, 5*time.Minute),
		parts: []part{{what, func(context.Context) error { return s.database.SetFaults(database.Faults{ErrorRatio: outageRatio}) }}},
		heal:  func(context.Context) error { return s.database.SetFaults(database.Faults{}) },
	})
}

// sharedOutageMet returns nil if nothing was blamed on the target.
func (s Summary) sharedOutageMet() error {
	errs := s.troubleMet(saysBothSides)
	during := s.troubleTally()
	for _, side := range []load.Side{load.Source, load.Target} {
		if got := during.failing(side); got < 0.8*outageRatio || got > 1.2*outageRatio {
			errs = append(errs, fmt.Errorf("%w: the %s failed %.1f %% in the outage, not about %.0f %%", ErrNotMet, side, 100*got, 100*outageRatio))
		}
	}
	for _, f := range during.Failed {
		if f.Cause != load.HTTP5xx || f.Code != 500 {
			errs = append(errs, fmt.Errorf("%w: %d requests failed in the outage for another reason than the database: %s", ErrNotMet, f.Count, class(f.Class)))
		}
	}
	if outside := s.Users.Total.Failures() - during.Failures(); outside != 0 {
		errs = append(errs, fmt.Errorf("%w: %d requests failed outside of the outage", ErrNotMet, outside))
	}
	return errors.Join(errs...)
}

var percentage = regexp.MustCompile(`\d+(\.\d+)? ?%`)

// saysBothSides reports whether a text says that both sides fail, and how much
// each.
func saysBothSides(text string) bool {
	_, after, found := strings.Cut(text, "both sides")
	return found && len(percentage.FindAllString(after, -1)) >= 2
}
