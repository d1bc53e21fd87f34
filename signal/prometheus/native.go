package prometheus

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"watari.dev/signal"
)

// The edges that native histograms are counted at are powers of 2^(1/4), from 122 µs
// to 256 s: 4 in each doubling, 85 in all. They do not depend on what was counted, so
// that windows, processes and sides stay comparable. Every exponential schema nests in
// every coarser one (Prometheus, "Native histograms: exponential schemas"), so counts
// are moved to wider buckets and never split.
const (
	finestSchema    = 2
	lowestExponent  = -13 // of 2, in seconds
	highestExponent = 8
	mostEdges       = 200 // of histograms with edges of their own
)

// near is how far two edges may be apart, as a part of them, and still be one: the
// server writes edges as decimal numbers.
const near = 1e-9

// countsOf gives a stream of histograms their counts as values, so that they are
// samples of a counter like any other.
func countsOf(stream *model.SampleStream) {
	if len(stream.Histograms) == 0 {
		return
	}
	stream.Values = make([]model.SamplePair, len(stream.Histograms))
	for i, p := range stream.Histograms {
		stream.Values[i] = model.SamplePair{Timestamp: p.Timestamp, Value: model.SampleValue(p.Histogram.Count)}
	}
}

// histogramsUpTo returns the samples at or before at.
func histogramsUpTo(histograms []model.SampleHistogramPair, at time.Time) []model.SampleHistogramPair {
	n := slices.IndexFunc(histograms, func(p model.SampleHistogramPair) bool { return p.Timestamp.Time().After(at) })
	if n < 0 {
		return histograms
	}
	return histograms[:n]
}

// mergedHistograms returns the histograms of series that show one; of the same time the
// one that has counted more, as their counts are merged.
func mergedHistograms(group []*model.SampleStream) []model.SampleHistogramPair {
	var all []model.SampleHistogramPair
	for _, s := range group {
		all = append(all, s.Histograms...)
	}
	slices.SortStableFunc(all, func(a, b model.SampleHistogramPair) int {
		return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(b.Histogram.Count, a.Histogram.Count))
	})
	return slices.CompactFunc(all, func(a, b model.SampleHistogramPair) bool { return a.Timestamp == b.Timestamp })
}

// isNative reports whether a stream holds native histograms.
func isNative(stream *model.SampleStream) bool { return len(stream.Histograms) > 0 }

// nativeHistograms makes of native histograms what classic ones are: a counter for
// each edge. A bucket that is not there is empty. Counts below zero, which a clock
// that was set back makes, belong below the lowest edge.
func nativeHistograms(streams []*model.SampleStream, by *making) [][]signal.Bucket {
	if len(streams) == 0 {
		return nil
	}
	byUnit := map[float64][]*model.SampleStream{}
	for _, stream := range streams {
		unit := unitOf(stream)
		byUnit[unit] = append(byUnit[unit], stream)
	}
	var out [][]signal.Bucket
	for _, unit := range slices.Sorted(maps.Keys(byUnit)) {
		edges := edgesOf(byUnit[unit], unit)
		for _, stream := range byUnit[unit] {
			out = append(out, bucketsOf(stream, edges, by))
		}
	}
	return out
}

func unitOf(stream *model.SampleStream) float64 {
	return signal.UnitOf(string(stream.Metric[model.MetricNameLabel]))
}

// bucketsOf returns one counter per edge, and that of all requests. Neighbours that
// always showed the same share their samples.
func bucketsOf(stream *model.SampleStream, edges []float64, by *making) []signal.Bucket {
	upTo := make([][]float64, len(stream.Histograms)) // by sample, by edge
	for i, p := range stream.Histograms {
		upTo[i] = cumulative(p.Histogram.Buckets, edges)
	}
	out := make([]signal.Bucket, len(edges), len(edges)+1)
	for e, edge := range edges {
		out[e].Edge, _ = signal.EdgeOf(edge * unitOf(stream))
		if e > 0 && !slices.ContainsFunc(upTo, func(sample []float64) bool { return sample[e] != sample[e-1] }) {
			out[e].Counter = out[e-1].Counter
			continue
		}
		values := make([]model.SamplePair, len(upTo))
		for i, sample := range upTo {
			values[i] = model.SamplePair{Timestamp: stream.Histograms[i].Timestamp, Value: model.SampleValue(sample[e])}
		}
		out[e].Counter = counter(&model.SampleStream{Metric: stream.Metric, Values: values}, by)
	}
	return append(out, signal.Bucket{Edge: signal.Rest, Counter: counter(stream, by)})
}

// cumulative returns how many requests took up to each edge, where no bucket lies on
// both sides of one.
func cumulative(buckets model.HistogramBuckets, edges []float64) []float64 {
	out := make([]float64, len(edges))
	for _, b := range buckets {
		if at := edgeAt(edges, float64(b.Upper)); at < len(edges) && !math.IsNaN(float64(b.Upper)) {
			out[at] += float64(b.Count)
		}
	}
	for i := range out[:max(0, len(out)-1)] {
		out[i+1] += out[i]
	}
	return out
}

// edgeAt returns the index of the lowest edge that is not below value.
func edgeAt(edges []float64, value float64) int {
	return sort.Search(len(edges), func(i int) bool { return !below(edges[i], value) })
}

// below reports whether a is below b, which are different edges only if they are
// further apart than rounding brings them.
func below(a, b float64) bool {
	return a < b && (math.IsInf(a, 0) || math.IsInf(b, 0) || b-a > near*math.Abs(a))
}

// edgesOf returns the edges at which all histograms of an answer can be counted:
// those of the coarsest schema among them, or those that were seen if they have edges
// of their own (schema -53), without the edges that lie inside a bucket of any.
func edgesOf(streams []*model.SampleStream, unit float64) []float64 {
	seen := layout{}
	for _, stream := range streams {
		for _, p := range stream.Histograms {
			seen.add(p.Histogram.Buckets)
		}
	}
	edges := seen.edges(unit)
	inside := make([]bool, len(edges))
	for b := range seen {
		for at := edgeAt(edges, b.lower); at < len(edges) && below(edges[at], b.upper); at++ {
			inside[at] = inside[at] || below(b.lower, edges[at])
		}
	}
	var out []float64
	for i, edge := range edges {
		if !inside[i] {
			out = append(out, edge)
		}
	}
	return thinned(out)
}

// thinned leaves out so many edges, evenly, that the rest is bounded.
func thinned(edges []float64) []float64 {
	every := (len(edges) + mostEdges - 1) / mostEdges
	if every <= 1 {
		return edges
	}
	var out []float64
	for i := every - 1; i < len(edges); i += every {
		out = append(out, edges[i])
	}
	return out
}

// layout is the buckets that histograms have shown, of which the value is true for
// those that are certainly whole: the lowest one above zero may be cut by the bucket
// around zero, and says nothing of the schema then. An answer names no schema.
type layout map[bounds]bool

type bounds struct{ lower, upper float64 }

// add notes the buckets of one sample.
func (l layout) add(buckets model.HistogramBuckets) {
	first := true
	for _, b := range buckets {
		is := bounds{float64(b.Lower), float64(b.Upper)}
		l[is] = l[is] || !first
		first = first && !is.positive()
	}
}

func (b bounds) positive() bool { return b.lower >= 0 && b.upper > 0 }

// edges returns those that the buckets may be counted at.
func (l layout) edges(unit float64) []float64 {
	schema := finestSchema
	var exponential, custom, cut bool
	for is, whole := range l {
		of, ok := schemaOf(is)
		switch {
		case ok:
			exponential, schema = true, min(schema, of)
		case is.lower == -is.upper && !math.IsInf(is.upper, 0): // around zero, which no other schema has
			exponential = true
		case is.lower > math.MaxFloat64/2: // where every schema counts what took for ever
		case math.IsInf(is.lower, 0) || math.IsInf(is.upper, 0) || is.positive() && (whole || is.lower == 0):
			custom = true
		case is.positive():
			cut = true
		}
	}
	if custom || cut && !exponential {
		return l.own(unit)
	}
	return exponentialEdges(schema, unit)
}

// own returns the edges of the buckets that were seen.
func (l layout) own(unit float64) []float64 {
	var out []float64
	for is := range l {
		for _, edge := range []float64{is.lower, is.upper} {
			if as, ok := signal.EdgeOf(edge * unit); ok && as > 0 && as < signal.Rest {
				out = append(out, edge)
			}
		}
	}
	slices.Sort(out)
	return slices.CompactFunc(out, func(a, b float64) bool { return !below(a, b) && !below(b, a) })
}

// exponentialEdges returns the edges of a schema between about 122 µs and 256 s, in a
// unit of so many seconds.
func exponentialEdges(schema int, unit float64) []float64 {
	step, shift := math.Exp2(-float64(schema)), math.Round(-math.Log2(unit))
	var out []float64
	for e := step * math.Ceil((lowestExponent+shift)/step); e <= highestExponent+shift; e += step {
		out = append(out, math.Exp2(e))
	}
	return out
}

// schemaOf returns the exponential schema that has a bucket with these bounds.
func schemaOf(b bounds) (int, bool) {
	if b.lower <= 0 || b.upper <= b.lower || math.IsInf(b.upper, 1) {
		return 0, false
	}
	exact := -math.Log2(math.Log2(b.upper / b.lower))
	schema := math.Round(exact)
	if math.Abs(exact-schema) > 1e-6 || schema < -9 || schema > 20 {
		return 0, false
	}
	index := math.Log2(b.upper) * math.Exp2(schema)
	return int(schema), math.Abs(index-math.Round(index)) < 1e-4
}

// withoutTwins drops one of two forms of a histogram, under a selector that takes the
// names of both, so that nothing is counted twice: of those that overlap the one that
// begins later, or the classic one.
func withoutTwins(streams []*model.SampleStream) []*model.SampleStream {
	native, classic := map[model.Fingerprint]span{}, map[model.Fingerprint]span{}
	for _, s := range streams {
		if isNative(s) {
			native[s.Metric.Fingerprint()] = spanOf(s)
		}
	}
	if len(native) == 0 || len(native) == len(streams) {
		return streams
	}
	for _, s := range streams {
		if of, ok := nativeNameOf(s); ok {
			classic[of] = classic[of].with(spanOf(s))
		}
	}
	return slices.DeleteFunc(streams, func(s *model.SampleStream) bool {
		of, ok := nativeNameOf(s)
		if isNative(s) {
			of, ok = s.Metric.Fingerprint(), true
		}
		n, hasNative := native[of]
		c, hasClassic := classic[of]
		return ok && hasNative && hasClassic && n.overlaps(c) && isNative(s) == (c.first < n.first)
	})
}

// nativeNameOf returns what the native form of a classic histogram's series is called.
func nativeNameOf(s *model.SampleStream) (model.Fingerprint, bool) {
	name, of := string(s.Metric[model.MetricNameLabel]), s.Metric.Clone()
	_, isBucket := of[model.BucketLabel]
	base, ok := strings.CutSuffix(name, "_count")
	if isBucket {
		base, ok = strings.CutSuffix(name, "_bucket")
	}
	if !ok || isNative(s) {
		return 0, false
	}
	delete(of, model.BucketLabel)
	of[model.MetricNameLabel] = model.LabelValue(base)
	return of.Fingerprint(), true
}

// span is from when to when series have samples; the zero value has none.
type span struct{ first, last model.Time }

func spanOf(s *model.SampleStream) span {
	if len(s.Values) == 0 {
		return span{}
	}
	return span{s.Values[0].Timestamp, s.Values[len(s.Values)-1].Timestamp}
}

func (a span) with(b span) span {
	switch {
	case a == span{}:
		return b
	case b == span{}:
		return a
	}
	return span{min(a.first, b.first), max(a.last, b.last)}
}

func (a span) overlaps(b span) bool {
	return a != span{} && b != span{} && a.first <= b.last && b.first <= a.last
}
