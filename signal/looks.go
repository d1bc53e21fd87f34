package signal

import (
	"slices"
	"time"
)

// MarkAbsent adds Absent to counters whose samples are all that there are: where
// other counters of their process have samples and they have none.
func (c *Counters) MarkAbsent() {
	looks, before := map[string][]time.Time{}, map[string][]Sample{}
	c.each(func(one *Counter) {
		if one.Process != "" && !sameLooks(one.Samples, before[one.Process]) { // as the buckets of one histogram are
			before[one.Process] = one.Samples
			for _, s := range one.Samples {
				looks[one.Process] = append(looks[one.Process], s.At)
			}
		}
	})
	for process, all := range looks {
		slices.SortFunc(all, time.Time.Compare)
		looks[process] = slices.CompactFunc(all, time.Time.Equal)
	}
	c.each(func(one *Counter) { one.Samples = marked(one.Samples, looks[one.Process]) })
}

func sameLooks(a, b []Sample) bool {
	return slices.EqualFunc(a, b, func(x, y Sample) bool { return x.At.Equal(y.At) })
}

func (c *Counters) each(use func(*Counter)) {
	for _, all := range append([][]Counter{c.Requests, c.Errors}, c.Events...) {
		for i := range all {
			use(&all[i])
		}
	}
	for _, buckets := range c.Latency {
		for i := range buckets {
			use(&buckets[i].Counter)
		}
	}
}

// marked returns samples with a mark at the first of the looks after each that has
// none of its own.
func marked(samples []Sample, looks []time.Time) []Sample {
	if len(samples) == 0 || len(samples) == len(looks) {
		return samples
	}
	out := make([]Sample, 0, len(samples)+1)
	first, _ := slices.BinarySearchFunc(looks, samples[0].At, time.Time.Compare)
	there, next := false, 0
	for _, at := range looks[first:] {
		switch {
		case next < len(samples) && samples[next].At.Equal(at):
			out, there = append(out, samples[next]), true
			next++
		case there:
			out, there = append(out, Sample{at, Absent}), false
		}
	}
	return append(out, samples[next:]...)
}
