package traffic

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseShare(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Share
		bad  bool
	}{
		{in: "1%", want: 100}, {in: "0.5 %", want: 50}, {in: " 12.25%", want: 1225}, {in: "100%", want: All},
		{in: "50", want: 50}, {in: "10000", want: All}, {in: "0%", want: 0},
		{in: "100.01%", bad: true}, {in: "10001", bad: true}, {in: "-1%", bad: true}, {in: "-1", bad: true},
		{in: "0.125%", bad: true}, {in: "%", bad: true}, {in: ".5%", bad: true}, {in: "one", bad: true}, {in: "", bad: true}, {in: "1e2%", bad: true},
	} {
		got, err := ParseShare(c.in)
		if (err != nil) != c.bad || got != c.want {
			t.Errorf("ParseShare(%q) = %d, %v; want %d, bad %v", c.in, got, err, c.want, c.bad)
		}
	}
}

func TestShareReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Share(rapid.IntRange(0, 10000).Draw(t, "share"))
		if got, err := ParseShare(s.String()); err != nil || got != s {
			t.Fatalf("ParseShare(%q) = %d, %v", s.String(), got, err)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Share
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Fatalf("%s came back as %d, %v", b, back, err)
		}
	})
}

func TestReadingIsUnknownUntilSaid(t *testing.T) {
	var r Reading[int]
	if _, known := r.Get(); known || r.State != Unknown {
		t.Errorf("the zero reading is %v", r.State)
	}
	at := time.Unix(1, 0)
	if v, known := KnownAt(0, at).Get(); !known || v != 0 {
		t.Error("a known zero must be known")
	}
	if f := FailedAt[int](errors.New("refused"), at); f.State != Failed || f.Err != "refused" {
		t.Errorf("%+v", f)
	}
}

func TestStateAndSideText(t *testing.T) {
	type both struct {
		State State
		Side  Side
	}
	for _, v := range []both{{Unknown, NoSide}, {Known, Source}, {Failed, Target}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var back both
		if err := json.Unmarshal(b, &back); err != nil || back != v {
			t.Errorf("%s came back as %+v, %v", b, back, err)
		}
	}
	var s State
	var d Side
	if s.UnmarshalText([]byte("maybe")) == nil || d.UnmarshalText([]byte("left")) == nil {
		t.Error("unknown words must be refused")
	}
}

func ms(values ...int) (out []time.Duration) {
	for _, v := range values {
		out = append(out, time.Duration(v)*time.Millisecond)
	}
	return out
}

func TestHistogramQuantile(t *testing.T) {
	h := Histogram{Edges: ms(10, 100, 1000), Buckets: []int64{50, 40, 10, 0}}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{
		{0.5, 10 * time.Millisecond}, {0.9, 100 * time.Millisecond}, {0.95, 550 * time.Millisecond}, {1, time.Second},
	} {
		if got, ok := h.Quantile(c.q); !ok || got != c.want {
			t.Errorf("quantile %v = %v, %v; want %v", c.q, got, ok, c.want)
		}
	}
	if _, ok := (Histogram{Edges: ms(10), Buckets: []int64{0, 0}}).Quantile(0.99); ok {
		t.Error("an empty histogram has no quantile")
	}
	if got, _ := (Histogram{Edges: ms(10), Buckets: []int64{0, 5}}).Quantile(0.5); got != 10*time.Millisecond {
		t.Errorf("above all edges the highest edge is the bound, got %v", got)
	}
}

func TestHistogramPlusKeepsCommonEdges(t *testing.T) {
	a := Histogram{Edges: ms(10, 20, 50), Buckets: []int64{1, 2, 3, 4}}
	b := Histogram{Edges: ms(20, 30, 50), Buckets: []int64{10, 20, 30, 40}}
	want := Histogram{Edges: ms(20, 50), Buckets: []int64{13, 53, 44}}
	if d := cmp.Diff(want, a.Plus(b)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(a, Histogram{}.Plus(a)); d != "" {
		t.Error(d)
	}
}

func TestHistogramPlusLosesNoRequest(t *testing.T) {
	draw := func(t *rapid.T, name string) Histogram {
		var h Histogram
		for _, ms := range rapid.SliceOfNDistinct(rapid.IntRange(1, 12), 1, 6, rapid.ID).Draw(t, name) {
			h.Edges = append(h.Edges, time.Duration(ms))
		}
		slices.Sort(h.Edges)
		h.Buckets = rapid.SliceOfN(rapid.Int64Range(0, 9), len(h.Edges)+1, len(h.Edges)+1).Draw(t, name+" buckets")
		return h
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		sum := a.Plus(b)
		if sum.Count() != a.Count()+b.Count() {
			t.Fatalf("%v + %v = %v", a, b, sum)
		}
		for i, edge := range sum.Edges {
			if got, want := upTo(sum, i), below(a, edge)+below(b, edge); got != want {
				t.Fatalf("at or below %d: %d, want %d", edge, got, want)
			}
		}
	})
}

func upTo(h Histogram, last int) (n int64) {
	for i := 0; i <= last; i++ {
		n += h.Buckets[i]
	}
	return n
}

func below(h Histogram, edge time.Duration) (n int64) {
	for i, e := range h.Edges {
		if e <= edge {
			n += h.Buckets[i]
		}
	}
	return n
}

// drawCounts draws histograms that are there or not, and events of any number.
func drawCounts(t *rapid.T, name string) Counts {
	number := func(what string) int64 { return rapid.Int64Range(0, 9).Draw(t, name+"'s "+what) }
	c := Counts{Requests: number("requests"), Errors: number("errors"), Resets: number("resets")}
	c.Skew = time.Duration(rapid.IntRange(-3, 3).Draw(t, name+"'s skew")) * time.Second
	if n := number("events") % 4; n > 0 {
		c.Events = rapid.SliceOfN(rapid.Int64Range(0, 9), int(n), int(n)).Draw(t, name+"'s events")
	}
	if rapid.Bool().Draw(t, name+" has latencies") {
		for edge := range 4 {
			if rapid.Bool().Draw(t, name+" has the edge") {
				c.Latency.Edges = append(c.Latency.Edges, time.Duration(edge+1))
			}
		}
		n := len(c.Latency.Edges) + 1
		c.Latency.Buckets = rapid.SliceOfN(rapid.Int64Range(0, 9), n, n).Draw(t, name+"'s buckets")
	}
	return c
}

func (c Counts) clone() Counts {
	c.Events, c.Latency.Edges, c.Latency.Buckets = slices.Clone(c.Events), slices.Clone(c.Latency.Edges), slices.Clone(c.Latency.Buckets)
	return c
}

func TestCountsAddUpInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawCounts(t, "a"), drawCounts(t, "b"), drawCounts(t, "c")
		was := []Counts{a.clone(), b.clone(), c.clone()}
		if d := cmp.Diff(a.Plus(b).Plus(c), a.Plus(b.Plus(c))); d != "" {
			t.Fatalf("(a+b)+c (-) is not a+(b+c) (+):\n%s", d)
		}
		if d := cmp.Diff(a, a.Plus(Counts{})) + cmp.Diff(a, Counts{}.Plus(a)); d != "" {
			t.Fatalf("nothing added to a changes it:\n%s", d)
		}
		left, right := a.Plus(b), b.Plus(a)
		if left.Skew.Abs() != right.Skew.Abs() {
			t.Fatalf("the skew of a+b is %s, of b+a %s", left.Skew, right.Skew)
		}
		left.Skew, right.Skew = 0, 0 // of two that are as large the first stays
		if d := cmp.Diff(left, right); d != "" {
			t.Fatalf("a+b (-) is not b+a (+):\n%s", d)
		}
		if d := cmp.Diff(was, []Counts{a, b, c}); d != "" {
			t.Fatalf("adding changed what was added (-before +after):\n%s", d)
		}
	})
}

func TestCountsPlus(t *testing.T) {
	a := Counts{Requests: 5, Errors: 1, Events: []int64{1, 2}, Resets: 1, Skew: 2 * time.Second}
	b := Counts{Requests: 7, Errors: 2, Events: []int64{10, 20, 30}, Resets: 2, Skew: -3 * time.Second}
	want := Counts{Requests: 12, Errors: 3, Events: []int64{11, 22, 30}, Resets: 3, Skew: -3 * time.Second}
	if d := cmp.Diff([]Counts{want, want}, []Counts{a.Plus(b), b.Plus(a)}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCounts(t *testing.T) {
	if _, ok := (Counts{}).ErrorRatio(); ok {
		t.Error("no requests have no error ratio")
	}
	sum := Counts{Requests: 3, Errors: 1}.Plus(Counts{Requests: 1})
	if r, ok := sum.ErrorRatio(); !ok || r != 0.25 {
		t.Errorf("%v, %v", r, ok)
	}
	by := BySide[int]{Source: 1, Target: 2}
	if by.Of(Source) != 1 || by.Of(Target) != 2 || by.Of(NoSide) != 0 {
		t.Error("BySide.Of mixes the sides up")
	}
}
