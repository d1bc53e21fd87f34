package alb

import (
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"
)

func twoSides(t *testing.T) []TargetGroup {
	return []TargetGroup{source(backend(t, says("source"))), destination(backend(t, says("target")))}
}

// TestWeightsPerRequest sends all requests over keep-alive connections of one
// client: the choice is per request, and within four sigma of the weights.
func TestWeightsPerRequest(t *testing.T) {
	for _, c := range []struct{ source, target int }{{999, 1}, {90, 10}, {1, 1}, {0, 7}} {
		t.Run(strconv.Itoa(c.source)+":"+strconv.Itoa(c.target), func(t *testing.T) {
			r := newHealthyRig(t, oneListener(twoSides(t), c.source, c.target))
			const n = 2000
			got := 0
			for range n {
				if _, body := r.get("/"); body == "target" {
					got++
				}
			}
			p := float64(c.target) / float64(c.source+c.target)
			mean, sigma := n*p, math.Sqrt(n*p*(1-p))
			if math.Abs(float64(got)-mean) > 4*sigma {
				t.Errorf("%d of %d requests reached the target, want %.0f +- %.0f", got, n, mean, 4*sigma)
			}
		})
	}
}

func TestSameSeedSameChoices(t *testing.T) {
	groups := twoSides(t)
	sequence := func() (s string) {
		r := newHealthyRig(t, oneListener(groups, 60, 40))
		for range 64 {
			_, body := r.get("/")
			s += body[:1]
		}
		return s
	}
	first, second := sequence(), sequence()
	if first != second {
		t.Errorf("the same seed chose differently:\n%s\n%s", first, second)
	}
}

// TestKeepAliveClientSeesNewWeights is what makes a request-level router safe
// to take back: no connection holds on to old weights.
func TestKeepAliveClientSeesNewWeights(t *testing.T) {
	groups := twoSides(t)
	r := newHealthyRig(t, oneListener(groups, 1, 0))
	r.client.Transport.(*http.Transport).MaxConnsPerHost = 1
	for i := range 20 {
		want := []string{"source", "target"}[i%2]
		r.apply(oneListener(groups, 1-i%2, i%2))
		if _, body := r.get("/"); body != want {
			t.Fatalf("request %d after the change of weights reached %s, want %s", i, body, want)
		}
	}
	if n := r.b.listenersOpen(); n != 1 {
		t.Errorf("%d client connections, want the one that was kept alive", n)
	}
}

func (b *Balancer) listenersOpen() (n int) {
	listeners, _ := b.present()
	for _, l := range listeners {
		n += l.openConns()
	}
	return n
}

func TestNoFailoverBetweenGroups(t *testing.T) {
	full := source(backend(t, says("source")))
	for name, c := range map[string]struct {
		groups  []TargetGroup
		weights []int
	}{
		"empty group":      {[]TargetGroup{full, destination()}, []int{0, 1}},
		"all weights zero": {[]TargetGroup{full, destination(backend(t, says("target")))}, []int{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHealthyRig(t, oneListener(c.groups, c.weights...))
			for range 10 {
				if code, _ := r.get("/"); code != http.StatusServiceUnavailable {
					t.Fatalf("HTTP %d, want 503", code)
				}
			}
		})
	}
}

func TestEmptyGroupFailsItsShareOnly(t *testing.T) {
	r := newHealthyRig(t, oneListener([]TargetGroup{source(backend(t, says("source"))), destination()}, 1, 1))
	codes := map[int]int{}
	for range 400 {
		code, _ := r.get("/")
		codes[code]++
	}
	if codes[200]+codes[503] != 400 || codes[503] < 150 || codes[503] > 250 { // 5 sigma
		t.Errorf("answers %v, want half 200 and half 503", codes)
	}
}

func TestRoundRobinOverHealthyTargets(t *testing.T) {
	a, b := backend(t, says("a")), backend(t, says("b"))
	g := source(a, b)
	r := newHealthyRig(t, oneListener([]TargetGroup{g}, 1))
	g.HealthCheck.Interval = time.Hour // the third stays initial: its first check fails
	g.Targets = append(g.Targets, Target{Addr: refused(t)})
	r.apply(oneListener([]TargetGroup{g}, 1))
	seen := map[string]int{}
	for range 100 {
		_, body := r.get("/")
		seen[body]++
	}
	if seen["a"] != 50 || seen["b"] != 50 {
		t.Errorf("requests per target %v, want 50 each", seen)
	}
}
