package prometheus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"watari.dev/signal/internal/selector"
)

// window is what is asked for, with both ends already moved back by Settle.
type window struct {
	from, to time.Time
	lookback time.Duration
}

// since is from when on a sample tells what its counter showed when the window began.
func (w window) since() time.Time { return w.from.Add(-w.lookback) }

// seen is what the server knows of one side in one window.
type seen struct {
	requests, errors, latency  []*model.SampleStream
	otherRequests, otherErrors []*model.SampleStream   // of the same metrics, not asked for, of processes with new series
	events                     [][]*model.SampleStream // one element per event of the query
	up                         []*model.SampleStream   // of instances about which the others leave a question
	missing                    *selector.Selector      // the first of the side's parts whose metric does not exist
}

// all returns everything but up.
func (s seen) all() [][]*model.SampleStream {
	return append([][]*model.SampleStream{s.requests, s.errors, s.latency}, s.events...)
}

// read asks for everything that decideReading needs.
func (s *Source) read(ctx context.Context, want selector.Side, w window) (seen, error) {
	out, err := s.readCounters(ctx, want, w)
	if err != nil {
		return seen{}, err
	}
	if open := openQuestions(out, w); len(open) > 0 {
		if out.up, err = s.samples(ctx, upOf(open), w.since(), w.to); err != nil {
			return seen{}, err
		}
	}
	if err := s.readOthers(ctx, want, &out, w); err != nil {
		return seen{}, err
	}
	out.missing, err = s.missingPart(ctx, want, out, w)
	return out, err
}

// readCounters asks for all counters of a side at the same time.
func (s *Source) readCounters(ctx context.Context, want selector.Side, w window) (seen, error) {
	out := seen{events: make([][]*model.SampleStream, len(want.Events))}
	errs := make([]error, 3+len(want.Events))
	var all sync.WaitGroup
	all.Go(func() { out.requests, errs[0] = s.samples(ctx, want.Requests, w.since(), w.to) })
	all.Go(func() { out.errors, errs[1] = s.samples(ctx, want.Errors, w.since(), w.to) })
	all.Go(func() { out.latency, errs[2] = s.samples(ctx, want.Latency, w.since(), w.to) })
	for i, event := range want.Events {
		all.Go(func() { out.events[i], errs[3+i] = s.samples(ctx, event, w.since(), w.to) })
	}
	all.Wait()
	return out, errors.Join(errs...)
}

// missingPart returns the first part whose metric does not exist; nil if all do.
func (s *Source) missingPart(ctx context.Context, want selector.Side, got seen, w window) (*selector.Selector, error) {
	if len(got.requests) == 0 {
		return nil, nil // the side is unknown anyway
	}
	for i, part := range want.Parts() {
		streams := got.errors
		if i > 0 {
			streams = got.events[i-1]
		}
		if part == nil || len(streams) > 0 || part.Name != "" && part.Name == want.Requests.Name {
			continue
		}
		if is, err := s.hasMetric(ctx, part.Name, w); err != nil || !is {
			return part, err
		}
	}
	return nil, nil
}

// hasMetric reports whether there is a metric of this name, with any labels.
func (s *Source) hasMetric(ctx context.Context, name string, w window) (bool, error) {
	if name == "" {
		return false, nil
	}
	value, err := s.query(ctx, fmt.Sprintf("count({__name__=%q})", name), w.to)
	vector, ok := value.(model.Vector)
	return ok && len(vector) > 0, err
}

// samples returns the raw samples of sel between from and to, ascending, and without
// series that have none. One at from itself may be among them: whether a range holds
// its beginning changed with Prometheus 3 (its migration guide, "Range selectors and
// lookback exclude samples coinciding with the left boundary"). A range selector returns
// what is stored (Prometheus, "Querying basics: range vector selectors"), without the
// markers of staleness.
func (s *Source) samples(ctx context.Context, sel *selector.Selector, from, to time.Time) ([]*model.SampleStream, error) {
	if sel == nil {
		return nil, nil
	}
	text, end := rangeOf(sel, from, to)
	value, err := s.query(ctx, text, end)
	if err != nil {
		return nil, err
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("a range was asked for, and the answer is of type %s", value.Type())
	}
	for _, stream := range matrix {
		stream.Values, stream.Histograms = upTo(stream.Values, to), histogramsUpTo(stream.Histograms, to)
		countsOf(stream)
	}
	return slices.DeleteFunc(withoutTwins(matrix), func(stream *model.SampleStream) bool { return len(stream.Values) == 0 }), nil
}

// rangeOf returns sel with a range that holds every sample after from up to to, and
// when it must be evaluated. The server counts in milliseconds, so the range may end
// up to one of them late; see upTo.
func rangeOf(sel *selector.Selector, from, to time.Time) (text string, end time.Time) {
	end = to.Truncate(time.Millisecond).Add(time.Millisecond)
	return fmt.Sprintf("%s[%dms]", sel.Query, end.Sub(from.Truncate(time.Millisecond)).Milliseconds()), end
}

func (s *Source) query(ctx context.Context, text string, at time.Time) (model.Value, error) {
	value, warnings, err := s.api.Query(ctx, text, at)
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 {
		return nil, fmt.Errorf("its answer may be incomplete: %s", strings.Join(warnings, "; "))
	}
	return value, nil
}

// upTo returns the samples at or before at.
func upTo(values []model.SamplePair, at time.Time) []model.SamplePair {
	n, _ := slices.BinarySearchFunc(values, at, func(p model.SamplePair, at time.Time) int {
		if p.Timestamp.Time().After(at) {
			return 1
		}
		return -1
	})
	return values[:n]
}

// instance is one scraped process.
type instance struct {
	job, name model.LabelValue
	pod       string // who it is where the label instance is lost, as in what is pushed or federated
}

// podLabels tell processes apart that have no instance: those of Kubernetes, and those
// that OpenTelemetry's attributes become (semantic conventions, "service", "host").
var podLabels = []model.LabelName{"namespace", "pod", "container", "k8s_namespace_name", "k8s_pod_name", "k8s_container_name", "service_instance_id", "host_name", "hostname", "host"}

func instanceOf(m model.Metric) instance {
	i := instance{job: m[model.JobLabel], name: m[model.InstanceLabel]}
	if i.name != "" {
		return i
	}
	for _, name := range podLabels {
		if value := m[name]; value != "" {
			i.pod += fmt.Sprintf(" %s %s", name, value)
		}
	}
	if i.pod == " namespace "+string(m["namespace"]) {
		i.pod = "" // nobody alone
	}
	return i
}

// process names who counts, as signal.Counter wants it; empty if nobody knows.
func (i instance) process() string {
	if i.name == "" && i.pod == "" {
		return ""
	}
	return i.String()
}

// String names the instance in messages.
func (i instance) String() string {
	if i.pod != "" {
		return strings.TrimSpace(i.pod)
	}
	return fmt.Sprintf("instance %s of job %s", i.name, i.job)
}

// openQuestions returns the instances whose samples do not tell whether they were
// scraped before the window, or whether they still are.
func openQuestions(got seen, w window) []instance {
	var open []instance
	for i, l := range livesOf(got, w) {
		if i.name != "" && (l.first.After(w.from) || l.silent(w)) {
			open = append(open, i)
		}
	}
	return sorted(open)
}

func sorted(all []instance) []instance {
	slices.SortFunc(all, func(a, b instance) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// upOf selects the series up of the instances, which Prometheus writes at each
// scrape: 1 if it worked.
func upOf(instances []instance) *selector.Selector {
	return ofInstances("up", instances)
}
