package prometheus

import (
	"context"
	"fmt"
	"slices"

	"github.com/prometheus/common/model"

	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// unchanged is what the server knows of a side without a new sample of requests.
type unchanged struct {
	counting []instance            // had such counters at most the lookback ago
	up       []*model.SampleStream // of these, within the window
}

// changed reports whether the window holds a sample of requests. It asks for raw
// samples, although a count of them would be a shorter answer: VictoriaMetrics
// evaluates all expressions but plain ranges up to 30 s before the time asked for
// (its flag -search.latencyOffset; QueryHandler in app/vmselect/prometheus/prometheus.go).
func (s *Source) changed(ctx context.Context, requests *selector.Selector, w window) (bool, error) {
	streams, err := s.samples(ctx, requests, w.from, w.to)
	return slices.ContainsFunc(streams, func(stream *model.SampleStream) bool { return lastOf(stream).After(w.from) }), err
}

// readUnchanged asks for everything that decideUnchanged needs.
func (s *Source) readUnchanged(ctx context.Context, requests *selector.Selector, w window) (unchanged, error) {
	var got unchanged
	var err error
	if got.counting, err = s.counting(ctx, requests, w); err != nil {
		return unchanged{}, err
	}
	named := slices.DeleteFunc(slices.Clone(got.counting), func(i instance) bool { return i.name == "" })
	if len(named) > 0 {
		got.up, err = s.samples(ctx, upOf(named), w.from, w.to)
	}
	return got, err
}

// counting returns the instances that had counters of requests, however many these
// are. Unlike other functions over a range, last_over_time keeps the metric's name:
// without it, counters of different names would be duplicates, which are an error.
func (s *Source) counting(ctx context.Context, requests *selector.Selector, w window) ([]instance, error) {
	text, end := rangeOf(requests, w.since(), w.to)
	value, err := s.query(ctx, fmt.Sprintf("count by (%s, %s) (last_over_time(%s))", model.JobLabel, model.InstanceLabel, text), end)
	if err != nil {
		return nil, err
	}
	vector, ok := value.(model.Vector)
	if !ok {
		return nil, fmt.Errorf("one value per instance was asked for, and the answer is of type %s", value.Type())
	}
	var all []instance
	for _, sample := range vector {
		all = append(all, instanceOf(sample.Metric))
	}
	return sorted(all), nil
}

// decideUnchanged says of a side without a new sample what decideReading would.
func decideUnchanged(requests *selector.Selector, got unchanged, w window) traffic.Reading[traffic.Counts] {
	if len(got.counting) == 0 {
		return noSeries(requests)
	}
	lives := map[instance]*life{}
	for _, i := range got.counting {
		lives[i] = &life{first: w.from, lastCount: w.from} // or before that
	}
	addUp(lives, got.up, w)
	if why := down(lives, w); why != nil {
		return traffic.FailedAt[traffic.Counts](why, w.to)
	}
	return nothingNew(requests, w)
}
