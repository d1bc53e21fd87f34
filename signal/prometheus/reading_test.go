package prometheus

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

func at(s int) time.Time { return time.Unix(int64(10_000+s), 0) }

// stream returns one sample per value, a second apart from second 0 on; -1 leaves
// one out.
func stream(name, instance, labels string, values ...int) *model.SampleStream {
	m := model.Metric{model.MetricNameLabel: model.LabelValue(name), "job": "j", "instance": model.LabelValue(instance)}
	if key, value, ok := strings.Cut(labels, "="); ok {
		m[model.LabelName(key)] = model.LabelValue(value)
	}
	s := &model.SampleStream{Metric: m}
	for i, v := range values {
		value := model.SampleValue(v)
		if v == noCount {
			value = model.SampleValue(math.NaN())
		}
		if v >= 0 || v == noCount {
			s.Values = append(s.Values, model.SamplePair{Timestamp: model.TimeFromUnixNano(at(i).UnixNano()), Value: value})
		}
	}
	return s
}

// noCount is a sample that is no number.
const noCount = math.MinInt64

func streams(all ...*model.SampleStream) []*model.SampleStream { return all }

func TestDecideReading(t *testing.T) {
	want, err := selector.Parse(`r{s="s"}`)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		seen     seen
		from, to int
		state    traffic.State
		requests int64
		covers   int
		why      string
	}{
		"growth":                   {seen{requests: streams(stream("r", "a", "", 5, 7, 9))}, 0, 2, traffic.Known, 4, 2, ""},
		"the slowest counts":       {seen{requests: streams(stream("r", "a", "", 5, 7, 9), stream("r", "b", "", 1, 2))}, 0, 2, traffic.Known, 5, 1, ""},
		"nothing at all":           {seen{}, 0, 2, traffic.Unknown, 0, 0, `no series matches r{s="s"}`},
		"nothing new":              {seen{requests: streams(stream("r", "a", "", 5))}, 0, 2, traffic.Unknown, 0, 0, "no new sample"},
		"zero at both ends":        {seen{requests: streams(stream("r", "a", "", 5, 5, 5))}, 0, 2, traffic.Known, 0, 2, ""},
		"zero, only just born":     {seen{requests: streams(stream("r", "a", "", -1, 0, 0)), up: streams(stream("up", "a", "", 1, 1, 1))}, 0, 2, traffic.Unknown, 0, 0, "only just appeared"},
		"reset":                    {seen{requests: streams(stream("r", "a", "", 50, 3, 5))}, 0, 2, traffic.Known, 5, 2, ""},
		"no number in between":     {seen{requests: streams(stream("r", "a", "", 50, math.MaxInt64, 52))}, 0, 2, traffic.Known, 2, 2, ""},
		"born on a known instance": {seen{requests: streams(stream("r", "a", "code=200", 50, 51, 52), stream("r", "a", "code=500", -1, 4, 5))}, 0, 2, traffic.Known, 7, 2, ""},
		"born, and up knows":       {seen{requests: streams(stream("r", "a", "", -1, 4, 5)), up: streams(stream("up", "a", "", 1, 1, 1))}, 0, 2, traffic.Known, 5, 2, ""},
		"new instance beside one":  {seen{requests: streams(stream("r", "a", "", 1, 2, 3), stream("r", "b", "", -1, 400, 402))}, 0, 2, traffic.Known, 4, 2, ""},
		"all instances are new":    {seen{requests: streams(stream("r", "b", "", -1, 400, 402)), up: streams(stream("up", "b", "", -1, 1, 1))}, 0, 2, traffic.Unknown, 0, 0, "no instance with"},
		"up 0 tells of no scrape":  {seen{requests: streams(stream("r", "b", "", -1, -1, 402)), up: streams(stream("up", "b", "", 0, 0, 1))}, 0, 2, traffic.Unknown, 0, 0, "no instance with"},
		"pod gone":                 {seen{requests: streams(stream("r", "a", "", 1, 2, 3), stream("r", "b", "", 9)), up: streams(stream("up", "b", "", 1))}, 0, 2, traffic.Known, 2, 2, ""},
		"pod gone after a failure": {seen{requests: streams(stream("r", "a", "", -1, 1, 2, 3), stream("r", "b", "", 9)), up: streams(stream("up", "b", "", 1, 0))}, 1, 3, traffic.Known, 2, 3, ""},
		"instance down":            {seen{requests: streams(stream("r", "a", "", 1, 2, 3), stream("r", "b", "", 9)), up: streams(stream("up", "b", "", 1, 0, 0))}, 0, 2, traffic.Failed, 0, 0, "instance b of job j does not answer Prometheus's scrapes since"},
		"down, then back":          {seen{requests: streams(stream("r", "b", "", 9, -1, 12)), up: streams(stream("up", "b", "", 1, 0, 1))}, 0, 2, traffic.Known, 3, 2, ""},
		"first errors":             {seen{requests: streams(stream("r", "a", "", 1, 9, 9)), errors: streams(stream("r", "a", "code=500", -1, 3, 3))}, 0, 2, traffic.Known, 8, 2, ""},
	} {
		got := decideReading(selector.Side{Requests: want}, c.seen, window{from: at(c.from), to: at(c.to), lookback: time.Minute})
		if got.State != c.state || got.Value.Requests != c.requests || !strings.Contains(got.Err, c.why) || c.covers > 0 && !got.At.Equal(at(c.covers)) {
			t.Errorf("%s: %+v, want %s, %d requests up to %s, %q", name, got, c.state, c.requests, at(c.covers), c.why)
		}
		if name == "first errors" && got.Value.Errors != 3 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestHistogramsOfSeveralInstancesAddUp(t *testing.T) {
	want, err := selector.Parse(`r`)
	if err != nil {
		t.Fatal(err)
	}
	got := decideReading(selector.Side{Requests: want}, seen{
		requests: streams(stream("r", "a", "", 0, 10), stream("r", "b", "", 0, 10)),
		latency: streams(
			stream("l_bucket", "a", "le=0.1", 0, 4), stream("l_bucket", "a", "le=1", 0, 6), stream("l_bucket", "a", "le=+Inf", 0, 10),
			stream("l_bucket", "b", "le=1.0", 0, 9), stream("l_bucket", "b", "le=+Inf", 0, 10), stream("l_bucket", "b", "le=none", 0, 10)),
	}, window{from: at(0), to: at(1)})
	if text := fmt.Sprint(got.Value.Latency); text != "{[1s] [15 5]}" {
		t.Errorf("%s, want the edge that both have", text)
	}
}

func TestResetsAreCountedOncePerInstance(t *testing.T) {
	want, err := selector.Parse(`r`)
	if err != nil {
		t.Fatal(err)
	}
	without := func(s *model.SampleStream) *model.SampleStream {
		delete(s.Metric, model.InstanceLabel)
		return s
	}
	for name, c := range map[string]struct {
		requests []*model.SampleStream
		from, to int
		want     int64
	}{
		"none":                   {streams(stream("r", "a", "", 5, 7, 7)), 0, 2, 0},
		"one":                    {streams(stream("r", "a", "", 5, 3, 4)), 0, 2, 1},
		"before the window":      {streams(stream("r", "a", "", 5, 3, 4)), 1, 2, 0},
		"born is none":           {streams(stream("r", "a", "", 5, 7, 9), stream("r", "a", "code=500", -1, 1, 2)), 0, 2, 0},
		"a process of many":      {streams(stream("r", "a", "code=200", 5, 3, 4), stream("r", "a", "code=500", 5, 0, 0)), 0, 2, 1},
		"two instances":          {streams(stream("r", "a", "", 5, 3, 4), stream("r", "b", "", 5, 3, 4)), 0, 2, 2},
		"instances have no name": {streams(without(stream("r", "a", "n=1", 5, 3, 4)), without(stream("r", "a", "n=2", 5, 3, 4))), 0, 2, 2},
	} {
		got := decideReading(selector.Side{Requests: want}, seen{requests: c.requests}, window{from: at(c.from), to: at(c.to), lookback: time.Minute})
		if got.State != traffic.Known || got.Value.Resets != c.want {
			t.Errorf("%s: %+v, want %d resets", name, got, c.want)
		}
	}
}

func TestEventsOfTheReading(t *testing.T) {
	want, err := selector.Parse(`r`)
	if err != nil {
		t.Fatal(err)
	}
	all := selector.Side{Requests: want, Events: []*selector.Selector{want, nil, want}}
	got := seen{
		requests: streams(stream("r", "a", "", 5, 7, 9)),
		events:   [][]*model.SampleStream{streams(stream("paid", "a", "", 0, 1, 3)), nil, streams(stream("clicks", "a", "", -1, 6, 8), stream("clicks", "a", "n=2", 1, 2, 3))},
	}
	w := window{from: at(0), to: at(2), lookback: time.Minute}
	if r := decideReading(all, got, w); r.State != traffic.Known || fmt.Sprint(r.Value.Events) != "[3 0 4]" {
		t.Errorf("%+v, want 3 paid, none asked for, 10 clicks cut to 4", r)
	}
	got.missing = want
	if r := decideReading(all, got, w); r.State != traffic.Unknown || !strings.Contains(r.Err, "there is no metric of the name in r") || r.Value.Events != nil {
		t.Errorf("%+v", r)
	}
}

// TestWindowsAddUp cuts what a server stores at random instants: where all parts
// are known, they make the whole.
func TestWindowsAddUp(t *testing.T) {
	want, err := selector.Parse(`r`)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		const length = 14
		draw := func(name string, low, high int) []int {
			return rapid.SliceOfN(rapid.IntRange(low, high), length, length).Draw(t, name)
		}
		// Each instance has two series, and was scraped where up says so.
		var stored seen
		for _, name := range []string{"a", "b"} {
			up := draw("up of "+name, -1, 1)
			for n := range 2 {
				values := draw(fmt.Sprint("values of ", name, n), -1, 9)
				for i := range values {
					if up[i] != 1 {
						values[i] = -1
					}
				}
				stored.requests = append(stored.requests, stream("r", name, fmt.Sprint("n=", n), values...))
			}
			stored.up = append(stored.up, stream("up", name, "", up...))
		}
		read := func(from, to int) traffic.Reading[traffic.Counts] {
			w := window{from: at(from), to: at(to), lookback: time.Hour}
			cut := func(all []*model.SampleStream) (out []*model.SampleStream) {
				for _, s := range all {
					if values := upTo(s.Values, w.to); len(values) > 0 {
						out = append(out, &model.SampleStream{Metric: s.Metric, Values: values})
					}
				}
				return out
			}
			return decideReading(selector.Side{Requests: want}, seen{requests: cut(stored.requests), up: cut(stored.up)}, w)
		}
		from := rapid.IntRange(0, length-3).Draw(t, "from")
		to := rapid.IntRange(from+2, length-1).Draw(t, "to")
		cut := rapid.IntRange(from+1, to-1).Draw(t, "cut")
		first, second, whole := read(from, cut), read(cut, to), read(from, to)
		if first.State != traffic.Known || second.State != traffic.Known {
			return
		}
		if whole.State != traffic.Known || whole.Value.Requests != first.Value.Requests+second.Value.Requests || whole.Value.Resets != first.Value.Resets+second.Value.Resets {
			t.Fatalf("(%d, %d] %+v and (%d, %d] %+v do not make %+v", from, cut, first, cut, to, second, whole)
		}
	})
}
