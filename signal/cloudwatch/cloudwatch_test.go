package cloudwatch

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"watari.dev/lab/alb"
	lab "watari.dev/lab/aws"
	"watari.dev/lab/aws/wire"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// requests are counts that are all fast.
func requests(n, failed int64) traffic.Counts {
	return traffic.Counts{Requests: n, Errors: failed, Latency: traffic.Histogram{Buckets: []int64{n, 0, 0, 0}}}
}

// fleet is 150 services, each with two groups, behind three balancers: as many
// groups as a balancer may have.
func fleet() (queries []signal.Query, balancers, groups []string) {
	for i := range 150 {
		balancer := fmt.Sprintf("app/shop-%d/50dc6c495c0c918%d", i/50, i/50)
		old, fresh := fmt.Sprintf("targetgroup/s%d-old/%016x", i, 2*i), fmt.Sprintf("targetgroup/s%d-new/%016x", i, 2*i+1)
		queries = append(queries, signal.Query{Name: fmt.Sprint("service ", i), Requests: traffic.BySide[string]{Source: balancer + " " + old, Target: balancer + " " + fresh}})
		balancers, groups = append(balancers, balancer, balancer), append(groups, old, fresh)
	}
	return queries, balancers, groups
}

func (w *town) serveFleet(balancers, groups []string) {
	for i, g := range groups {
		for range i%3 + 1 {
			w.numbers.Observe(alb.Observation{At: w.clock(), LoadBalancer: balancers[i], TargetGroup: arnPrefix + g, Chosen: true, Status: 200, TargetStatus: 200})
		}
	}
}

// TestOneCallServesEverybody: 150 services ask about both their sides at once,
// each turn of a second, and CloudWatch is asked once a minute.
func TestOneCallServesEverybody(t *testing.T) {
	for name, given := range map[string]bool{"known up front": true, "learnt as they are asked": false} {
		t.Run(name, func(t *testing.T) {
			queries, balancers, groups := fleet()
			w := newTown(t)
			s := w.source(func(c *Config) {
				if given {
					c.Queries = queries
				}
			})
			all := func(from, to time.Time, sum bool) {
				var everybody sync.WaitGroup
				for i, q := range queries {
					for side, part := range map[traffic.Side]signal.Query{
						traffic.Source: {Requests: traffic.BySide[string]{Source: q.Requests.Source}},
						traffic.Target: {Requests: traffic.BySide[string]{Target: q.Requests.Target}},
					} {
						everybody.Go(func() {
							got := w.counts(s, part, from, to).Of(side)
							if n := int64((2*i+int(side)-1)%3 + 1); sum && (got.State != traffic.Known || got.Value.Requests != n) {
								t.Errorf("service %d, %s: %s (%s), %d requests of %d", i, side, got.State, got.Err, got.Value.Requests, n)
							}
						})
					}
				}
				everybody.Wait()
			}
			w.serveFleet(balancers, groups)
			from := w.clock()
			to := w.over()
			all(from, to, true)
			// At first 300 groups, the 3 balancers, and the hosts of each group.
			if n := w.calls(); n < 2 || n > 6 || given && n != 2 {
				t.Errorf("%d calls for the first minute", n)
			}
			for range 3 {
				before := w.calls()
				w.serveFleet(balancers, groups)
				from = to
				to = w.over()
				all(from, to, true)
				for turn := range 20 { // until the next minute is due soon
					all(to, to.Add(time.Duration(turn)*time.Second), false)
				}
				if n := w.calls() - before; n != 1 {
					t.Errorf("%d calls in one minute", n)
				}
			}
		})
	}
}

// TestManyMetricsAreSplit: 500 metrics are the most of one call.
func TestManyMetricsAreSplit(t *testing.T) {
	queries, balancers, groups := fleet()
	for i := range queries {
		queries[i].Errors = traffic.BySide[string]{Source: "5xx", Target: "5xx"}
	}
	w := newTown(t)
	s := w.source(func(c *Config) { c.Queries = queries })
	w.serveFleet(balancers, groups)
	from := w.clock()
	to := w.over()
	known(t, "the last service's target", w.counts(s, queries[149], from, to).Target, 3, minuteAt(from).end())
	if n := w.calls(); n != 4 { // 4 metrics of 300 groups and, at first, their hosts; 3 balancers
		t.Errorf("%d calls for %d metrics", n, 300*5+3)
	}
	w.serveFleet(balancers, groups)
	to2 := w.over()
	known(t, "the first service's source", w.counts(s, queries[0], to, to2).Source, 1, minuteAt(to).end())
	if n := w.calls(); n != 7 { // 1,206 metrics
		t.Errorf("%d calls after two minutes", n)
	}
}

func TestBetweenMinutesThereIsNothingNew(t *testing.T) {
	w := newTown(t)
	s := w.source()
	w.has(oldGroup, newGroup)
	w.serve(oldGroup, w.clock(), requests(7, 2))
	from := w.clock()
	to := w.over()
	first := w.counts(s, shopQuery(), from, to)
	known(t, "source", first.Source, 7, minuteAt(from).end())
	known(t, "target", first.Target, 0, minuteAt(from).end())
	calls := w.calls()
	w.pass(40 * time.Second)
	got := w.counts(s, shopQuery(), to, w.clock())
	next := minuteAt(from) + 1
	isNot(t, "source", got.Source, traffic.Unknown, "the minute that ends at "+clock(next.end()), "expected at "+clock(next.end().Add(2*time.Minute)))
	if n := w.calls(); n != calls {
		t.Errorf("%d calls for nothing", n-calls)
	}
	if d := cmp.Diff(first, w.counts(s, shopQuery(), from, to)); d != "" {
		t.Errorf("asked again:\n%s", d)
	}
}

// TestTheAnswerIsThereWhenItIsDue: whoever asks shortly before makes the source
// ask ahead.
func TestTheAnswerIsThereWhenItIsDue(t *testing.T) {
	w := newTown(t)
	s := w.source()
	w.has(oldGroup)
	w.serve(oldGroup, w.clock(), requests(7, 2))
	from := w.clock()
	due := minuteAt(from).end().Add(2 * time.Minute)
	w.pass(due.Sub(from) - 4*time.Second)
	isNot(t, "too early", w.counts(s, shopQuery(), due.Add(-30*time.Second), w.clock()).Source, traffic.Unknown, "expected at "+clock(due))
	s.running.Wait()
	if n := w.calls(); n != 1 {
		t.Errorf("%d calls", n)
	}
	w.pass(4 * time.Second)
	inNoTime, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := s.Counts(inNoTime, shopQuery(), due.Add(-30*time.Second), w.clock())
	if err != nil {
		t.Fatal(err)
	}
	known(t, "source", got.Source, 7, minuteAt(from).end())
	if n := w.calls(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestMissingIsNotZero(t *testing.T) {
	w := newTown(t)
	s := w.source()
	q := shopQuery()
	w.serve(oldGroup, w.clock(), requests(5, 0)) // CloudWatch knows nothing of the new group
	start := w.clock()
	a := w.over()
	got := w.counts(s, q, start, a)
	known(t, "source", got.Source, 5, minuteAt(start).end())
	isNot(t, "a group that CloudWatch never heard of", got.Target, traffic.Unknown, newGroup, "one of the names is wrong")

	w.serve(newGroup, w.clock(), requests(1, 0))
	b := w.over()
	got = w.counts(s, q, a, b)
	known(t, "a group without requests beside one with some", got.Source, 0, minuteAt(a).end())
	known(t, "target", got.Target, 1, minuteAt(a).end())

	c := w.over() // silence: not even the number of hosts
	got = w.counts(s, q, b, c)
	isNot(t, "source in silence", got.Source, traffic.Unknown, "nothing of load balancer "+balancerID)
	isNot(t, "target in silence", got.Target, traffic.Unknown, "no request came")

	w.serve(newGroup, w.clock(), requests(2, 0))
	d := w.over()
	got = w.counts(s, q, b, d)
	known(t, "source after silence", got.Source, 0, minuteAt(c).end())
	known(t, "target after silence", got.Target, 2, minuteAt(c).end())

	w.has(newGroup) // now its targets are reported
	e := w.over()
	w.pass(time.Minute)
	got = w.counts(s, q, d, e.Add(time.Minute))
	known(t, "target whose hosts are reported", got.Target, 0, e.Add(-time.Minute))
}

// TestLateNumbersAreNotLost: they are booked in the minute that is taken next.
func TestLateNumbersAreNotLost(t *testing.T) {
	w := newTown(t)
	s := w.source()
	w.has(oldGroup, newGroup)
	start := w.clock()
	w.serve(oldGroup, start, requests(10, 1))
	a := w.over()
	known(t, "at first", w.counts(s, shopQuery(), start, a).Source, 10, minuteAt(start).end())
	w.serve(oldGroup, start, requests(3, 3)) // a node was slow
	w.serve(oldGroup, w.clock(), requests(100, 0))
	b := w.over()
	got := w.counts(s, shopQuery(), a, b).Source
	known(t, "afterwards", got, 103, minuteAt(a).end())
	if got.Value.Errors != 3 || got.Value.Latency.Count() != 103 {
		t.Errorf("%+v", got.Value)
	}
	known(t, "the answered window", w.counts(s, shopQuery(), start, a).Source, 10, minuteAt(start).end())
	known(t, "in all", w.counts(s, shopQuery(), start, b).Source, 113, minuteAt(a).end())
	known(t, "a new process", w.counts(w.source(), shopQuery(), start, a).Source, 13, minuteAt(start).end())
}

func TestAnotherProcessSaysTheSame(t *testing.T) {
	w := newTown(t)
	w.has(oldGroup, newGroup)
	s := w.source()
	ends := []time.Time{w.clock()}
	for i := range 4 {
		w.serve(oldGroup, w.clock(), requests(int64(i+1), 1))
		ends = append(ends, w.over())
		w.counts(s, shopQuery(), ends[i], ends[i+1])
	}
	again := w.source(func(c *Config) { c.Client = nil })
	for i := range 4 {
		if d := cmp.Diff(w.counts(s, shopQuery(), ends[i], ends[i+1]), w.counts(again, shopQuery(), ends[i], ends[i+1])); d != "" {
			t.Errorf("window %d:\n%s", i, d)
		}
	}
	if d := cmp.Diff(w.counts(s, shopQuery(), ends[0], ends[4]), w.counts(w.source(), shopQuery(), ends[0], ends[4])); d != "" {
		t.Errorf("in all:\n%s", d)
	}
}

func TestEventsAreOtherMetrics(t *testing.T) {
	w := newTown(t)
	s := w.source()
	w.serve(oldGroup, w.clock(), requests(9, 0))
	for range 4 {
		w.numbers.Observe(alb.Observation{At: w.clock(), LoadBalancer: balancerID, TargetGroup: arnPrefix + oldGroup, Chosen: true, Status: 404, TargetStatus: 404})
	}
	for range 2 {
		w.numbers.Observe(alb.Observation{At: w.clock(), LoadBalancer: balancerID, TargetGroup: arnPrefix + oldGroup, Chosen: true, Status: 502, ConnectionError: true, TargetTime: -1})
	}
	q := shopQuery()
	q.Events = []signal.Event{
		{Name: "not found", Count: traffic.BySide[string]{Source: "HTTPCode_Target_4XX_Count"}},
		{Name: "of the other side", Count: traffic.BySide[string]{Target: "HTTPCode_Target_2XX_Count"}},
		{Name: "refused", Count: traffic.BySide[string]{Source: "TargetConnectionErrorCount"}},
	}
	from := w.clock()
	got := w.counts(s, q, from, w.over()).Source
	known(t, "source", got, 15, minuteAt(from).end())
	if d := cmp.Diff([]int64{4, 0, 2}, got.Value.Events); d != "" || got.Value.Errors != 2 || got.Value.Latency.Count() != 13 {
		t.Errorf("%+v\n%s", got.Value, d)
	}
}

func TestFailuresAreSaidAndTriedAgain(t *testing.T) {
	expired := &lab.Injected{Err: &wire.Error{Status: 403, Code: "ExpiredToken", Message: "The security token included in the request is expired"}}
	denied := &lab.Injected{Err: &wire.Error{Status: 403, Code: "AccessDenied", Message: "User: x is not authorized to perform: cloudwatch:GetMetricData"}}
	for name, c := range map[string]struct {
		fault *lab.Injected
		words []string
	}{
		"throttled": {lab.FaultThrottle(), []string{"throttled", "50 calls", "Rate exceeded"}},
		"expired":   {expired, []string{"have expired", "renew"}},
		"denied":    {denied, []string{"the role needs cloudwatch:GetMetricData"}},
		"broken":    {lab.FaultInternal(), []string{"InternalFailure"}},
		"no answer": {&lab.Injected{DropReply: true}, []string{"EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			s := w.source()
			w.serve(oldGroup, w.clock(), requests(5, 1))
			from := w.clock()
			to := w.over()
			w.server.SetFault(func(_, action string, _ []byte) *lab.Injected {
				if action != "GetMetricData" {
					return nil
				}
				return c.fault
			})
			for range 5 { // not asked again at once
				got := w.counts(s, shopQuery(), from, to)
				isNot(t, "source", got.Source, traffic.Failed, append(c.words, "CloudWatch in eu-central-1", clock(minuteAt(from).end()))...)
				isNot(t, "target", got.Target, traffic.Failed, c.words...)
			}
			if n := w.calls(); n != 1 {
				t.Errorf("%d calls", n)
			}
			w.server.SetFault(nil)
			w.pass(10 * time.Second)
			known(t, "source, 10 s later", w.counts(s, shopQuery(), from, to).Source, 5, minuteAt(from).end())
		})
	}
}

// TestRealThrottling empties the emulator's bucket.
func TestRealThrottling(t *testing.T) {
	w := newTown(t, func(c *lab.Config) {
		c.Unthrottled = false
		c.Throttle = map[string]wire.Rate{"monitoring/GetMetricData": {Burst: 1, PerSecond: 0.01}}
	})
	w.serve(oldGroup, w.clock(), requests(5, 1))
	from := w.clock()
	to := w.over()
	known(t, "first", w.counts(w.source(), shopQuery(), from, to).Source, 5, minuteAt(from).end())
	isNot(t, "second", w.counts(w.source(), shopQuery(), from, to).Source, traffic.Failed, "throttled")
}

// tampered changes what the service answers to what it documents and the emulator
// never says.
type tampered struct {
	API
	in  func(*sdk.GetMetricDataInput)
	out func(*sdk.GetMetricDataInput, *sdk.GetMetricDataOutput)
}

func (a tampered) GetMetricData(ctx context.Context, in *sdk.GetMetricDataInput, options ...func(*sdk.Options)) (*sdk.GetMetricDataOutput, error) {
	if a.in != nil {
		a.in(in)
	}
	out, err := a.API.GetMetricData(ctx, in, options...)
	if err == nil && a.out != nil {
		a.out(in, out)
	}
	return out, err
}

func TestResultsThatAreNotWhole(t *testing.T) {
	ofNew := func(in *sdk.GetMetricDataInput, i int) bool {
		m := in.MetricDataQueries[i].MetricStat.Metric
		return len(m.Dimensions) == 2 && *m.Dimensions[1].Value == newGroup && *m.MetricName == requestCount
	}
	status := func(code types.StatusCode) func(*sdk.GetMetricDataInput, *sdk.GetMetricDataOutput) {
		return func(in *sdk.GetMetricDataInput, out *sdk.GetMetricDataOutput) {
			for i := range out.MetricDataResults {
				if ofNew(in, i) {
					out.MetricDataResults[i].StatusCode = code
					out.MetricDataResults[i].Messages = []types.MessageData{{Code: aws.String("Why"), Value: aws.String("because")}}
				}
			}
		}
	}
	for name, c := range map[string]struct {
		tamper func(*sdk.GetMetricDataInput, *sdk.GetMetricDataOutput)
		words  string
		both   bool // the source side too
	}{
		"partial":   {status(types.StatusCodePartialData), "incomplete (PartialData: Why because)", false},
		"internal":  {status(types.StatusCodeInternalError), "could not be read (InternalError: Why because)", false},
		"forbidden": {status(types.StatusCodeForbidden), "may not be read (Forbidden: Why because)", false},
		"missing": {func(in *sdk.GetMetricDataInput, out *sdk.GetMetricDataOutput) {
			for i := range out.MetricDataResults {
				if ofNew(in, i) {
					out.MetricDataResults = append(out.MetricDataResults[:i], out.MetricDataResults[i+1:]...)
					return
				}
			}
		}, "is missing in its answer", false},
		"message": {func(_ *sdk.GetMetricDataInput, out *sdk.GetMetricDataOutput) {
			out.Messages = []types.MessageData{{Code: aws.String("MaxMetricsExceeded"), Value: aws.String("too many")}}
		}, "in part only: MaxMetricsExceeded too many", true},
		"strange id": {func(_ *sdk.GetMetricDataInput, out *sdk.GetMetricDataOutput) {
			out.MetricDataResults[0].Id = aws.String("m00")
		}, "makes no sense", true},
		"no id": {func(_ *sdk.GetMetricDataInput, out *sdk.GetMetricDataOutput) {
			out.MetricDataResults[0].Id = nil
		}, "makes no sense", true},
		"negative": {func(_ *sdk.GetMetricDataInput, out *sdk.GetMetricDataOutput) {
			out.MetricDataResults[0].Values[0] = -3
		}, "was -3 at", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			var heal sync.Once
			s := w.source(func(c2 *Config) {
				c2.Client = tampered{API: w.api, out: func(in *sdk.GetMetricDataInput, out *sdk.GetMetricDataOutput) { heal.Do(func() { c.tamper(in, out) }) }}
			})
			w.serve(oldGroup, w.clock(), requests(5, 1))
			w.serve(newGroup, w.clock(), requests(6, 1))
			from := w.clock()
			to := w.over()
			got := w.counts(s, shopQuery(), from, to)
			isNot(t, "target", got.Target, traffic.Failed, c.words)
			if c.both {
				isNot(t, "source", got.Source, traffic.Failed, c.words)
			} else {
				known(t, "source", got.Source, 5, minuteAt(from).end())
			}
			w.pass(10 * time.Second)
			known(t, "target later", w.counts(s, shopQuery(), from, to).Target, 6, minuteAt(from).end())
		})
	}
}

// TestPages reads all of them.
func TestPages(t *testing.T) {
	w := newTown(t)
	pages := 0
	s := w.source(func(c *Config) {
		c.Client = tampered{API: w.api, in: func(in *sdk.GetMetricDataInput) { in.MaxDatapoints = aws.Int32(3); pages++ }}
	})
	from, sum := w.clock(), int64(0)
	for i := range int64(4) {
		w.serve(oldGroup, w.clock(), requests(i+1, 1))
		w.serve(newGroup, w.clock(), requests(2, 0))
		sum += i + 1
		w.pass(time.Minute)
	}
	w.pass(2 * time.Minute)
	got := w.counts(s, shopQuery(), from, w.clock())
	known(t, "source", got.Source, sum, from.Add(4*time.Minute))
	known(t, "target", got.Target, 8, from.Add(4*time.Minute))
	if got.Source.Value.Errors != 4 || got.Source.Value.Latency.Count() != sum || pages < 10 {
		t.Errorf("%+v, %d pages", got.Source.Value, pages)
	}
}

// TestACallerWithLittleTimeFindsTheAnswerLater.
func TestACallerWithLittleTimeFindsTheAnswerLater(t *testing.T) {
	w := newTown(t)
	s := w.source()
	w.serve(oldGroup, w.clock(), requests(5, 1))
	from := w.clock()
	to := w.over()
	w.server.SetFault(func(_, action string, _ []byte) *lab.Injected {
		return &lab.Injected{Delay: 30 * time.Millisecond}
	})
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	got, err := s.Counts(short, shopQuery(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	isNot(t, "at once", got.Source, traffic.Unknown, "has not answered yet")
	known(t, "later", w.counts(s, shopQuery(), from, to).Source, 5, minuteAt(from).end())
	if n := w.calls(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestNoAnswerInTime(t *testing.T) {
	w := newTown(t)
	s := w.source(func(c *Config) { c.Timeout = 20 * time.Millisecond })
	w.serve(oldGroup, w.clock(), requests(5, 1))
	from := w.clock()
	to := w.over()
	w.server.SetFault(func(_, action string, _ []byte) *lab.Injected { return &lab.Injected{Delay: time.Minute} })
	isNot(t, "source", w.counts(s, shopQuery(), from, to).Source, traffic.Failed, "no answer within 20ms")
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	w := newTown(t)
	s := w.source()
	w.serve(oldGroup, w.clock(), requests(5, 1))
	from := w.clock()
	to := w.over()
	asked := make(chan struct{})
	w.server.SetFault(func(_, action string, _ []byte) *lab.Injected {
		close(asked)
		return &lab.Injected{Delay: time.Minute}
	})
	answered := make(chan signal.Counts)
	go func() { answered <- w.counts(s, shopQuery(), from, to) }()
	<-asked
	s.Close()
	isNot(t, "source", (<-answered).Source, traffic.Failed, "canceled")
	w.server.SetFault(nil)
	w.pass(time.Minute)
	if got := w.counts(s, shopQuery(), from, to).Source; got.State == traffic.Known {
		t.Errorf("a closed source found out %+v", got)
	}
}

func TestWindowsThatCannotBeAnswered(t *testing.T) {
	w := newTown(t)
	s := w.source()
	now := w.clock()
	isNot(t, "in the future", w.counts(s, shopQuery(), now, now.Add(time.Hour)).Source, traffic.Unknown, "in the future")
	isNot(t, "too old", w.counts(s, shopQuery(), now.Add(-16*24*time.Hour), now).Source, traffic.Unknown, "15 days")
	if n := w.calls(); n != 0 {
		t.Errorf("%d calls for them", n)
	}
}

func TestSkewIsTheDateOfTheAnswer(t *testing.T) {
	for ahead, want := range map[time.Duration]time.Duration{
		30 * time.Second: -30 * time.Second, -45 * time.Second: 45 * time.Second, time.Second: 0, 0: 0,
	} {
		w := newTown(t)
		s := w.source(func(c *Config) { c.Now = func() time.Time { return w.clock().Add(ahead) } })
		w.serve(oldGroup, w.clock(), requests(5, 1))
		from := w.clock()
		to := w.over()
		w.pass(time.Minute)
		got := w.counts(s, shopQuery(), from, to).Source
		known(t, "source", got, 5, minuteAt(from).end())
		if got.Value.Skew != want {
			t.Errorf("our clock is %s ahead: skew %s", ahead, got.Value.Skew)
		}
	}
}

// TestWindowsAddUp: whoever asks when, from several goroutines, with failures and
// late numbers between, goes on from the end of what it knew and counts every
// request once.
func TestWindowsAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newTown(t)
		s := w.source()
		w.has(oldGroup, newGroup)
		start := w.clock()
		var served traffic.BySide[traffic.Counts]
		callers := make([]caller, 3)
		for i := range callers {
			callers[i] = caller{from: traffic.BySide[time.Time]{Source: start, Target: start}}
		}
		serve := func(at time.Time) {
			n := rapid.Int64Range(0, 6).Draw(rt, "requests")
			failed := rapid.Int64Range(0, n).Draw(rt, "failed")
			w.serve(oldGroup, at, requests(n, failed))
			served.Source = served.Source.Plus(traffic.Counts{Requests: n, Errors: failed})
			w.serve(newGroup, at, requests(1, 0))
			served.Target = served.Target.Plus(traffic.Counts{Requests: 1})
		}
		for range rapid.IntRange(1, 12).Draw(rt, "turns") {
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				w.server.SetFault(func(_, action string, _ []byte) *lab.Injected {
					if action != "GetMetricData" {
						return nil
					}
					return lab.FaultThrottle()
				})
			case 1:
				w.server.SetFault(nil)
			case 2: // not as late as minutes are looked at again
				serve(w.clock().Add(-time.Minute))
			default:
				serve(w.clock())
			}
			w.pass(time.Duration(rapid.IntRange(1, 100).Draw(rt, "seconds")) * time.Second)
			var all sync.WaitGroup
			for i := range callers {
				if rapid.Bool().Draw(rt, "asks") {
					all.Go(func() { callers[i].ask(w, s, w.clock()) })
				}
			}
			all.Wait()
			s.running.Wait() // what is asked ahead belongs to this turn
		}
		w.server.SetFault(nil)
		end := w.over()
		for i := range callers {
			callers[i].ask(w, s, end)
			if got := callers[i].sum; got.Source.Requests != served.Source.Requests || got.Target.Requests != served.Target.Requests || got.Source.Errors != served.Source.Errors {
				rt.Fatalf("caller %d counted %d and %d requests, %d errors; served were %d and %d, %d", i,
					got.Source.Requests, got.Target.Requests, got.Source.Errors, served.Source.Requests, served.Target.Requests, served.Source.Errors)
			}
		}
		s.Close()
	})
}

// caller asks again from the end of its last known window, side by side.
type caller struct {
	from traffic.BySide[time.Time]
	sum  traffic.BySide[traffic.Counts]
}

func (c *caller) ask(w *town, s *Source, to time.Time) {
	q := shopQuery()
	q.Latency = traffic.BySide[string]{}
	if got := w.counts(s, q, c.from.Source, to).Source; got.State == traffic.Known {
		c.from.Source, c.sum.Source = to, c.sum.Source.Plus(got.Value)
	}
	if got := w.counts(s, q, c.from.Target, to).Target; got.State == traffic.Known {
		c.from.Target, c.sum.Target = to, c.sum.Target.Plus(got.Value)
	}
}

func TestAdviceIsOnlyForWhatAWSSays(t *testing.T) {
	if got := adviceFor(fmt.Errorf("dial: %w", context.Canceled)); got != "" {
		t.Error(got)
	}
	for _, a := range advices {
		if a.advice == "" || strings.HasSuffix(a.advice, ".") {
			t.Errorf("%q", a.advice)
		}
	}
}
