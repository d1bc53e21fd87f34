package scrape

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// TestDoubtfulCounters shows pages one after another, and compares what the looks tell
// together, and one by one.
func TestDoubtfulCounters(t *testing.T) {
	const rollout = `r{role="stable"}`
	for name, c := range map[string]struct {
		requests, errors string
		pages            []string
		want             traffic.Counts
		why              string
	}{
		"a proxy shows an old page": {rollout, `r{role="stable",code="500"}`, []string{
			"r{role=\"stable\"} 100000\nr{role=\"stable\",code=\"500\"} 3\n",
			"r{role=\"stable\"} 100100\nr{role=\"stable\",code=\"500\"} 7\n",
			"r{role=\"stable\"} 100040\nr{role=\"stable\",code=\"500\"} 4\n",
			"r{role=\"stable\"} 100200\nr{role=\"stable\",code=\"500\"} 7\n",
		}, traffic.Counts{Requests: 200 + 4, Errors: 4}, ""},
		"relabelled, and only the new label is asked for": {rollout, `r{role="stable",code="500"}`, []string{
			"r{role=\"canary\"} 4000\nr{role=\"canary\",code=\"500\"} 12\n",
			"r{role=\"canary\"} 4020\nr{role=\"canary\",code=\"500\"} 12\n",
			"r{role=\"stable\"} 4040\nr{role=\"stable\",code=\"500\"} 12\n",
			"r{role=\"stable\"} 4060\nr{role=\"stable\",code=\"500\"} 13\n",
		}, traffic.Counts{Requests: 41, Errors: 1}, ""},
		"relabelled, and both are asked for": {`r{role=~"canary|stable"}`, `r{role=~"canary|stable",code="500"}`, []string{
			"r{role=\"canary\"} 4000\nr{role=\"canary\",code=\"500\"} 12\n",
			"r{role=\"canary\"} 4020\nr{role=\"canary\",code=\"500\"} 12\n",
			"r{role=\"stable\"} 4040\nr{role=\"stable\",code=\"500\"} 12\n",
			"r{role=\"stable\"} 4060\nr{role=\"stable\",code=\"500\"} 13\n",
		}, traffic.Counts{Requests: 61, Errors: 1}, ""},
		"the first page was cut": {rollout, `e{role="stable"}`, []string{
			"r{role=\"stable\",path=\"a\"} 4000\n",
			"r{role=\"stable\",path=\"a\"} 4010\nr{role=\"stable\",path=\"b\"} 90000\ne{role=\"stable\"} 600\n",
			"r{role=\"stable\",path=\"a\"} 4020\nr{role=\"stable\",path=\"b\"} 90030\ne{role=\"stable\"} 602\n",
		}, traffic.Counts{Requests: 50, Errors: 2, Resets: 1}, ""},
		"a page in between was cut": {rollout, `e{role="stable"}`, []string{
			"r{role=\"stable\",path=\"a\"} 4000\nr{role=\"stable\",path=\"b\"} 90000\ne{role=\"stable\"} 600\n",
			"r{role=\"stable\",path=\"a\"} 4010\n",
			"r{role=\"stable\",path=\"a\"} 4020\nr{role=\"stable\",path=\"b\"} 90030\ne{role=\"stable\"} 602\n",
		}, traffic.Counts{Requests: 50, Errors: 2}, ""},
		"the first errors": {rollout, `r{role="stable",code="500"}`, []string{
			"r{role=\"stable\"} 400\n", "r{role=\"stable\"} 410\n", "r{role=\"stable\"} 420\nr{role=\"stable\",code=\"500\"} 9\n",
		}, traffic.Counts{Requests: 29, Errors: 9}, ""},
		"a restart after which nothing failed": {rollout, `r{role="stable",code="500"}`, []string{
			"r{role=\"stable\"} 400\nr{role=\"stable\",code=\"500\"} 9\n", "r{role=\"stable\"} 12\n", "r{role=\"stable\"} 20\nr{role=\"stable\",code=\"500\"} 2\n",
		}, traffic.Counts{Requests: 22, Errors: 2, Resets: 1}, ""},
		"errors alone begin again": {rollout, `e{role="stable"}`, []string{
			"r{role=\"stable\"} 400\ne{role=\"stable\"} 90\n", "r{role=\"stable\"} 500\ne{role=\"stable\"} 4\n",
		}, traffic.Counts{Requests: 100, Errors: 4, Resets: 1}, ""},
		"no number in between": {rollout, "", []string{"r{role=\"stable\"} 400\n", "r{role=\"stable\"} NaN\n", "r{role=\"stable\"} 440\n"}, traffic.Counts{Requests: 40}, ""},
		"no number any more": {rollout, "", []string{"r{role=\"stable\"} 400\n", "r{role=\"stable\"} NaN\n", "r{role=\"stable\"} NaN\n"},
			traffic.Counts{}, `{__name__="r", role="stable"} on http://a/metrics shows no number`},
		"never a number": {rollout, "", []string{"r{role=\"stable\"} NaN\n", "r{role=\"stable\"} NaN\n"}, traffic.Counts{}, "shows no number"},
		"no number of errors": {rollout, `e{role="stable"}`, []string{"r{role=\"stable\"} 400\ne{role=\"stable\"} 0\n", "r{role=\"stable\"} 420\ne{role=\"stable\"} NaN\n"},
			traffic.Counts{}, `{__name__="e", role="stable"} on http://a/metrics shows no number`},
		"a balanced endpoint": {rollout, `e{role="stable"}`, []string{
			"r{role=\"stable\"} 1000\ne{role=\"stable\"} 3\n", "r{role=\"stable\"} 50\ne{role=\"stable\"} 0\n",
			"r{role=\"stable\"} 1010\ne{role=\"stable\"} 5\n", "r{role=\"stable\"} 60\ne{role=\"stable\"} 1\n",
			"r{role=\"stable\"} 1020\ne{role=\"stable\"} 7\n", "r{role=\"stable\"} 70\ne{role=\"stable\"} 3\n",
		}, traffic.Counts{}, "counters of http://a/metrics go up and down: several processes answer at this address"},
	} {
		s, p := scripted(t, Config{Queries: []signal.Query{{Name: "test", Requests: both(c.requests), Errors: both(c.errors)}}}, "")
		q := signal.Query{Name: "test", Requests: both(c.requests), Errors: both(c.errors)}
		var looks []time.Time
		for _, page := range c.pages {
			p.set("a", page)
			looks = append(looks, s.look(t.Context()))
		}
		whole := counts(t, s, q, looks[0], looks[len(looks)-1]).Target
		if c.why != "" {
			want(t, name, whole, traffic.Unknown, 0, c.why)
			continue
		}
		if text := fmt.Sprint(whole.Value); whole.State != traffic.Known || text != fmt.Sprint(c.want) {
			t.Errorf("%s: %+v, want %+v", name, whole, c.want)
		}
		var sum traffic.Counts
		from := looks[0]
		for _, to := range looks[1:] {
			if r := counts(t, s, q, from, to).Target; r.State == traffic.Known {
				sum, from = sum.Plus(r.Value), to
			}
		}
		if fmt.Sprint(sum) != fmt.Sprint(c.want) {
			t.Errorf("%s, look by look: %+v, want %+v", name, sum, c.want)
		}
	}
}

func both(text string) traffic.BySide[string] {
	return traffic.BySide[string]{Source: text, Target: text}
}

// TestOneBucketHasTwoNames: an exporter that begins to write le="1.0" has no new bucket.
func TestOneBucketHasTwoNames(t *testing.T) {
	page := func(le string, n int) string {
		return fmt.Sprintf("r %d\nl_bucket{le=%q} %d\nl_bucket{le=\"+Inf\"} %d\n", 2*n, le, n, 2*n)
	}
	q := signal.Query{Name: "test", Requests: both("r"), Latency: both("l_bucket")}
	for _, names := range [][]string{{"1", "1", "1.0", "1.0"}, {"1.0", "1.0", "1", "1"}, {"1", "1.0", "1", "1.0"}} {
		s, p := scripted(t, Config{Queries: []signal.Query{q}}, "")
		var looks []time.Time
		for i, le := range names {
			p.set("a", page(le, 1000+5*i))
			looks = append(looks, s.look(t.Context()))
		}
		got := counts(t, s, q, looks[0], looks[3]).Source
		if text := fmt.Sprint(got.Value.Latency); text != "{[1s] [15 15]}" || got.Value.Resets > 0 {
			t.Errorf("%s: %+v", strings.Join(names, ", "), got)
		}
	}
}
