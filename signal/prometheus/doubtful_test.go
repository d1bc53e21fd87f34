package prometheus

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// labelled returns the stream of a counter r on an instance; labels are written like
// "role=canary,code=500".
func labelled(instance, labels string, values ...int) *model.SampleStream {
	s := stream("r", instance, "", values...)
	for pair := range strings.SplitSeq(labels, ",") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			s.Metric[model.LabelName(key)] = model.LabelValue(value)
		}
	}
	return s
}

// nameless takes the label instance away.
func nameless(all ...*model.SampleStream) []*model.SampleStream {
	for _, s := range all {
		delete(s.Metric, model.InstanceLabel)
	}
	return all
}

// later moves a stream by some time: another server scrapes at other moments.
func later(s *model.SampleStream, by time.Duration) *model.SampleStream {
	for i := range s.Values {
		s.Values[i].Timestamp += model.Time(by.Milliseconds())
	}
	return s
}

// TestDoubtfulCounters asks a server for what public bug reports are about: all is
// asked over the wire, once for the whole and once second by second.
func TestDoubtfulCounters(t *testing.T) {
	ok, bad := `r{role="stable"}`, `r{role="stable",code="500"}`
	for name, c := range map[string]struct {
		series           []*model.SampleStream
		requests, errors string
		want             traffic.Counts
		note             string
	}{
		"a replica behind, errors of another series": {
			series:   streams(labelled("a", "role=stable", 100000, 100100, 100099, 100300), labelled("a", "role=stable,code=500", 1200, 1200, 1199, 1201)),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 300 + 1, Errors: 1},
		},
		"renamed, and both are asked for": {
			series: streams(labelled("a", "role=canary,code=200", 398800, 398820), labelled("a", "role=canary,code=500", 1200, 1200),
				labelled("a", "role=stable,code=200", -1, -1, 398840, 398860), labelled("a", "role=stable,code=500", -1, -1, 1200, 1200)),
			requests: `r{role=~"canary|stable"}`, errors: `r{role=~"canary|stable",code="500"}`, want: traffic.Counts{Requests: 60},
		},
		"renamed, and only the new name is asked for": {
			series: streams(labelled("a", "role=canary", 4000, 4020), labelled("a", "role=canary,code=500", 12, 12),
				labelled("a", "role=stable", -1, -1, 4040, 4060), labelled("a", "role=stable,code=500", -1, -1, 12, 12), stream("up", "a", "", 1, 1, 1, 1)),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 40},
		},
		"new, far more than the process can have counted": {
			series:   streams(labelled("a", "role=stable", -1, -1, 400040, 400060), stream("up", "a", "", 1, 1, 1, 1)),
			requests: ok, want: traffic.Counts{Requests: 20, Resets: 1},
		},
		"only the errors are renamed": {
			series: streams(labelled("a", "role=stable", 4000, 4020, 4040, 4060), labelled("a", "role=stable,code=500,pod=x", 1200, 1200),
				labelled("a", "role=stable,code=500,pod=y", -1, -1, 1200, 1203)),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 63, Errors: 3},
		},
		"the first errors": {
			series:   streams(labelled("a", "role=stable", 4000, 4020, 4040, 4060), labelled("a", "role=stable,code=500", -1, -1, 8, 9)),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 69, Errors: 9},
		},
		"a restart": {
			series:   streams(labelled("a", "role=stable", 4000, 4020, 7, 30), labelled("a", "role=stable,code=500", 40, 40, 2, 3)),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 53, Errors: 3, Resets: 1},
		},
		"two servers": {
			series: streams(labelled("a", "role=stable,prometheus_replica=x", 4000, 4020, 4040, 4060), later(labelled("a", "role=stable,prometheus_replica=y", 4010, 4030, 4050), 500*time.Millisecond),
				labelled("a", "role=stable,code=500,prometheus_replica=x", 5, 5, 5, 6), later(labelled("a", "role=stable,code=500,prometheus_replica=y", 5, 5, 6), 500*time.Millisecond)),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 61, Errors: 1}, note: "several servers store the same series, with other values of prometheus_replica: they are counted once",
		},
		"two servers at the same moments, one a little behind": {
			series:   streams(labelled("a", "role=stable,prometheus_replica=x", 4000, 4020, 4040, 4060), labelled("a", "role=stable,prometheus_replica=y", 3990, 4010, 4030, 4050)),
			requests: ok, want: traffic.Counts{Requests: 60}, note: "prometheus_replica",
		},
		"two servers, one of which has a gap": {
			series:   streams(labelled("a", "role=stable,replica=x", 4000, -1, -1, 4060), later(labelled("a", "role=stable,replica=y", 4010, 4030, 4050), 500*time.Millisecond)),
			requests: ok, want: traffic.Counts{Requests: 60}, note: "replica",
		},
		"two servers, and the process begins again": {
			series:   streams(labelled("a", "role=stable,replica=x", 4000, 4020, 10, 30), later(labelled("a", "role=stable,replica=y", 4010, 0, 20), 500*time.Millisecond)),
			requests: ok, want: traffic.Counts{Requests: 50, Resets: 1}, note: "replica",
		},
		"two servers, few errors": {
			series: streams(labelled("a", "role=stable,prometheus_replica=x", 40000, 40100, 40200, 40300), labelled("a", "role=stable,prometheus_replica=y", 39990, 40090, 40190, 40290),
				labelled("a", "role=stable,code=500,prometheus_replica=x", 3, 5, 7, 10), labelled("a", "role=stable,code=500,prometheus_replica=y", 1, 4, 6, 9)),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 307, Errors: 7}, note: "counted once",
		},
		"two processes with a label of that name": {
			series: append(nameless(labelled("", "role=stable,replica=0", 40000, 40100, 40200, 40300), labelled("", "role=stable,code=500,replica=0", 0, 50, 100, 150)),
				nameless(later(labelled("", "role=stable,replica=1", 38000, 38100, 38200, 38300), -300*time.Millisecond), later(labelled("", "role=stable,code=500,replica=1", 30, 30, 30, 30), -300*time.Millisecond))...),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 750, Errors: 150},
		},
		"two processes behind one that federates": {
			series:   streams(labelled("f", "role=stable,replica=0", 40000, 40100, 40200, 40300), later(labelled("f", "role=stable,replica=1", 38950, 39050, 39150, 39250), -300*time.Millisecond)),
			requests: ok, want: traffic.Counts{Requests: 600},
		},
		"replicas of an application": {
			series:   streams(labelled("a", "role=stable,replica=0", 4000, 4020, 4040, 4060), labelled("a", "role=stable,replica=1", 4010, 4020, 4050, 4055)),
			requests: ok, want: traffic.Counts{Requests: 105},
		},
		"servers that do not agree": {
			series:   streams(labelled("a", "role=stable,prometheus_replica=x", 4000, 4020, 4040, 4060), labelled("a", "role=stable,prometheus_replica=y", 100, 110, 120, 130)),
			requests: ok, want: traffic.Counts{Requests: 90}, note: "do not agree: each is counted",
		},
		"relabelled, pushed without an instance": {
			series: nameless(labelled("", "role=canary,code=200,k8s_pod_name=web-1", 398800, 398820), labelled("", "role=canary,code=500,k8s_pod_name=web-1", 1200, 1200),
				labelled("", "role=stable,code=200,k8s_pod_name=web-1", -1, -1, 398840, 398860), labelled("", "role=stable,code=500,k8s_pod_name=web-1", -1, -1, 1200, 1200)),
			requests: `r{role=~"canary|stable"}`, errors: `r{role=~"canary|stable",code="500"}`, want: traffic.Counts{Requests: 60},
		},
		"a new pod, pushed without an instance": {
			series:   nameless(labelled("", "role=stable,pod=web-1", 100, 110, 120, 130), labelled("", "role=stable,pod=web-2", -1, 5000, 5010, 5020), labelled("", "role=stable,code=500,pod=web-2", -1, 90, 90, 90)),
			requests: ok, errors: bad, want: traffic.Counts{Requests: 50},
		},
		"no number for a moment": {
			series:   streams(labelled("a", "role=stable", 4000, 4020, noCount, 4060)),
			requests: ok, want: traffic.Counts{Requests: 60},
		},
	} {
		p := &stored{series: c.series}
		s := p.source(t)
		q := signal.Query{Requests: traffic.BySide[string]{Target: c.requests}, Errors: traffic.BySide[string]{Target: c.errors}}
		ask := func(from, to time.Time) traffic.Reading[traffic.Counts] {
			got, err := s.Counts(t.Context(), q, from, to)
			if err != nil {
				t.Fatal(err)
			}
			return got.Target
		}
		const end = 3100 * time.Millisecond
		whole := ask(at(0).Add(100*time.Millisecond), at(0).Add(end))
		if whole.State != traffic.Known || fmt.Sprint(whole.Value) != fmt.Sprint(c.want) || !strings.Contains(whole.Note, c.note) || c.note == "" && whole.Note != "" {
			t.Errorf("%s: %+v, want %+v", name, whole, c.want)
		}
		var sum traffic.Counts
		for from, to := 100*time.Millisecond, time.Second; to <= end+900*time.Millisecond; to += time.Second {
			r := ask(at(0).Add(from), at(0).Add(min(to+100*time.Millisecond, end)))
			if r.State == traffic.Known {
				sum, from = sum.Plus(r.Value), min(to+100*time.Millisecond, end)
			}
		}
		if fmt.Sprint(sum) != fmt.Sprint(c.want) {
			t.Errorf("%s, second by second: %+v, want %+v", name, sum, c.want)
		}
	}
}

// TestCountersThatCannotBeBelieved: a side is not known, and it is said why.
func TestCountersThatCannotBeBelieved(t *testing.T) {
	for name, c := range map[string]struct {
		series []*model.SampleStream
		why    string
	}{
		"several processes": {
			streams(labelled("svc:80", "", 1000, 50, 1010, 55, 1020, 60, 1030)),
			"counters of instance svc:80 of job j go up and down: several processes answer at this address",
		},
		"several processes without a name": {
			func() []*model.SampleStream {
				s := labelled("", "", 1000, 50, 1010, 55, 1020, 60, 1030)
				delete(s.Metric, "instance")
				return streams(s)
			}(),
			"counters of r go up and down: several processes answer at this address",
		},
		"several processes of a pod's name": {
			func() []*model.SampleStream {
				s := labelled("", "namespace=shop,pod=web-1", 1000, 50, 1010, 55, 1020, 60, 1030)
				delete(s.Metric, "instance")
				return streams(s)
			}(),
			"counters of namespace shop pod web-1 go up and down",
		},
		"no number any more": {
			streams(labelled("a", "", 1000, 1010, 1020, noCount, noCount, noCount)), `r{instance="a", job="j"} shows NaN at`,
		},
		"one of two series has no number": {
			streams(labelled("a", "", 1000, 1010, 1020, 1030, 1040), labelled("b", "", 1000, 1010, 1020, noCount, noCount)), `r{instance="b", job="j"} shows NaN at`,
		},
	} {
		p := &stored{series: c.series}
		got, err := p.source(t).Counts(t.Context(), signal.Query{Requests: traffic.BySide[string]{Target: "r"}}, at(0).Add(time.Millisecond), at(6).Add(time.Millisecond))
		if err != nil || got.Target.State != traffic.Unknown || !strings.Contains(got.Target.Err, c.why) {
			t.Errorf("%s: %+v, %v; want %s", name, got.Target, err, c.why)
		}
	}
}
