package all

import (
	"context"
	"time"

	"watari.dev/plan"
	"watari.dev/traffic"
)

// firstLook is how long a source that reads by itself needs for something to
// compare with.
const firstLook = 1500 * time.Millisecond

// Ask asks each signal of a plan about both sides once, and returns what is wrong
// with it, in words, by the name of its query. That a side has no data yet is not
// wrong: the target may never have had a user. The error is for what no repetition
// cures, such as a malformed query.
func Ask(ctx context.Context, signals []plan.Signal) (trouble map[string]string, err error) {
	connected, closing, err := Signals(ctx, signals)
	if err != nil {
		return nil, err
	}
	defer closing()
	began := time.Now()
	for _, s := range signals {
		if s.Scrape != nil || s.AccessLog != nil {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Until(began.Add(firstLook))):
			}
		}
	}
	trouble = map[string]string{}
	for _, s := range connected {
		counts, err := s.Source.Counts(ctx, s.Query, began, time.Now())
		if err != nil {
			return nil, err
		}
		for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
			if r := counts.Of(side); r.State == traffic.Failed && trouble[s.Query.Name] == "" {
				trouble[s.Query.Name] = "the " + side.String() + " cannot be counted: " + r.Err
			}
		}
	}
	return trouble, nil
}
