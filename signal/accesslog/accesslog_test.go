package accesslog

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"watari.dev/signal"
	"watari.dev/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	arnPrefix = "arn:aws:elasticloadbalancing:us-east-2:123456789012:"
	oldGroup  = arnPrefix + "targetgroup/shop-old/aaaaaaaaaaaaaaaa"
	newGroup  = arnPrefix + "targetgroup/shop-new/bbbbbbbbbbbbbbbb"
)

var arns = traffic.BySide[string]{Source: oldGroup, Target: newGroup}

// clockwork is a clock that only tests move.
type clockwork struct {
	mu sync.Mutex
	at time.Time
}

func (c *clockwork) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clockwork) pass(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return c.at
}

// request is one entry, in words.
type request struct {
	at      time.Time
	created time.Time // 1 ms before at if zero
	group   string
	status  int
	took    string // 0.001 if empty
	url     string
	trace   string
}

func (r request) line() string {
	group, target := r.group, "10.0.0.1:80"
	if group == "" {
		group, target = "-", "-"
	}
	if r.took == "" {
		r.took = "0.001"
	}
	if r.status == 0 {
		r.status = 200
	}
	if r.created.IsZero() {
		r.created = r.at.Add(-time.Millisecond)
	}
	if r.trace == "" {
		r.trace = "-"
	}
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
	return fmt.Sprintf("http %s app/shop/50dc6c495c0c9188 192.0.2.1:2817 %s 0.000 %s 0.000 %d %d 34 366 \"GET http://shop.example:80/%s HTTP/1.1\" \"curl/8.0\" - - %s \"%s\" \"-\" \"-\" 0 %s \"forward\" \"-\" \"-\" \"%s\" \"%d\" \"-\" \"-\" TID_1234abcd5678ef90 \"-\" \"-\" \"-\"\n",
		stamp(r.at), target, r.took, r.status, r.status, r.url, group, r.trace, stamp(r.created), target, r.status)
}

// desk is a source with its log file and its clock.
type desk struct {
	*Source
	*clockwork
	t    testing.TB
	path string
	out  *os.File
}

func newDesk(t testing.TB, c Config) *desk {
	t.Helper()
	d := &desk{clockwork: &clockwork{at: time.Now().Add(-10 * time.Hour).Truncate(time.Second)}, t: t, path: filepath.Join(t.TempDir(), "access.log")}
	d.create()
	c.Path = d.path
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	d.Source, s.now = s, d.clockwork.now
	s.begin()
	t.Cleanup(s.input.close)
	d.pass(time.Second)
	return d
}

// now is the clock's: the source's own is the same.
func (d *desk) now() time.Time { return d.clockwork.now() }

func (d *desk) create() {
	d.t.Helper()
	out, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	d.out = out
	d.t.Cleanup(func() { _ = out.Close() })
}

func (d *desk) write(text string) {
	d.t.Helper()
	if _, err := io.WriteString(d.out, text); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) serve(all ...request) {
	d.t.Helper()
	for _, r := range all {
		if r.at.IsZero() {
			r.at = d.now()
		}
		d.write(r.line())
	}
}

// see lets so much time pass that everything served is complete, and looks.
func (d *desk) see() time.Time {
	d.pass(d.history.settle + time.Second)
	d.look(context.Background())
	return d.now()
}

func query() signal.Query {
	both := func(text string) traffic.BySide[string] { return traffic.BySide[string]{Source: text, Target: text} }
	return signal.Query{Name: "test", Requests: arns, Errors: both("5xx"), Latency: both("100ms,1s"), Events: []signal.Event{{Name: "throttled", Count: both("429")}}}
}

func (d *desk) counts(from, to time.Time) signal.Counts {
	d.t.Helper()
	got, err := d.Counts(d.t.Context(), query(), from, to)
	if err != nil {
		d.t.Fatal(err)
	}
	return got
}

func want(t testing.TB, what string, got traffic.Reading[traffic.Counts], state traffic.State, requests int64, why string) {
	t.Helper()
	if got.State != state || got.Value.Requests != requests || !strings.Contains(got.Err, why) {
		t.Errorf("%s: got %+v, want %s, %d requests, %q", what, got, state, requests, why)
	}
}

func TestWhatCounts(t *testing.T) {
	d := newDesk(t, Config{})
	d.serve(request{group: oldGroup}, request{group: newGroup})
	from := d.see()
	d.serve(
		request{group: oldGroup, took: "0.005"}, request{group: oldGroup, took: "0.101"}, request{group: oldGroup, took: "7.000"},
		request{group: oldGroup, status: 500}, request{group: oldGroup, status: 502, took: "-1"}, request{group: oldGroup, status: 504, took: "-1"},
		request{group: oldGroup, status: 460, took: "-1"}, request{group: oldGroup, status: 429}, request{group: oldGroup, status: 404},
		request{status: 503}, request{status: 400, took: "-1"}, request{group: arnPrefix + "targetgroup/shop-oldest/aaaaaaaaaaaaaaaa"},
		request{group: newGroup, status: 101},
	)
	to := d.see()
	got := d.counts(from, to)
	wanted := traffic.Counts{Requests: 9, Errors: 3, Events: []int64{1}, Latency: traffic.Histogram{Edges: []time.Duration{100 * time.Millisecond, time.Second}, Buckets: []int64{4, 1, 2}}}
	if diff := cmp.Diff(wanted, got.Source.Value); diff != "" || got.Source.State != traffic.Known {
		t.Errorf("source %s (%s) (-want +got):\n%s", got.Source.State, got.Source.Err, diff)
	}
	want(t, "target", got.Target, traffic.Known, 1, "")
	if wanted := to.Add(-2 * time.Second); !got.Source.At.Equal(wanted) {
		t.Errorf("it covers up to %s, want %s", got.Source.At, wanted)
	}
}

func TestExpressions(t *testing.T) {
	d := newDesk(t, Config{})
	d.serve(request{group: oldGroup}, request{group: newGroup})
	from := d.see()
	for _, status := range []int{200, 404, 429, 460, 499, 500, 502, 503, 561} {
		d.serve(request{group: oldGroup, status: status, took: "0.300"})
	}
	d.serve(request{group: newGroup})
	to := d.see()
	for _, c := range []struct {
		requests, errors string
		count, failed    int64
		refused          string
	}{
		{requests: oldGroup, errors: "5xx", count: 9, failed: 4},
		{requests: "targetgroup/shop-old", errors: "5xx,4xx", count: 9, failed: 6},
		{requests: "targetgroup/shop-old/", errors: "4XX, 460", count: 9, failed: 3},
		{requests: "targetgroup/shop-old/aaaaaaaaaaaaaaaa", errors: "502,503", count: 9, failed: 2},
		{requests: oldGroup + ", targetgroup/shop-new", count: 10},
		{requests: "targetgroup/shop-new,targetgroup/shop-new", count: 1},
		{requests: "targetgroup/shop-old/aaaa", refused: "-"}, // Unknown, see below
		{requests: "shop-old", refused: "write its ARN"},
		{requests: "targetgroup/", refused: "write its ARN"},
		{requests: oldGroup + ",", refused: "write its ARN"},
		{requests: oldGroup, errors: "errors", refused: `"errors" is neither`},
		{requests: oldGroup, errors: "6xx", refused: `"6xx" is neither`},
		{requests: oldGroup, errors: "5xx,,", refused: `"" is neither`},
		{requests: oldGroup, errors: "999", refused: `"999" is neither`},
	} {
		q := signal.Query{Name: "q", Requests: traffic.BySide[string]{Source: c.requests}, Errors: traffic.BySide[string]{Source: c.errors}}
		got, err := d.Counts(t.Context(), q, from, to)
		switch {
		case c.refused == "-":
			want(t, c.requests, got.Source, traffic.Unknown, 0, "has shown no line of targetgroup/shop-old/aaaa yet")
		case c.refused != "":
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%+v: %v", c, err)
			}
		case err != nil || got.Source.Value.Requests != c.count || got.Source.Value.Errors != c.failed:
			t.Errorf("%+v: %+v, %v", c, got.Source, err)
		}
	}
	for _, latency := range []string{"histogram", "7ms", "100ms,"} {
		q := signal.Query{Requests: arns, Latency: traffic.BySide[string]{Target: latency}}
		if _, err := d.Counts(t.Context(), q, from, to); err == nil || !strings.Contains(err.Error(), "the target's latency") {
			t.Errorf("latency %q: %v", latency, err)
		}
	}
	q := signal.Query{Requests: arns, Latency: traffic.BySide[string]{Source: wholeLatency}}
	if got, err := d.Counts(t.Context(), q, from, to); err != nil || len(got.Source.Value.Latency.Buckets) != 12 || got.Source.Value.Latency.Buckets[6] != 9 || !slices.Equal(got.Source.Value.Latency.Edges, Edges()) {
		t.Errorf("%+v, %v", got.Source, err)
	}
}

func TestRetries(t *testing.T) {
	first, second := "Root=1-67891233-abcdef012345678912345678", "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678"
	for _, c := range []struct {
		name     string
		config   Config
		served   []request
		requests int64
		errors   int64
		retries  int64
	}{
		{"same root, same request", Config{}, []request{{trace: first, status: 502}, {trace: second}, {trace: second + ";CalledFrom=app"}}, 1, 1, 2},
		{"all attempts are wanted", Config{Attempts: AllAttempts}, []request{{trace: first, status: 502}, {trace: second}}, 2, 1, 0},
		{"same root, other request: a call of a service", Config{}, []request{{trace: first, url: "a"}, {trace: second, url: "b"}}, 2, 0, 0},
		{"other roots", Config{}, []request{{trace: first}, {trace: first + "9"}}, 2, 0, 0},
		{"no trace", Config{}, []request{{}, {}}, 2, 0, 0},
		{"numbered", Config{}, []request{{trace: "Root=1-a-a;Attempt=1", status: 500}, {trace: "Self=1-b-b;Root=1-a-a;Attempt=2", status: 500}, {trace: "Root=1-c-c;Attempt=3"}}, 1, 1, 2},
		{"numbers win over roots", Config{}, []request{{trace: "Root=1-a-a;Attempt=1"}, {trace: "Root=1-a-a;Attempt=1"}}, 2, 0, 0},
		{"numbered in another field", Config{AttemptField: "Try"}, []request{{trace: "Root=1-a-a;Try=1"}, {trace: "Root=1-a-b;try=2"}, {trace: "Root=1-a-c;Attempt=2"}}, 2, 0, 1},
		{"a number that is none", Config{}, []request{{trace: "Root=1-a-a;Attempt=second"}, {trace: "Root=1-a-a;Attempt=second"}}, 1, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, c.config)
			d.serve(request{group: oldGroup})
			from := d.see()
			for i, r := range c.served {
				r.group, r.at = oldGroup, d.now().Add(time.Duration(i)*time.Millisecond)
				d.serve(r)
			}
			got := d.counts(from, d.see()).Source
			if got.Value.Requests != c.requests || got.Value.Errors != c.errors || d.Report().Retries != c.retries {
				t.Errorf("%+v, %+v", got, d.Report())
			}
		})
	}
}

func TestAnEarlierAttemptReadLaterCounts(t *testing.T) {
	d := newDesk(t, Config{})
	from := d.see()
	trace := "Self=1-a-a;Root=1-b-b"
	d.serve(request{group: oldGroup, trace: trace, created: d.now()}, request{group: oldGroup, trace: trace, created: d.now().Add(-time.Second), status: 504})
	got := d.counts(from, d.see()).Source
	if got.Value.Requests != 2 || got.Value.Errors != 1 {
		t.Errorf("%+v", got)
	}
}

func TestTheMemoryOfRetriesIsBounded(t *testing.T) {
	a := newAttempts("Attempt")
	now := time.Now()
	entry := func(n int) line { return line{trace: fmt.Appendf(nil, "Root=1-%d", n)} }
	for n := range 3 * maxTraces {
		if a.again(entry(n), now) {
			t.Fatalf("number %d is new", n)
		}
	}
	if len(a.recent)+len(a.old) > 2*maxTraces {
		t.Errorf("it remembers %d", len(a.recent)+len(a.old))
	}
	if !a.again(entry(3*maxTraces-1), now) || !a.again(entry(2*maxTraces), now) || a.again(entry(0), now) {
		t.Error("it must remember the last and forget the first")
	}
	a.again(entry(-1), now.Add(memoryOfTraces))
	a.again(entry(-2), now.Add(2*memoryOfTraces))
	if a.again(entry(3*maxTraces-2), now.Add(2*memoryOfTraces)) {
		t.Error("it must forget after a while")
	}
}

func TestWindows(t *testing.T) {
	d := newDesk(t, Config{History: 5 * time.Minute})
	begin := d.now()
	want(t, "before the first look", d.counts(begin, begin).Source, traffic.Unknown, 0, "was not read yet")
	d.serve(request{group: oldGroup})
	from := d.see()
	want(t, "from before the log is complete", d.counts(begin, from).Source, traffic.Unknown, 0, "a window may begin at "+clock(begin.Add(time.Second)))
	want(t, "the other side", d.counts(from.Add(-time.Second), from).Target, traffic.Unknown, 0, "has shown no line of "+newGroup)

	silent := d.see()
	want(t, "no new line", d.counts(from, silent).Source, traffic.Unknown, 0, "no new line in "+d.path+" since "+clock(from.Add(-2*time.Second))+" (3s before)")
	d.serve(request{status: 404})
	alive := d.see()
	want(t, "alive without requests", d.counts(silent, alive).Source, traffic.Known, 0, "")

	d.serve(request{group: newGroup})
	born := d.see()
	want(t, "a side when it appears", d.counts(alive, born).Target, traffic.Known, 1, "")
	want(t, "a side before it appeared", d.counts(silent, alive).Target, traffic.Unknown, 0, "has shown no line of")
	alive = born

	later := d.pass(10 * time.Second)
	want(t, "nobody looked", d.counts(alive.Add(5*time.Second), later).Source, traffic.Unknown, 0, "was not read between")
	d.pass(5 * time.Minute)
	end := d.see()
	want(t, "forgotten", d.counts(from, end).Source, traffic.Unknown, 0, "nothing is remembered of")
}

func TestLateLines(t *testing.T) {
	d := newDesk(t, Config{})
	d.serve(request{group: oldGroup})
	start := d.now().Add(-time.Second)
	from := d.see()
	d.serve(request{group: oldGroup})
	middle := d.see()
	first := d.counts(from, middle)
	d.serve(request{group: oldGroup, at: from.Add(time.Second)}, request{group: oldGroup, at: start}, request{group: oldGroup, at: d.now().Add(time.Hour)})
	to := d.see()
	want(t, "the answered window", first.Source, traffic.Known, 1, "")
	if diff := cmp.Diff(first, d.counts(from, middle)); diff != "" {
		t.Errorf("its answer changed:\n%s", diff)
	}
	want(t, "the next window has the late one and that of a clock ahead", d.counts(middle, d.see()).Source, traffic.Known, 2, "")
	d.pass(2 * time.Hour)
	d.serve(request{group: oldGroup, at: to})
	d.see()
	r := d.Report()
	if r.Before != 1 || r.Late != 1 || r.Lines != 6 || !slices.Equal(r.Notes(), []string{"lines that came too late, not counted: 1"}) {
		t.Errorf("%+v %v", r, r.Notes())
	}
}

func TestDamagedAndHalfLines(t *testing.T) {
	d := newDesk(t, Config{})
	d.serve(request{group: oldGroup})
	from := d.see()
	half := request{group: oldGroup, at: d.now(), status: 500}.line()
	d.write("garbage " + strings.Repeat("x", 500) + "\n\nmore garbage\nh3" + strings.TrimPrefix(request{group: oldGroup, at: d.now()}.line(), "http"))
	d.write(half[:len(half)-40])
	d.serve()
	middle := d.see()
	want(t, "before its rest", d.counts(from, middle).Source, traffic.Known, 0, "")
	d.write(half[len(half)-40:])
	got := d.counts(middle, d.see()).Source
	want(t, "with its rest", got, traffic.Known, 1, "")
	if r := d.Report(); got.Value.Errors != 1 || r.Damaged != 2 || r.Ignored != 1 || !strings.HasPrefix(r.Example, `"garbage xxx`) || !strings.HasSuffix(r.Example, "it has 2 fields, an entry has 18 or more") || len(r.Example) > 200 || len(r.Notes()) != 2 {
		t.Errorf("%+v, %+v", got, r)
	}
}

func TestTooManyTargetGroups(t *testing.T) {
	d := newDesk(t, Config{})
	from := d.see()
	for n := range maxGroups + 1 {
		d.serve(request{group: fmt.Sprintf("%stargetgroup/g%d/1", arnPrefix, n)})
	}
	want(t, "more than can be remembered", d.counts(from, d.see()).Source, traffic.Failed, 0, "more than 200 target groups")
	want(t, "it stays so", d.counts(from, d.see()).Source, traffic.Failed, 0, "more than 200 target groups")
}

func TestTheMemoryOfAnswersIsBounded(t *testing.T) {
	d := newDesk(t, Config{History: time.Minute})
	for range 1000 {
		d.serve(request{group: oldGroup})
		d.pass(-d.history.settle)
		d.see()
	}
	h := &d.history
	for what, n := range map[string]int{"seconds": len(h.groups[oldGroup].cells), "seconds with lines": len(h.balancers["app/shop/50dc6c495c0c9188"].alive), "looks": len(h.looks)} {
		if n < 60 || n > 70 {
			t.Errorf("it remembers %d %s of one minute", n, what)
		}
	}
}

func TestMalformedConfigs(t *testing.T) {
	dir := t.TempDir()
	for wanted, c := range map[string]Config{
		"either a path or a stream": {},
		"either a path":             {Path: dir, Stream: strings.NewReader("")},
		"none may be negative":      {Path: dir, Settle: -1},
		"neither first nor all":     {Path: dir, Attempts: "last"},
		"cannot be the name":        {Path: dir, AttemptField: "a=b"},
		"neither a file nor a dir":  {Path: os.DevNull},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), wanted) {
			t.Errorf("%+v: %v, want %q", c, err, wanted)
		}
	}
}
