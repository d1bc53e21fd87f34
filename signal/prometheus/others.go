package prometheus

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"watari.dev/signal/internal/selector"
)

// fewBorn is what a new series may show without a question: it does little harm even
// if it is old.
const fewBorn = 5

// readOthers asks for the series that are not selected, of the metrics and processes
// that have new ones in the window: these may be old ones under other labels.
func (s *Source) readOthers(ctx context.Context, want selector.Side, got *seen, w window) (err error) {
	lives := livesOf(*got, w)
	if got.otherRequests, err = s.others(ctx, want.Requests, got.requests, lives, w); err != nil {
		return err
	}
	got.otherErrors, err = s.others(ctx, want.Errors, got.errors, lives, w)
	return err
}

func (s *Source) others(ctx context.Context, sel *selector.Selector, streams []*model.SampleStream, lives map[instance]*life, w window) ([]*model.SampleStream, error) {
	born := bornIn(streams, lives, w)
	if sel == nil || sel.Name == "" || len(born) == 0 {
		return nil, nil
	}
	all, err := s.samples(ctx, ofInstances(sel.Name, born), w.since(), w.to)
	return slices.DeleteFunc(all, func(one *model.SampleStream) bool { return sel.Matches(labelsOf(one.Metric)) }), err
}

// bornIn returns the processes that have a new series in the window.
func bornIn(streams []*model.SampleStream, lives map[instance]*life, w window) []instance {
	var born []instance
	for _, s := range streams {
		i, first := instanceOf(s.Metric), s.Values[0]
		known := lives[i] != nil && lives[i].first.Before(first.Timestamp.Time())
		if i.name != "" && known && first.Timestamp.Time().After(w.from) && first.Value > fewBorn && !slices.Contains(born, i) {
			born = append(born, i)
		}
	}
	return sorted(born)
}

// ofInstances selects all series that processes have of a metric.
func ofInstances(name string, instances []instance) *selector.Selector {
	jobs, names := patterns(instances)
	return &selector.Selector{Query: fmt.Sprintf("{__name__=%q,job=~%q,instance=~%q}", name, jobs, names)}
}

// patterns matches the jobs and the names of instances.
func patterns(instances []instance) (jobs, names string) {
	var allJobs, allNames []string
	for _, i := range instances {
		allJobs, allNames = append(allJobs, regexp.QuoteMeta(string(i.job))), append(allNames, regexp.QuoteMeta(string(i.name)))
	}
	slices.Sort(allJobs)
	return strings.Join(slices.Compact(allJobs), "|"), strings.Join(allNames, "|")
}

func labelsOf(m model.Metric) labels.Labels {
	b := labels.NewScratchBuilder(len(m))
	for name, value := range m {
		b.Add(string(name), string(value))
	}
	b.Sort()
	return b.Labels()
}
