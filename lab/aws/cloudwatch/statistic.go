package cloudwatch

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"watari.dev/lab/aws/wire"
)

// statistic computes one number of sorted samples; there is at least one.
type statistic func(sorted []float64) float64

var simple = map[string]statistic{
	"SampleCount": func(v []float64) float64 { return float64(len(v)) },
	"Sum":         sum,
	"Average":     mean,
	"Minimum":     func(v []float64) float64 { return v[0] },
	"Maximum":     func(v []float64) float64 { return v[len(v)-1] },
}

var (
	percentForm = regexp.MustCompile(`^(p|tc|tm|ts)([0-9]{1,2}(?:\.[0-9]{1,10})?|100)$`)
	rangeForm   = regexp.MustCompile(`^(TC|TM|TS|PR)\(([0-9.]*)(%?):([0-9.]*)(%?)\)$`)
)

// parseStatistic reads a statistic as "CloudWatch statistics definitions" writes
// them. IQM and WM are not here.
func parseStatistic(text string) (statistic, *wire.Error) {
	if s, ok := simple[text]; ok {
		return s, nil
	}
	if m := percentForm.FindStringSubmatch(text); m != nil {
		percent, _ := strconv.ParseFloat(m[2], 64) // the pattern lets only numbers through
		if m[1] == "p" {
			return func(v []float64) float64 { return percentile(v, percent) }, nil
		}
		return trimmed(strings.ToUpper(m[1]), func(v []float64) []float64 { return v[:rank(v, percent)] }), nil
	}
	m := rangeForm.FindStringSubmatch(text)
	if m == nil {
		return nil, badStatistic(text)
	}
	cut, ok := parseRange(m[2], m[3], m[4], m[5])
	if !ok || m[1] == "PR" && m[3]+m[5] != "" {
		return nil, badStatistic(text)
	}
	return trimmed(m[1], cut), nil
}

func badStatistic(text string) *wire.Error {
	return wire.Errorf("ValidationError", "The value %s for parameter Stat is not supported.", text)
}

// trimmed is a statistic of what cut leaves. It counts 0 where nothing is left.
func trimmed(name string, cut func(sorted []float64) []float64) statistic {
	switch name {
	case "TC":
		return func(v []float64) float64 { return float64(len(cut(v))) }
	case "TS":
		return func(v []float64) float64 { return sum(cut(v)) }
	case "PR":
		return func(v []float64) float64 { return 100 * float64(len(cut(v))) / float64(len(v)) }
	default:
		return func(v []float64) float64 { return mean(cut(v)) }
	}
}

// parseRange reads the two bounds of a range, both values or both percentages.
// The lower one is exclusive and the upper one inclusive. One may be missing.
func parseRange(low, lowPercent, high, highPercent string) (func([]float64) []float64, bool) {
	from, to, isPercent := 0.0, math.Inf(1), lowPercent+highPercent != ""
	var err error
	if low != "" {
		if from, err = strconv.ParseFloat(low, 64); err != nil {
			return nil, false
		}
	}
	if high != "" {
		if to, err = strconv.ParseFloat(high, 64); err != nil {
			return nil, false
		}
	}
	mixed := isPercent && (low != "") != (lowPercent != "") || isPercent && (high != "") != (highPercent != "")
	if low == "" && high == "" || mixed || from >= to || isPercent && (from > 100 || high != "" && to > 100) {
		return nil, false
	}
	if isPercent {
		return func(v []float64) []float64 { return v[rank(v, from):rank(v, min(to, 100))] }, true
	}
	return func(v []float64) []float64 {
		first, end := 0, above(v, to)
		if low != "" {
			first = above(v, from)
		}
		return v[first:end]
	}, true
}

// above returns how many of the sorted values are at most bound.
func above(sorted []float64, bound float64) int {
	n, _ := slices.BinarySearchFunc(sorted, bound, func(v, b float64) int {
		if v > b {
			return 1
		}
		return -1
	})
	return n
}

// rank is how many of the lowest values make that many percent.
func rank(sorted []float64, percent float64) int {
	return int(math.Round(percent / 100 * float64(len(sorted))))
}

// percentile is the nearest rank's value; AWS does not say how it interpolates.
func percentile(sorted []float64, percent float64) float64 {
	i := int(math.Ceil(percent/100*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}

func mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return sum(values) / float64(len(values))
}
