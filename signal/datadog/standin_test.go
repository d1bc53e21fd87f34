package datadog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	apiKey = "0123456789abcdef0123456789abcdef"
	appKey = "abcdefabcdefabcdefabcdefabcdefabcdefabcd"
)

// standIn answers as Datadog's pages say, and was written from them:
//
//   - docs.datadoghq.com/api/latest/metrics/query-timeseries-data-across-multiple-products:
//     the request's form, from inclusive and to exclusive in milliseconds, an interval
//     that "may be overridden by a larger interval", times with one list of values per
//     series, null where there is none, query_index, a unit whose second element is null.
//   - docs.datadoghq.com/api/latest/metrics/get-metric-metadata: type, statsd_interval, 404.
//   - docs.datadoghq.com/api/latest/authentication: the headers of both keys; 403.
//   - docs.datadoghq.com/api/latest/rate-limits: calendar-aligned periods, four headers, 429.
//   - docs.datadoghq.com/dashboards/functions/rollup: cells aligned to UNIX time, summed.
//   - docs.datadoghq.com/metrics/type_modifiers: as_count() does not interpolate.
type standIn struct {
	now func() time.Time

	mu        sync.Mutex
	points    map[string][]stored // by metric{scope}
	types     map[string]string   // of metrics; those with points alone are counts
	intervals map[string]int64
	everyCell bool // the times of cells without any point stand there as well, with null
	coarser   int64
	limit     int // requests per period and endpoint; 0 is no limit
	period    time.Duration
	used      map[string]int
	usedIn    map[string]int64
	broken    func(w http.ResponseWriter, r *http.Request) bool
	asked     []string // path and number of queries, of every request
	bodies    []queryRequest
}

type stored struct {
	at, arrives time.Time
	value       float64
}

type queryRequest struct {
	Data struct {
		Type       string `json:"type"`
		Attributes struct {
			From     *int64 `json:"from"`
			To       *int64 `json:"to"`
			Interval int64  `json:"interval"`
			Formulas []struct {
				Formula string `json:"formula"`
			} `json:"formulas"`
			Queries []struct {
				DataSource string `json:"data_source"`
				Name       string `json:"name"`
				Query      string `json:"query"`
			} `json:"queries"`
		} `json:"attributes"`
	} `json:"data"`
}

func newStandIn(now func() time.Time) *standIn {
	return &standIn{now: now, points: map[string][]stored{}, types: map[string]string{}, intervals: map[string]int64{}, used: map[string]int{}, usedIn: map[string]int64{}}
}

// put stores what an agent sent.
func (d *standIn) put(series string, at time.Time, value float64, late time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.points[series] = append(d.points[series], stored{at, at.Add(late), value})
}

func (d *standIn) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// requests returns how many requests for points there were.
func (d *standIn) requests() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.asked {
		if strings.HasPrefix(a, "/api/v2/") {
			n++
		}
	}
	return n
}

func (d *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	broken := d.broken
	d.mu.Unlock()
	w.Header().Set("Date", d.now().UTC().Format(http.TimeFormat))
	if broken != nil && broken(w, r) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, r.URL.Path)
	if r.Header.Get("DD-API-KEY") != apiKey || r.Header.Get("DD-APPLICATION-KEY") != appKey {
		fail(w, http.StatusForbidden, "Forbidden")
		return
	}
	if !d.allowed(w, r.Method+" "+strings.SplitAfter(r.URL.Path, "/metrics/")[0]) {
		fail(w, http.StatusTooManyRequests, "Rate limit of requests exceeded")
		return
	}
	name, isMetric := strings.CutPrefix(r.URL.Path, "/api/v1/metrics/")
	switch {
	case r.Method == http.MethodGet && isMetric:
		d.describe(w, name)
	case r.Method == http.MethodPost && r.URL.Path == "/api/v2/query/timeseries":
		d.query(w, r)
	default:
		fail(w, http.StatusNotFound, "Not found")
	}
}

func fail(w http.ResponseWriter, status int, words string) {
	reply(w, status, map[string]any{"errors": []string{words}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// allowed counts a request against the limit of its endpoint.
func (d *standIn) allowed(w http.ResponseWriter, endpoint string) bool {
	if d.limit == 0 {
		return true
	}
	seconds := int64(d.period / time.Second)
	now := d.now().Unix()
	if in := now / seconds; d.usedIn[endpoint] != in {
		d.usedIn[endpoint], d.used[endpoint] = in, 0
	}
	d.used[endpoint]++
	for header, n := range map[string]int64{
		"X-RateLimit-Limit": int64(d.limit), "X-RateLimit-Period": seconds,
		"X-RateLimit-Remaining": int64(max(0, d.limit-d.used[endpoint])), "X-RateLimit-Reset": seconds - now%seconds,
	} {
		w.Header().Set(header, strconv.FormatInt(n, 10))
	}
	return d.used[endpoint] <= d.limit
}

func (d *standIn) describe(w http.ResponseWriter, name string) {
	kind, known := d.types[name]
	for series := range d.points {
		if metric, _, _ := strings.Cut(series, "{"); metric == name && !known {
			kind, known = "count", true
		}
	}
	if !known {
		fail(w, http.StatusNotFound, "Metric not found")
		return
	}
	reply(w, http.StatusOK, map[string]any{"type": kind, "statsd_interval": d.intervals[name], "description": nil, "unit": "request", "per_unit": nil})
}

// understood is what the stand-in knows of the query language.
var understood = regexp.MustCompile(`^sum:([a-z_.]+\{[^{}]+\})\.as_count\(\)\.rollup\(sum, ?(\d+)\)$`)

func (d *standIn) query(w http.ResponseWriter, r *http.Request) {
	var in queryRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Data.Type != "timeseries_request" || in.Data.Attributes.From == nil || in.Data.Attributes.To == nil {
		fail(w, http.StatusBadRequest, "Bad request: not a timeseries_request")
		return
	}
	d.bodies = append(d.bodies, in)
	attributes := in.Data.Attributes
	index := map[string]int{}
	for i, f := range attributes.Formulas {
		index[f.Formula] = i
	}
	all := make([]map[int64]float64, len(attributes.Formulas))
	times := map[int64]bool{}
	for _, q := range attributes.Queries {
		m := understood.FindStringSubmatch(q.Query)
		i, known := index[q.Name]
		if m == nil || !known || q.DataSource != "metrics" {
			fail(w, http.StatusBadRequest, fmt.Sprintf("Error parsing query: unable to parse %s", q.Query))
			return
		}
		seconds, _ := strconv.ParseInt(m[2], 10, 64)
		all[i] = d.rolledUp(m[1], *attributes.From, *attributes.To, 1000*d.interval(seconds, *attributes.To-*attributes.From))
		for at := range all[i] {
			times[at] = true
		}
		for at := *attributes.From; d.everyCell && at < *attributes.To; at += 1000 * seconds {
			times[at] = true
		}
	}
	reply(w, http.StatusOK, answerOf(all, slices.Sorted(maps.Keys(times))))
}

// interval is at least what keeps a series below 1500 points.
func (d *standIn) interval(seconds, window int64) int64 {
	for window/1000/seconds > 1500 {
		seconds *= 2
	}
	return seconds * max(1, d.coarser)
}

func (d *standIn) rolledUp(series string, from, to, interval int64) map[int64]float64 {
	out := map[int64]float64{}
	for _, p := range d.points[series] {
		if ms := p.at.UnixMilli(); ms >= from && ms < to && !p.arrives.After(d.now()) {
			out[ms/interval*interval] += p.value
		}
	}
	return out
}

func answerOf(all []map[int64]float64, times []int64) any {
	series, values := []any{}, [][]any{}
	for i, points := range all {
		if len(points) == 0 {
			continue
		}
		list := make([]any, len(times))
		for n, at := range times {
			if v, has := points[at]; has {
				list[n] = v
			}
		}
		series = append(series, map[string]any{"group_tags": []string{}, "query_index": i, "unit": []any{map[string]any{"id": 20, "family": "network", "name": "request", "plural": "requests", "scale_factor": 1, "short_name": "req"}, nil}})
		values = append(values, list)
	}
	return map[string]any{"data": map[string]any{"id": "0", "type": "timeseries_response", "attributes": map[string]any{"series": series, "times": times, "values": values}}}
}

// direct carries requests to a handler without a network, so that time may be a bubble's.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func file(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sourceOf returns a source that asks d, with d's clock.
func sourceOf(t testing.TB, d *standIn, c Config) *Source {
	t.Helper()
	if c.URL == "" {
		c.URL, c.Transport = "https://stand-in", direct{d}
	}
	if c.APIKeyFile == "" {
		c.APIKeyFile, c.AppKeyFile = file(t, apiKey+"\n"), file(t, appKey+"\n")
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.now = d.now
	t.Cleanup(s.Close)
	return s
}
