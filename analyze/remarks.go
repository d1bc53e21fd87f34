package analyze

import (
	"cmp"
	"regexp"
	"slices"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Remark is something that was said of the counts of a side, in so many intervals.
type Remark struct {
	Side  traffic.Side `json:"side"`
	Text  string       `json:"text"`
	Count int          `json:"count"`
}

// mostRemarks bounds how many different ones are remembered.
const mostRemarks = 50

// remarks counts what is said.
type remarks []Remark

func (r *remarks) add(side traffic.Side, text string) {
	if text == "" {
		return
	}
	at := slices.IndexFunc(*r, func(one Remark) bool { return one.Side == side && one.Text == text })
	if at < 0 {
		if len(*r) == mostRemarks {
			return
		}
		at, *r = len(*r), append(*r, Remark{Side: side, Text: text})
	}
	(*r)[at].Count++
}

// clocks are in many reasons, and make each another one.
var clocks = regexp.MustCompile(`\d\d:\d\d:\d\d`)

// heard takes down what an interval says of its counts, and why there are none.
func (w *walk) heard(in *verdict.Interval) {
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		c := in.Source
		if side == traffic.Target {
			c = in.Target
		}
		if c.State == traffic.Known {
			w.notes.add(side, c.Note)
		} else {
			w.whys.add(side, clocks.ReplaceAllString(c.Err, "…"))
		}
	}
}

// mostly returns the reason that a side was not known for in most intervals; empty
// without one.
func mostly(all []Remark, side traffic.Side) string {
	of := slices.DeleteFunc(slices.Clone(all), func(r Remark) bool { return r.Side != side })
	if len(of) == 0 {
		return ""
	}
	return slices.MaxFunc(of, func(a, b Remark) int { return cmp.Compare(a.Count, b.Count) }).Text
}
