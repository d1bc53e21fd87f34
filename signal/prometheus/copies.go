package prometheus

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"watari.dev/signal"
)

// replicaLabels tell apart servers that scrape the same: external labels of pairs for
// high availability, as Thanos, Mimir and the Prometheus operator name them. Those that
// an application may have as well are not of its own kind.
var replicaLabels = []struct {
	name     model.LabelName
	external bool // nobody else has a label of this name
}{
	{"prometheus_replica", true}, {"__replica__", true}, {"rule_replica", true}, {"receive_replica", true},
	{"replica", false}, {"prometheus", false}, {"monitor", false},
}

// copies finds series that several servers have stored of one counter.
type copies struct{ once, apart []string } // labels by which they differ

// merged returns streams with what is certainly one counter as one stream: together
// they look like one, and where they have samples of the same time these agree.
func (c *copies) merged(streams []*model.SampleStream) []*model.SampleStream {
	for _, label := range replicaLabels {
		groups := without(label.name, streams)
		if len(groups) == len(streams) {
			continue
		}
		var out []*model.SampleStream
		for _, group := range groups {
			switch one, same := merge(group, label.external); {
			case len(group) == 1:
				out = append(out, group[0])
			case same:
				out, c.once = append(out, one), with(c.once, string(label.name))
			default:
				out = append(out, group...)
				if label.external {
					c.apart = with(c.apart, string(label.name))
				}
			}
		}
		streams = out
	}
	return streams
}

func with(all []string, name string) []string {
	if slices.Contains(all, name) {
		return all
	}
	return append(all, name)
}

// note says what was found.
func (c *copies) note() string {
	var all []string
	if len(c.once) > 0 {
		all = append(all, "several servers store the same series, with other values of "+strings.Join(c.once, ", ")+": they are counted once")
	}
	if len(c.apart) > 0 {
		all = append(all, "series that differ in "+strings.Join(c.apart, ", ")+" only do not agree: each is counted; select one of them")
	}
	return strings.Join(all, "; ")
}

// without groups streams by all labels but one, in the order of their first.
func without(label model.LabelName, streams []*model.SampleStream) (groups [][]*model.SampleStream) {
	at := map[model.Fingerprint]int{}
	for _, s := range streams {
		labels := s.Metric.Clone()
		delete(labels, label)
		of := labels.Fingerprint()
		if _, known := at[of]; !known {
			at[of], groups = len(groups), append(groups, nil)
		}
		groups[at[of]] = append(groups[at[of]], s)
	}
	return groups
}

// merge makes one stream of those that show one counter, and reports whether they do:
// together they fall no more often than one of them does alone, and at the same time
// they show the same. Servers that certainly are copies may be a little apart; what
// one server stores of an application at one time are two counters if they differ.
func merge(group []*model.SampleStream, external bool) (out *model.SampleStream, same bool) {
	out = &model.SampleStream{Metric: group[0].Metric, Histograms: mergedHistograms(group)}
	var all []model.SamplePair
	alone := 0
	for _, s := range group {
		all = append(all, s.Values...)
		alone = max(alone, falls(s.Values))
	}
	slices.SortStableFunc(all, func(a, b model.SamplePair) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	for _, p := range all {
		n := len(out.Values)
		if n == 0 || out.Values[n-1].Timestamp != p.Timestamp {
			out.Values = append(out.Values, p)
			continue
		}
		last := &out.Values[n-1]
		low, high := min(last.Value, p.Value), max(last.Value, p.Value)
		if low != high && (!external || low < high-high/4) {
			return out, false
		}
		last.Value = high
	}
	return out, falls(out.Values) <= alone
}

// falls counts the restarts that values show.
func falls(values []model.SamplePair) (n int) {
	last := int64(0)
	for _, p := range values {
		value, ok := signal.CounterValue(float64(p.Value))
		if !ok {
			continue
		}
		if value < last-last/4 {
			n++
		}
		last = value
	}
	return n
}
