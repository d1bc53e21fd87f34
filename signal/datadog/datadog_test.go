package datadog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"watari.dev/signal"
	"watari.dev/traffic"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // messages hold times of day
	goleak.VerifyTestMain(m)
}

const (
	shop       = "sum:requests{side:source}.as_count()"
	shopSeries = "requests{side:source}"
)

func query() signal.Query {
	return signal.Query{Name: "test", Requests: traffic.BySide[string]{Source: shop}}
}

// steady stores n requests in each of the cells of 20 s before until that has none.
func (d *standIn) steady(series string, until time.Time, cells int, n float64) {
	has := map[int64]bool{}
	d.change(func() {
		for _, p := range d.points[series] {
			has[p.at.Unix()] = true
		}
	})
	for i := range cells {
		if at := until.Truncate(20 * time.Second).Add(-time.Duration(i+1) * 20 * time.Second); !has[at.Unix()] {
			d.put(series, at, n, 0)
		}
	}
}

// inBubble runs a test with a stand-in and a clock of its own, which begins at a cell.
func inBubble(t *testing.T, test func(t *testing.T, d *standIn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Now().Truncate(20 * time.Second).Add(20 * time.Second)))
		test(t, newStandIn(time.Now))
	})
}

func counts(t *testing.T, s signal.Source, q signal.Query, from, to time.Time) signal.Counts {
	t.Helper()
	got, err := s.Counts(t.Context(), q, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantRequests(t *testing.T, what string, r traffic.Reading[traffic.Counts], n int64) {
	t.Helper()
	if r.State != traffic.Known || r.Value.Requests != n {
		t.Errorf("%s: %+v, want %d requests", what, r, n)
	}
}

func wantWords(t *testing.T, what string, r traffic.Reading[traffic.Counts], state traffic.State, words string) {
	t.Helper()
	if r.State != state || !strings.Contains(r.Err, words) || strings.Contains(r.Err, apiKey[:8]) || strings.Contains(r.Err, appKey[:8]) {
		t.Errorf("%s: %+v, want %s: %s", what, r, state, words)
	}
}

func TestWhatIsAsked(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.steady(shopSeries, time.Now(), 30, 7)
		s := sourceOf(t, d, Config{})
		now := time.Now().Add(5 * time.Second)
		time.Sleep(5 * time.Second)
		wantRequests(t, "two cells", counts(t, s, query(), now.Add(-45*time.Second), now).Source, 14)
		a := d.bodies[0].Data.Attributes
		cell := now.Truncate(20 * time.Second)
		if got := time.UnixMilli(*a.To); !got.Equal(cell.Add(-time.Minute)) {
			t.Errorf("asked up to %s, want the delay before %s", got, cell)
		}
		if got := time.UnixMilli(*a.From); !got.Equal(cell.Add(-time.Minute - 40*time.Second - 5*time.Minute)) {
			t.Errorf("asked from %s", got)
		}
		if a.Interval != 20_000 || len(a.Queries) != 1 || a.Queries[0].Query != shop+".rollup(sum, 20)" {
			t.Errorf("%+v", a)
		}
	})
}

func TestWindows(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.steady(shopSeries, time.Now(), 30, 7)
		s := sourceOf(t, d, Config{})
		now := time.Now()
		between := counts(t, s, query(), now.Add(-9*time.Second), now.Add(-time.Second)).Source
		wantWords(t, "no cell", between, traffic.Unknown, "the next one at "+clock(now))
		wantWords(t, "future", counts(t, s, query(), now, now.Add(time.Minute)).Source, traffic.Unknown, "still to come")
		wantWords(t, "long", counts(t, s, query(), now.Add(-time.Hour), now).Source, traffic.Unknown, "longer than 100 cells of 20s")
		wantWords(t, "not asked", counts(t, s, query(), now.Add(-time.Minute), now).Target, traffic.Unknown, "nothing says")
		if len(d.bodies) != 1 {
			t.Errorf("%d requests, want one", len(d.bodies))
		}
		if _, err := s.Counts(t.Context(), signal.Query{}, now, now); err == nil || !strings.Contains(err.Error(), "neither side") {
			t.Error(err)
		}
	})
}

// TestNullsAndRates: the answer may hold times without values, and fractions.
func TestNullsAndRates(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		now := time.Now()
		d.everyCell = true
		d.types["requests"] = "rate"
		for i, n := range []float64{4.9999999, 2.0000001, 1} {
			d.put(shopSeries, now.Add(-time.Minute-time.Duration(40*i+20)*time.Second), n, 0)
		}
		s := sourceOf(t, d, Config{})
		d.broken = func(w http.ResponseWriter, _ *http.Request) bool { w.Header().Set("Date", "today"); return false } // no skew is known
		wantRequests(t, "nulls", counts(t, s, query(), now.Add(-100*time.Second), now).Source, 8)
	})
}

// TestShared: both sides of two signals, asked in four goroutines, take one request per
// cell once everybody is known.
func TestShared(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.broken = func(http.ResponseWriter, *http.Request) bool { time.Sleep(300 * time.Millisecond); return false }
		s := sourceOf(t, d, Config{})
		names := []string{"requests{side:source}", "requests{side:target}", "logins{side:source}", "logins{side:target}"}
		send := func() {
			for i, name := range names {
				d.put(name, time.Now().Add(-time.Minute-20*time.Second), float64(i+1), 0)
			}
		}
		for range 3 { // cells
			send()
			before := d.requests()
			var all sync.WaitGroup
			for i, name := range names {
				all.Go(func() {
					q := signal.Query{Requests: traffic.BySide[string]{Source: "sum:" + name + ".as_count()"}}
					got := counts(t, s, q, time.Now().Add(-20*time.Second), time.Now())
					wantRequests(t, name, got.Source, int64(i+1))
					got = counts(t, s, q, time.Now().Add(-20*time.Second), time.Now()) // again: known
					wantRequests(t, name, got.Source, int64(i+1))
				})
			}
			all.Wait()
			if n := d.requests() - before; before > 0 && n != 1 || n > len(names) {
				t.Errorf("%d requests for one cell", n)
			}
			time.Sleep(time.Until(time.Now().Truncate(20 * time.Second).Add(20 * time.Second)))
		}
		time.Sleep(asksFor + 20*time.Second) // the others are not asked for any more
		send()
		for range 4 {
			d.put(names[0], time.Now().Add(-80*time.Second), 0, 0)
		}
		counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now())
		if last := d.bodies[len(d.bodies)-1]; len(last.Data.Attributes.Queries) != 1 {
			t.Errorf("%d expressions are still asked for", len(last.Data.Attributes.Queries))
		}
	})
}

// TestLate: what comes within Delay is counted, and so is what comes before the next
// point is taken; what comes after that is not, and changes no answer.
func TestLate(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		s := sourceOf(t, d, Config{})
		start := time.Now()
		send := func(cell, count, arrives int) { // cell n is over after 20(n+1) s, and taken after 60 s more
			at := start.Add(time.Duration(cell) * 20 * time.Second)
			d.put(shopSeries, at, float64(count), start.Add(time.Duration(arrives)*time.Second).Sub(at))
		}
		ask := func(from, to int) traffic.Reading[traffic.Counts] {
			time.Sleep(max(0, time.Until(start.Add(time.Duration(to)*time.Second))))
			return counts(t, s, query(), start.Add(time.Duration(from)*time.Second), start.Add(time.Duration(to)*time.Second)).Source
		}
		d.steady(shopSeries, start, 20, 7)
		send(0, 10, 79)
		send(1, 20, 110) // after cell 1 is taken, before cell 2 is
		send(2, 30, 60)
		send(2, 1, 130) // of another host
		send(3, 40, 170)
		send(4, 50, 100) // cell 4 is taken at 160, and settles cell 3
		wantRequests(t, "cell 0", ask(60, 80), 10)
		wantWords(t, "cell 1", ask(80, 100), traffic.Unknown, "no point since "+clock(start.Add(20*time.Second))+"; it may be late")
		wantRequests(t, "cells 1 and 2", ask(80, 120), 20+30)
		wantWords(t, "cell 3", ask(120, 140), traffic.Unknown, "it may be late")
		wantRequests(t, "cells 3 and 4", ask(120, 160), 50)
		time.Sleep(time.Minute)
		wantRequests(t, "cells 1 and 2, again", ask(80, 120), 20+30)
		wantRequests(t, "cells 3 and 4, again", ask(120, 160), 50)
	})
}

func TestLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.limit, d.period = 2, time.Hour
		s := sourceOf(t, d, Config{})
		for range 2 {
			d.steady(shopSeries, time.Now(), 30, 7)
			wantRequests(t, "below the limit", counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source, 7)
			time.Sleep(20 * time.Second)
			d.points[shopSeries] = nil
		}
		reset := time.Now().Truncate(time.Hour).Add(time.Hour)
		for range 3 {
			wantWords(t, "above", counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source, traffic.Failed,
				"allows 2 requests in 1h0m0s, and they are used up; it is asked again at "+clock(reset))
			time.Sleep(time.Minute)
		}
		if n := d.requests(); n != 2 {
			t.Errorf("%d requests, 2 are allowed", n)
		}
		time.Sleep(time.Until(reset))
		d.steady(shopSeries, time.Now(), 30, 7)
		wantRequests(t, "the next period", counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source, 7)
	})
}

// TestLimitOfOthers: somebody else used up the organization's limit.
func TestLimitOfOthers(t *testing.T) {
	for headers, want := range map[string]time.Duration{"": time.Minute, "X-RateLimit-Reset 7": 7 * time.Second, "X-RateLimit-Period 30": 30 * time.Second, "X-RateLimit-Reset -5": time.Minute, "X-RateLimit-Reset 999999": time.Hour} {
		inBubble(t, func(t *testing.T, d *standIn) {
			d.steady(shopSeries, time.Now(), 30, 7)
			asked := 0
			d.broken = func(w http.ResponseWriter, _ *http.Request) bool {
				asked++
				if name, value, is := strings.Cut(headers, " "); is {
					w.Header().Set(name, value)
				}
				fail(w, http.StatusTooManyRequests, "Too many requests")
				return true
			}
			s := sourceOf(t, d, Config{})
			ask := func() traffic.Reading[traffic.Counts] {
				return counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source
			}
			words := "no more requests for now; it is asked again at " + clock(time.Now().Add(want))
			for range 4 {
				wantWords(t, headers, ask(), traffic.Failed, words)
			}
			time.Sleep(want - time.Second)
			wantWords(t, headers, ask(), traffic.Failed, words)
			if asked != 1 {
				t.Errorf("%s: asked %d times within %s", headers, asked, want)
			}
			d.broken = nil
			time.Sleep(time.Second)
			d.steady(shopSeries, time.Now(), 30, 7)
			if r := ask(); r.State == traffic.Failed {
				t.Errorf("%s: afterwards %+v", headers, r)
			}
		})
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	const good = `{"data":{"type":"timeseries_response","attributes":{"series":[{"query_index":0,"group_tags":[]}],"times":[%s],"values":[[%s]]}}}`
	for name, c := range map[string]struct {
		status int
		kind   string
		body   string
		want   string
	}{
		"server error":         {500, "application/json", `{"errors":["Internal error of ` + apiKey + `"]}`, "answered 500 Internal Server Error: Internal error of (key); it is asked again at"},
		"a proxy's page":       {502, "text/html; charset=utf-8", "<html>" + appKey + "</html>", "answered 502 Bad Gateway with a page instead of JSON"},
		"a page with 200":      {200, "text/html", "<html>Sign in</html>", "answered 200 OK with a page instead of JSON"},
		"a page with 403":      {403, "text/html", "<html>Blocked</html>", "answered 403 Forbidden with a page"},
		"a page with 400":      {400, "text/html", "<html>Bad</html>", "answered 400 Bad Request with a page"},
		"bad keys":             {403, "application/json", `{"errors":["Forbidden"]}`, "refuses the keys (403 Forbidden): Forbidden: check both keys"},
		"no keys":              {401, "application/json", `{"errors":["Unauthorized"]}`, "refuses the keys (401 Unauthorized): Unauthorized: check"},
		"redirect":             {302, "", "", "redirects to https://elsewhere/, another server, which is not followed"},
		"no JSON":              {200, "application/json", "never mind " + apiKey, "answered no JSON"},
		"nothing":              {200, "application/json", "", "not of the form"},
		"other JSON":           {200, "application/json", `{"data":{"attributes":{"times":"today"}}}`, "not of the form"},
		"partial":              {200, "application/json", `{"errors":"a shard timed out","data":{"attributes":{"times":[],"values":[],"series":[]}}}`, "it may be incomplete: a shard timed out"},
		"partial, with a key":  {200, "application/json", `{"errors":"` + strings.Repeat("x", 150) + apiKey + `"}`, "it may be incomplete: xxx"},
		"endless words":        {500, "text/plain", strings.Repeat("x", 190) + appKey, "answered 500 Internal Server Error: xxx"},
		"partial, as in v1":    {200, "application/json", `{"status":"error","data":{"attributes":{"times":[],"values":[],"series":[]}}}`, `its status is "error"`},
		"between cells":        {200, "application/json", fmt.Sprintf(good, "946684705000", "1"), "is not on the grid of 20s"},
		"before the window":    {200, "application/json", fmt.Sprintf(good, "946680000000", "1"), "outside of the window"},
		"at the window's end":  {200, "application/json", fmt.Sprintf(good, "946684760000", "1"), "outside of the window"},
		"after the window":     {200, "application/json", fmt.Sprintf(good, "956680000000", "1"), "outside of the window"},
		"too few values":       {200, "application/json", fmt.Sprintf(good, "946684640000,946684660000", "1"), "1 values stand at 2 times"},
		"out of order":         {200, "application/json", fmt.Sprintf(good, "946684660000,946684640000", "1,2"), "out of order"},
		"twice":                {200, "application/json", fmt.Sprintf(good, "946684640000,946684640000", "1,2"), "out of order"},
		"more lists":           {200, "application/json", strings.Replace(fmt.Sprintf(good, "946684640000", "1"), "[[1]]", "[[1],[2]]", 1), "1 series have 2 lists"},
		"nobody's series":      {200, "application/json", strings.Replace(fmt.Sprintf(good, "946684640000", "1"), `:0`, `:7`, 1), "belongs to no query"},
		"series without index": {200, "application/json", strings.Replace(fmt.Sprintf(good, "946684640000", "1"), `"query_index":0,`, ``, 1), "belongs to no query"},
		"negative":             {200, "application/json", fmt.Sprintf(good, "946684640000", "-1"), "-1 at point 0 is no count"},
		"enormous":             {200, "application/json", fmt.Sprintf(good, "946684640000", "1e18"), "is no count"},
		"endless":              {200, "application/json", fmt.Sprintf(good, strings.Repeat(" ", int(answers.Bytes)), ""), "is longer than 8 MiB and was not used"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, d *standIn) {
				if got := time.Now().Unix(); got != 946684820 {
					t.Fatalf("the bubble's clock begins at %d: the times above are no longer in the window", got)
				}
				d.types["requests"] = "count"
				asked := 0
				d.broken = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method == http.MethodGet {
						return false
					}
					asked++
					w.Header().Set("Content-Type", c.kind)
					w.Header().Set("Location", "https://elsewhere/")
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
					return true
				}
				s := sourceOf(t, d, Config{})
				for range 3 {
					got := counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now())
					wantWords(t, "source", got.Source, traffic.Failed, c.want)
				}
				if asked > 2 {
					t.Errorf("asked %d times at once", asked)
				}
				d.broken = nil
				d.steady(shopSeries, time.Now(), 30, 7)
				time.Sleep(time.Second)
				wantRequests(t, "healed", counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source, 7)
			})
		})
	}
}

// TestPatience: the longer it fails, the later it is asked again, up to one cell.
func TestPatience(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		var asked []time.Time
		d.types["requests"] = "count"
		d.broken = func(w http.ResponseWriter, r *http.Request) bool {
			asked = append(asked, time.Now())
			fail(w, http.StatusInternalServerError, "no")
			return true
		}
		s := sourceOf(t, d, Config{})
		for range 120 {
			counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now())
			time.Sleep(time.Second)
		}
		if len(asked) > 22 || len(asked) < 18 { // twice each, after 1, 2, 4, 8, 16, 20, 20... seconds
			t.Errorf("asked %d times in 2 minutes", len(asked))
		}
		if last := asked[len(asked)-1].Sub(asked[len(asked)-3]); last < 20*time.Second || last > 21*time.Second {
			t.Errorf("the last pause was %s", last)
		}
	})
}

func TestSlowServer(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.steady(shopSeries, time.Now(), 30, 7)
		slow := 3 * time.Second
		d.broken = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				select {
				case <-time.After(slow):
				case <-r.Context().Done():
				}
			}
			return false
		}
		s := sourceOf(t, d, Config{})
		from, to := time.Now().Add(-20*time.Second), time.Now()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("the turn is over"))
		defer cancel()
		got, err := s.Counts(ctx, query(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		wantWords(t, "impatient", got.Source, traffic.Failed, "has not answered yet: the turn is over")
		wantRequests(t, "the same request, a little later", counts(t, s, query(), from, to).Source, 7)
		if n := d.requests(); n != 1 {
			t.Errorf("%d requests", n)
		}
		slow = time.Hour
		time.Sleep(20 * time.Second)
		wantWords(t, "hangs", counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source, traffic.Failed, "no answer within 10s; it is asked again")
	})
}

func TestBadQueryIsNamedAndHarmsNobodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.steady(shopSeries, time.Now(), 30, 7)
		s := sourceOf(t, d, Config{})
		bad := query()
		bad.Errors.Source = "sum:requests{side:((}.as_count()"
		d.broken = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(b)))
			if strings.Contains(string(b), "((") {
				fail(w, http.StatusBadRequest, "Error parsing query: unable to parse ((")
				return true
			}
			return false
		}
		from, to := time.Now().Add(-20*time.Second), time.Now()
		for range 3 {
			_, err := s.Counts(t.Context(), bad, from, to)
			if err == nil || !strings.Contains(err.Error(), `400 Bad Request: Error parsing query: unable to parse ((: "sum:requests{side:((}.as_count().rollup(sum, 20)"`) {
				t.Fatalf("%v", err)
			}
			wantRequests(t, "the good one", counts(t, s, query(), from, to).Source, 7)
		}
		if n := d.requests(); n != 1 {
			t.Errorf("the good expression was asked for %d times", n)
		}
		time.Sleep(knownFor)
		d.steady(shopSeries, time.Now(), 30, 7)
		wantRequests(t, "later", counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source, 7)
	})
}

// TestFailureWhileABadQueryIsSought: what was answered before is kept.
func TestFailureWhileABadQueryIsSought(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.steady(shopSeries, time.Now(), 30, 7)
		d.types["errors"] = "count"
		asked := 0
		d.broken = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			switch asked++; asked {
			case 1:
				fail(w, http.StatusBadRequest, "no")
			case 2:
				return false
			default:
				fail(w, http.StatusServiceUnavailable, "overloaded")
			}
			return true
		}
		s := sourceOf(t, d, Config{})
		q, from, to := query(), time.Now().Add(-20*time.Second), time.Now()
		q.Errors.Source = "sum:errors{*}.as_count()"
		wantWords(t, "both", counts(t, s, q, from, to).Source, traffic.Failed, "503 Service Unavailable: overloaded")
		wantRequests(t, "the one that was answered", counts(t, s, query(), from, to).Source, 7)
	})
}

// TestLookingBack asks for a window of hours ago, then for the present one.
func TestLookingBack(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.steady(shopSeries, time.Now(), 2000, 7)
		s := sourceOf(t, d, Config{})
		for range 2 {
			for _, ago := range []time.Duration{3 * time.Hour, 0, time.Hour, 0, 10 * time.Hour} {
				to := time.Now().Add(-ago)
				wantRequests(t, ago.String(), counts(t, s, query(), to.Add(-time.Minute), to).Source, 21)
			}
		}
		for _, body := range d.bodies {
			if cells := (*body.Data.Attributes.To - *body.Data.Attributes.From) / 20_000; cells > maxCells {
				t.Errorf("asked for %d cells at once", cells)
			}
		}
	})
}

// TestManyExpressions: one request has its bounds.
func TestManyExpressions(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		s := sourceOf(t, d, Config{})
		for range 2 {
			for i := range 40 {
				name := "requests{number:" + fmt.Sprint(i) + "}"
				d.steady(name, time.Now(), 30, 1)
				q := signal.Query{Requests: traffic.BySide[string]{Target: "sum:" + name + ".as_count()"}}
				wantRequests(t, name, counts(t, s, q, time.Now().Add(-20*time.Second), time.Now()).Target, 1)
			}
			time.Sleep(20 * time.Second)
		}
		if n := d.requests(); n != 40+2 {
			t.Errorf("%d requests, want one each at first, and then two for all", n)
		}
		for _, body := range d.bodies {
			if n := len(body.Data.Attributes.Queries); n > maxTogether {
				t.Errorf("%d queries in one request", n)
			}
		}
	})
}

func TestMetricsThatCannotBeCounted(t *testing.T) {
	for _, c := range []struct {
		kind     string
		interval int64
		want     string
	}{
		{"gauge", 0, "the metric requests is a gauge for Datadog"},
		{"distribution", 0, "the metric requests is a distribution for Datadog"},
		{"count", 60, "the metric requests has one point in 60 seconds: set every to that"},
	} {
		inBubble(t, func(t *testing.T, d *standIn) {
			d.types["requests"], d.intervals["requests"] = c.kind, c.interval
			d.steady(shopSeries, time.Now(), 30, 7)
			s := sourceOf(t, d, Config{})
			for range 3 {
				if got, err := s.Counts(t.Context(), query(), time.Now().Add(-20*time.Second), time.Now()); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%+v, %v", got, err)
				}
			}
			if n := len(d.asked); n > 2 {
				t.Errorf("asked %d times", n)
			}
			d.types["requests"], d.intervals["requests"] = "count", 10 // somebody corrects it
			time.Sleep(knownFor)
			d.steady(shopSeries, time.Now(), 30, 7)
			wantRequests(t, c.kind, counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source, 7)
		})
	}
}

func TestErrorsNeedAMetric(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.steady(shopSeries, time.Now(), 30, 7)
		d.types["errors"] = "count"
		s := sourceOf(t, d, Config{})
		ask := func(errors string) traffic.Reading[traffic.Counts] {
			q := query()
			q.Errors.Source = errors
			return counts(t, s, q, time.Now().Add(-20*time.Second), time.Now()).Source
		}
		wantRequests(t, "no error yet", ask("sum:errors{side:source}.as_count()"), 7)
		wantRequests(t, "the same metric", ask("sum:requests{code:5*}.as_count()"), 7)
		for range 3 {
			wantWords(t, "typo", ask("sum:erors{side:source}.as_count()"), traffic.Unknown, "knows no metric erors")
		}
		d.types["erors"] = "count"
		time.Sleep(knownFor)
		d.steady(shopSeries, time.Now(), 30, 7)
		wantRequests(t, "it appeared", ask("sum:erors{side:source}.as_count()"), 7)
	})
}

func TestClocks(t *testing.T) {
	for ahead, c := range map[time.Duration]struct {
		skew  time.Duration
		words string
	}{
		0:                 {0, ""},
		1 * time.Second:   {0, ""},
		-90 * time.Second: {90 * time.Second, ""}, // Datadog's clock is ahead of ours
		90 * time.Second:  {0, "clock is ahead of Datadog's"},
	} {
		inBubble(t, func(t *testing.T, d *standIn) {
			d.steady(shopSeries, time.Now().Add(5*time.Minute), 60, 7)
			s := sourceOf(t, d, Config{})
			d.now = func() time.Time { return time.Now().Add(-ahead) }
			got := counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source
			if c.words != "" {
				wantWords(t, ahead.String(), got, traffic.Failed, c.words)
				return
			}
			wantRequests(t, ahead.String(), got, 7)
			if got.Value.Skew != c.skew {
				t.Errorf("ahead by %s: skew %s, want %s", ahead, got.Value.Skew, c.skew)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	t.Setenv("DD_API_KEY", "")
	t.Setenv("DD_APP_KEY", "")
	d := newStandIn(time.Now)
	ask := func(s *Source) traffic.Reading[traffic.Counts] {
		now := time.Now()
		d.change(func() { d.points = map[string][]stored{} })
		d.steady(shopSeries, now, 30, 7)
		return counts(t, s, query(), now.Add(-40*time.Second), now).Source
	}
	of := func(apiFile, appFile string) *Source {
		s, err := New(Config{URL: "https://stand-in", Transport: direct{d}, APIKeyFile: apiFile, AppKeyFile: appFile})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	good := file(t, appKey)
	wantWords(t, "no file", ask(of("/nowhere/key", good)), traffic.Failed, "read the API key: stat /nowhere/key: no such file")
	wantWords(t, "empty", ask(of(file(t, " \n"), good)), traffic.Failed, "holds none")
	wantWords(t, "two lines", ask(of(file(t, apiKey+"\n"+apiKey), good)), traffic.Failed, "holds something that is no key")
	wantWords(t, "no environment", ask(of("", good)), traffic.Failed, "the environment's DD_API_KEY holds none")
	t.Setenv("DD_API_KEY", apiKey)
	wantRequests(t, "environment", ask(of("", good)), 14)

	rotated := file(t, "old")
	s := of("", rotated)
	moment := time.Now()
	s.now = func() time.Time { return moment }
	wantWords(t, "old key", ask(s), traffic.Failed, "refuses the keys")
	if err := os.WriteFile(rotated, []byte(appKey), 0o600); err != nil {
		t.Fatal(err)
	}
	moment = moment.Add(2 * time.Second)
	wantRequests(t, "new key", ask(s), 14)
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no site of Datadog": {Site: "datadoghq.example"},
		"site and URL":       {Site: "datadoghq.eu", URL: "https://proxy"},
		"no URL":             {URL: "proxy:8443"},
		"secret in URL":      {URL: "https://user:secret@proxy"},
		"query in URL":       {URL: "https://proxy?api_key=secret"},
		"too short":          {Every: 5 * time.Second},
		"half seconds":       {Every: 10500 * time.Millisecond},
		"negative delay":     {Delay: -1},
		"alive too short":    {Alive: 10 * time.Second},
		"alive too long":     {Alive: time.Hour},
		"negative timeout":   {Timeout: -1},
	} {
		s, err := New(c)
		if err == nil {
			s.Close()
			t.Errorf("%s was taken", name)
		} else if strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "datadog") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for site, want := range map[string]string{"": "https://api.datadoghq.com", "datadoghq.eu": "https://api.datadoghq.eu", "us5.datadoghq.com": "https://api.us5.datadoghq.com"} {
		s, err := New(Config{Site: site})
		if err != nil || s.name != want {
			t.Fatalf("%s: %v, want %s", site, err, want)
		}
		s.Close()
	}
}

func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T, d *standIn) {
		d.broken = func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
		s := sourceOf(t, d, Config{})
		var asking sync.WaitGroup
		asking.Go(func() {
			got, err := s.Counts(context.Background(), query(), time.Now().Add(-20*time.Second), time.Now())
			if err != nil {
				t.Error(err)
			}
			wantWords(t, "closed meanwhile", got.Source, traffic.Failed, "context canceled")
		})
		synctest.Wait()
		s.Close()
		asking.Wait()
		wantWords(t, "closed", counts(t, s, query(), time.Now().Add(-20*time.Second), time.Now()).Source, traffic.Failed, "closed")
	})
}

// TestOverTheNetwork: a real connection, a redirect that is not followed with the
// keys, and nobody there.
func TestOverTheNetwork(t *testing.T) {
	d := newStandIn(time.Now)
	now := time.Now()
	d.steady(shopSeries, now, 30, 7)
	server := httptest.NewServer(http.StripPrefix("/proxy", d))
	defer server.Close()
	s := sourceOf(t, d, Config{URL: server.URL + "/proxy/"})
	wantRequests(t, "network", counts(t, s, query(), now.Add(-40*time.Second), now).Source, 14)

	away := httptest.NewServer(http.RedirectHandler(server.URL+"/proxy", http.StatusTemporaryRedirect))
	defer away.Close()
	before := len(d.asked)
	wantWords(t, "redirect", counts(t, sourceOf(t, d, Config{URL: away.URL}), query(), now.Add(-40*time.Second), now).Source, traffic.Failed, "/api/v1/metrics/requests redirects to ")
	if len(d.asked) != before {
		t.Error("a redirect was followed")
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	got := counts(t, sourceOf(t, d, Config{URL: gone.URL}), query(), now.Add(-40*time.Second), now).Source
	wantWords(t, "nobody", got, traffic.Failed, "connection refused; it is asked again at")
}

// TestNothingIsLostOrCountedTwice asks from where the last known window ended, as the
// runner does, while Datadog fails and points are late but within Delay or missing.
func TestNothingIsLostOrCountedTwice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(1_800_000_000, 0)
		d := newStandIn(func() time.Time { return now })
		s := sourceOf(t, d, Config{Delay: 40 * time.Second})
		defer s.Close()
		put := func(n int) {
			d.put(shopSeries, now.Add(-20*time.Second), float64(n), time.Duration(rapid.IntRange(0, 60).Draw(rt, "late"))*time.Second)
		}
		ask := func(from time.Time) traffic.Reading[traffic.Counts] {
			got, err := s.Counts(t.Context(), query(), from, now)
			if err != nil {
				rt.Fatal(err)
			}
			return got.Source
		}
		d.put(shopSeries, now.Add(-80*time.Second), 1000, 0) // before the first window
		from, sent, counted := now, 0, int64(0)
		for _, n := range append(rapid.SliceOfN(rapid.IntRange(-1, 50), 1, 40).Draw(rt, "requests"), 1, -1, -1, -1) {
			now = now.Add(20 * time.Second)
			if n >= 0 {
				put(n)
				sent += n
			}
			d.broken = nil
			if n == 13 || n == 14 {
				d.broken = func(w http.ResponseWriter, _ *http.Request) bool { fail(w, 503, "no"); return true }
			}
			if r := ask(from); r.State == traffic.Known {
				counted, from = counted+r.Value.Requests, now
			} else if !strings.Contains(r.Err, "late") && r.State != traffic.Failed && !strings.Contains(r.Err, "nor in the") {
				rt.Skip(r.Err) // a long silence, or a metric that looks coarse, is not counted at all
			}
		}
		if counted != int64(sent) && from.After(now.Add(-80*time.Second)) {
			rt.Fatalf("counted %d of %d", counted, sent)
		}
	})
}
