package prometheus

import (
	"cmp"
	"fmt"
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

// copies finds series that several servers have stored of one counter. What a side's
// requests show of a label holds for all its counters.
type copies struct {
	known       map[model.LabelName]bool // of a label: those that differ in it only are one
	once, apart []string
}

// merged returns streams with what is certainly one counter as one stream. The requests
// come first.
func (c *copies) merged(streams []*model.SampleStream) []*model.SampleStream {
	for _, label := range replicaLabels {
		groups := without(label.name, streams)
		if len(groups) == len(streams) {
			continue
		}
		same, decided := c.known[label.name]
		if !decided {
			same = !slices.ContainsFunc(groups, func(group []*model.SampleStream) bool { return !sameCounter(group, label.external) })
			c.note(label.name, same, label.external)
		}
		if same {
			streams = streams[:0:0]
			for _, group := range groups {
				streams = append(streams, merge(group))
			}
		}
	}
	return streams
}

// process names who counts a series. Where a label of servers is one of processes, as
// behind what federates them, it tells these apart.
func (c *copies) process(m model.Metric) string {
	name := instanceOf(m).process()
	for _, label := range replicaLabels {
		if same, known := c.known[label.name]; known && !same && name != "" && m[label.name] != "" {
			name += fmt.Sprintf(", %s %s", label.name, m[label.name])
		}
	}
	return name
}

func (c *copies) note(label model.LabelName, same, external bool) {
	if c.known == nil {
		c.known = map[model.LabelName]bool{}
	}
	c.known[label] = same
	switch {
	case same:
		c.once = append(c.once, string(label))
	case external:
		c.apart = append(c.apart, string(label))
	}
}

// text says what was found.
func (c *copies) text() string {
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

// merge makes one stream of those that show one counter: of what they show at the same
// time the highest value.
func merge(group []*model.SampleStream) *model.SampleStream {
	if len(group) == 1 {
		return group[0]
	}
	out := &model.SampleStream{Metric: group[0].Metric, Histograms: mergedHistograms(group)}
	for _, p := range inOrder(group) {
		if n := len(out.Values); n > 0 && out.Values[n-1].Timestamp == p.Timestamp {
			out.Values[n-1].Value = max(out.Values[n-1].Value, p.Value)
		} else {
			out.Values = append(out.Values, p)
		}
	}
	return out
}

func inOrder(group []*model.SampleStream) (all []model.SamplePair) {
	for _, s := range group {
		all = append(all, s.Values...)
	}
	slices.SortStableFunc(all, func(a, b model.SamplePair) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	return all
}

// sameCounter reports whether all of a group show one counter: together they fall no
// more often than one of them does alone, and at one time they show the same. Servers
// that certainly are copies may be a little apart. With a label that may be an
// application's they must not: what one server stores at one time, or what nobody says
// to be of one process, are two counters as soon as they differ.
func sameCounter(group []*model.SampleStream, external bool) bool {
	if len(group) == 1 {
		return true
	}
	apart := func(low, high int64) bool {
		return low < high && !external || high-low > max(high/4, aLittle)
	}
	alone := 0
	for _, s := range group {
		alone = max(alone, falls(s.Values, apart))
	}
	all := inOrder(group)
	for i := 1; i < len(all); i++ {
		a, ok := signal.CounterValue(float64(all[i-1].Value))
		b, also := signal.CounterValue(float64(all[i].Value))
		if all[i-1].Timestamp == all[i].Timestamp && (ok != also || apart(min(a, b), max(a, b))) {
			return false
		}
	}
	return falls(all, apart) <= alone && (external || instanceOf(group[0].Metric).process() != "")
}

// aLittle is by how many requests copies may be apart while they have counted few.
const aLittle = 100

// falls counts where values fall, by more than a little.
func falls(values []model.SamplePair, apart func(low, high int64) bool) (n int) {
	last := int64(0)
	for _, p := range values {
		value, ok := signal.CounterValue(float64(p.Value))
		if !ok {
			continue
		}
		if value < last && apart(value, last) {
			n++
		}
		last = value
	}
	return n
}
