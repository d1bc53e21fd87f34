package bench

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
)

func playerOf(t *testing.T) *player {
	t.Helper()
	p, err := newPlayer(15)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNothingIsWrong: without a fault the default form finds a target that fails, and
// bears one that does not; and the same seed is the same migration.
func TestNothingIsWrong(t *testing.T) {
	p := playerOf(t)
	for target, want := range map[*Target]Outcome{&Good: Healthy, &Fails: RolledBack, &IsSlow: RolledBack} {
		for seed := range uint64(3) {
			c := Case{Fault: Faults()[0], Target: *target, Every: 15}
			first, err := p.play(c, seed)
			if err != nil {
				t.Fatal(err)
			}
			again, err := p.play(c, seed)
			if err != nil {
				t.Fatal(err)
			}
			if first[0] != want {
				t.Errorf("seed %d, a target that %s: %s", seed, target.Name, first[0])
			}
			for i := range first {
				if first[i] != again[i] {
					t.Errorf("seed %d, form %s: %s, then %s", seed, Forms[i], first[i], again[i])
				}
			}
		}
	}
}

// TestEveryFaultIsSeen: each of them changes what the server stores, or when.
func TestEveryFaultIsSeen(t *testing.T) {
	stored := func(f Fault) string {
		w := newWorld(Case{Fault: f, Target: Good, Every: 15}, 7)
		w.share = share
		for w.at < lasts {
			w.second()
		}
		var all strings.Builder
		for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
			s := w.servers.Of(side)
			all.Write(samplesOf(s.series, 0, math.MaxInt64))
		}
		return all.String()
	}
	seen := map[string]string{}
	for _, f := range Faults() {
		text := stored(f)
		if other, same := seen[text]; same {
			t.Errorf("%q looks like %q", f.Name, other)
		}
		seen[text] = f.Name
	}
}

// TestUsersAreServed: what the processes count is what the rates and chances say.
func TestUsersAreServed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, rate := range []float64{3, 300} {
		p := &process{layout: &usualLayout}
		for range 100_000 {
			p.serve(rng, rate, .02, .1)
		}
		n := float64(p.requests)
		for what, off := range map[string]float64{
			"requests": n/(rate*100_000) - 1, "errors": float64(p.errors)/n/.02 - 1, "slow": 1 - float64(p.buckets[2])/n - .1*1.005,
			"all are in the last bucket": n - float64(p.buckets[3]),
		} {
			if math.Abs(off) > .06 {
				t.Errorf("at %g a second: %s are off by %g", rate, what, off)
			}
		}
	}
}

// TestTheServerAnswers what Prometheus would.
func TestTheServerAnswers(t *testing.T) {
	s := &server{}
	p := &process{side: traffic.Target, instance: "a", role: "r"}
	for n := range 4 {
		p.requests = int64(n)
		s.store(dawn.Add(time.Duration(n)*time.Minute), exposition{process: p, counters: p.counters})
	}
	at := dawn.Add(2 * time.Minute).UnixMilli()
	for query, want := range map[string]string{
		`{__name__="requests_total",side="target"}[120000ms]`:                                    `"values":[[1767225660.000,"1"],[1767225720.000,"2"]]`,
		`count by (job, instance) (last_over_time({__name__=~"requests.*|errors.*"}[120000ms]))`: `{"metric":{"instance":"a","job":"web"},"value":[1767225720.000,"2"]}`,
		`count({__name__="requests_total"})`:                                                     `[1767225720.000,"1"]`,
		`{__name__="none"}[1000ms]`:                                                              `"result":[]`,
	} {
		got, err := s.answer(query, at)
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %s, %v", query, got, err)
		}
	}
	if _, err := s.answer("rate(requests_total[1m])", at); err == nil {
		t.Error("what is not known here was answered")
	}
}

func TestTables(t *testing.T) {
	o := Options{Seeds: 1, First: 1, Every: 15, Fault: "none"}
	rows, err := Measure(o, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Write(&b, o, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| fault | hybrid | unit | steady | product | limit |", "| none | 0 | 0 | 0 | 0 | 0 |", "| none | 0 | 0 | 0 | 0 | 1 |", "- none: nothing is wrong"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}
