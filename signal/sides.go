package signal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"watari.dev/traffic"
)

// Sides returns a source that asks one source for the source's side and another
// for the target's, as where each cluster has a Prometheus of its own. Both are
// asked at the same time, each with the query of its side only, so neither needs
// to know the other's series. The answer is there when the slower one's is; an
// error names whose it is. Neither may be nil. Closing them is left to their owner.
func Sides(source, target Source) Source {
	return sides{Source: source, Target: target}
}

type sides traffic.BySide[Source]

// Counts implements Source. A side without requests is not asked for.
func (s sides) Counts(ctx context.Context, q Query, from, to time.Time) (counts Counts, err error) {
	if to.Before(from) {
		return Counts{}, fmt.Errorf("count signal %s: the window ends at %s, before it begins at %s", q.Name, to, from)
	}
	if q.Requests.Source == "" && q.Requests.Target == "" {
		return Counts{}, fmt.Errorf("count signal %s: neither side says what its requests are", q.Name)
	}
	var sourceErr, targetErr error
	var both sync.WaitGroup
	both.Go(func() { counts.Source, sourceErr = s.side(ctx, q, traffic.Source, from, to) })
	both.Go(func() { counts.Target, targetErr = s.side(ctx, q, traffic.Target, from, to) })
	both.Wait()
	if err := errors.Join(sourceErr, targetErr); err != nil {
		return Counts{}, err
	}
	return counts, nil
}

func (s sides) side(ctx context.Context, q Query, side traffic.Side, from, to time.Time) (r traffic.Reading[traffic.Counts], err error) {
	if q.Requests.Of(side) == "" {
		return traffic.Reading[traffic.Counts]{Err: "nothing says what its requests are"}, nil
	}
	counts, err := traffic.BySide[Source](s).Of(side).Counts(ctx, q.Only(side), from, to)
	if err != nil {
		return r, fmt.Errorf("ask for the %s's side: %w", side, err)
	}
	return counts.Of(side), nil
}
