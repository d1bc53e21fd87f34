package aws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	metrics "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"watari.dev/lab/alb"
	"watari.dev/lab/aws/cloudwatch"
	"watari.dev/lab/aws/wire"
)

const (
	webID   = "app/web/50dc6c495c0c9188"
	blueID  = "targetgroup/blue/73e2d6bc24d8a067"
	blueARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:" + blueID
)

// watch is an emulator with a clock of its own, from the nearest quarter of an
// hour on. The SDK follows it: it signs with the time that it reads in answers.
type watch struct {
	*testing.T
	api     *metrics.Client
	server  *Server
	numbers *cloudwatch.Recorder
	mu      sync.Mutex
	now     time.Time
}

func newWatch(t *testing.T, change ...func(*Config)) *watch {
	w := &watch{T: t, numbers: cloudwatch.NewRecorder(), now: time.Now().UTC().Round(15 * time.Minute)}
	conf := testConfig()
	conf.PublishDelay = time.Minute
	for _, f := range change {
		f(&conf)
	}
	planes := Planes{Balancer: &fakePlane{}, DNS: &fakeNames{}, DNSAddr: "127.0.0.1:53", Numbers: w.numbers, Now: w.clock}
	var err error
	if w.server, err = New(conf, planes, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(w.server)
	t.Cleanup(listening.Close)
	w.api = metrics.NewFromConfig(sdk.Config{
		Region: conf.Region, BaseEndpoint: sdk.String(listening.URL), Credentials: credentials.NewStaticCredentialsProvider(conf.AccessKey, conf.SecretKey, ""),
		Retryer: func() sdk.Retryer { return onlyTheClock{} },
	})
	return w
}

// onlyTheClock retries nothing but what was signed with another time than AWS's.
type onlyTheClock struct{ sdk.NopRetryer }

func (onlyTheClock) MaxAttempts() int                             { return 2 }
func (onlyTheClock) RetryDelay(int, error) (time.Duration, error) { return 0, nil }
func (onlyTheClock) IsErrorRetryable(err error) bool {
	var e interface{ RetryableError() bool }
	return errors.As(err, &e) && e.RetryableError()
}

func (w *watch) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *watch) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

// serve counts n answered requests now.
func (w *watch) serve(n int, status int, took time.Duration) {
	for range n {
		w.numbers.Observe(alb.Observation{At: w.clock(), LoadBalancer: webID, TargetGroup: blueARN, Chosen: true, Status: status, TargetStatus: status, TargetTime: took})
	}
}

func query(id, name, stat string, group ...string) types.MetricDataQuery {
	m := &types.Metric{Namespace: sdk.String("AWS/ApplicationELB"), MetricName: &name, Dimensions: []types.Dimension{{Name: sdk.String("LoadBalancer"), Value: sdk.String(webID)}}}
	for _, g := range group {
		m.Dimensions = append(m.Dimensions, types.Dimension{Name: sdk.String("TargetGroup"), Value: &g})
	}
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{Metric: m, Period: sdk.Int32(60), Stat: &stat}}
}

func (w *watch) data(start, end time.Time, queries ...types.MetricDataQuery) (*metrics.GetMetricDataOutput, error) {
	return w.api.GetMetricData(w.Context(), &metrics.GetMetricDataInput{StartTime: &start, EndTime: &end, MetricDataQueries: queries, ScanBy: types.ScanByTimestampAscending})
}

// want compares one result: minutes since start and their values.
func want(t *testing.T, out *metrics.GetMetricDataOutput, err error, start time.Time, id string, pairs ...float64) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(out.MetricDataResults, func(r types.MetricDataResult) bool { return *r.Id == id })
	if i < 0 {
		t.Fatalf("no result %s in %d", id, len(out.MetricDataResults))
	}
	r := out.MetricDataResults[i]
	var got []float64
	for i, at := range r.Timestamps {
		got = append(got, at.Sub(start).Minutes(), r.Values[i])
	}
	if !slices.Equal(got, pairs) || r.StatusCode != types.StatusCodeComplete {
		t.Errorf("%s: minutes and values %v, %s; want %v", id, got, r.StatusCode, pairs)
	}
}

func TestMetricsAppearAfterTheirDelayAndNeverAsZero(t *testing.T) {
	w := newWatch(t)
	start := w.clock()
	w.serve(3, 200, 20*time.Millisecond)
	w.serve(1, 503, 2*time.Second)
	w.pass(2 * time.Minute)
	w.numbers.Observe(alb.Observation{At: w.clock(), LoadBalancer: webID, TargetGroup: blueARN, Chosen: true, Status: 502, TargetTime: -1, ConnectionError: true})
	w.numbers.Observe(alb.Observation{At: w.clock(), LoadBalancer: webID, TargetGroup: blueARN, Status: 503, TargetTime: -1}) // no target to choose
	ask := func() (*metrics.GetMetricDataOutput, error) {
		return w.data(start, start.Add(time.Hour),
			query("n", "RequestCount", "Sum", blueID), query("all", "RequestCount", "Sum"), query("e", "HTTPCode_Target_5XX_Count", "Sum", blueID),
			query("elb", "HTTPCode_ELB_5XX_Count", "Sum"), query("none", "HTTPCode_ELB_5XX_Count", "Sum", blueID),
			query("c", "TargetConnectionErrorCount", "Sum", blueID), query("fast", "TargetResponseTime", "TC(:0.02)", blueID),
			query("slow", "TargetResponseTime", "TC(0.02:)", blueID), query("p", "TargetResponseTime", "p99", blueID))
	}
	out, err := ask()
	want(t, out, err, start, "n", 0, 4) // one minute after the first minute's end
	out, err = ask()
	want(t, out, err, start, "elb")
	w.pass(2 * time.Minute)
	out, err = ask()
	want(t, out, err, start, "n", 0, 4, 2, 1)
	want(t, out, err, start, "all", 0, 4, 2, 1)
	want(t, out, err, start, "e", 0, 1)
	want(t, out, err, start, "elb", 2, 2)
	want(t, out, err, start, "none")
	want(t, out, err, start, "c", 2, 1)
	want(t, out, err, start, "fast", 0, 3)
	want(t, out, err, start, "slow", 0, 1)
	want(t, out, err, start, "p", 0, 2)
}

func TestMetricDataTimes(t *testing.T) {
	w := newWatch(t)
	start := w.clock()
	for range 6 {
		w.serve(1, 200, 0)
		w.pass(time.Minute)
	}
	w.pass(time.Minute)
	n := query("n", "RequestCount", "Sum", blueID)
	out, err := w.data(start.Add(90*time.Second), start.Add(3*time.Minute), n)
	want(t, out, err, start, "n", 1, 1, 2, 1) // rounded down; the end is exclusive
	out, err = w.data(start.Add(90*time.Second), start.Add(3*time.Minute+time.Second), n)
	want(t, out, err, start, "n", 1, 1, 2, 1, 3, 1)
	n.MetricStat.Period = sdk.Int32(180)
	out, err = w.data(start, start.Add(time.Hour), n)
	want(t, out, err, start, "n", 0, 3, 3, 3)
	n.MetricStat.Period = sdk.Int32(60)
	out, err = w.data(start.Add(-16*24*time.Hour), start.Add(time.Hour), n)
	want(t, out, err, start, "n") // minutes are kept for 15 days
	n.MetricStat.Period = sdk.Int32(300)
	out, err = w.data(start.Add(-16*24*time.Hour), start.Add(time.Hour), n)
	want(t, out, err, start, "n", 0, 5, 5, 1)
	n.MetricStat.Unit = types.StandardUnitSeconds
	out, err = w.data(start, start.Add(time.Hour), n)
	want(t, out, err, start, "n")
	newest, err := w.api.GetMetricData(w.Context(), &metrics.GetMetricDataInput{StartTime: &start, EndTime: sdk.Time(start.Add(time.Hour)), MetricDataQueries: []types.MetricDataQuery{query("n", "RequestCount", "Sum", blueID)}})
	if r := must(t, newest, err).MetricDataResults[0]; len(r.Timestamps) != 6 || !r.Timestamps[0].After(r.Timestamps[5]) {
		t.Errorf("without ScanBy the newest is not the first: %v", r.Timestamps)
	}
}

func TestMetricDataPages(t *testing.T) {
	w := newWatch(t)
	start := w.clock()
	for range 5 {
		w.serve(2, 200, 0)
		w.pass(time.Minute)
	}
	w.pass(time.Minute)
	in := &metrics.GetMetricDataInput{
		StartTime: &start, EndTime: sdk.Time(start.Add(time.Hour)), MaxDatapoints: sdk.Int32(3), ScanBy: types.ScanByTimestampAscending,
		MetricDataQueries: []types.MetricDataQuery{query("a", "RequestCount", "Sum"), query("b", "RequestCount", "Sum", blueID)},
	}
	in.MetricDataQueries[0].Label = sdk.String("all")
	sums, pages, partial := map[string]float64{}, 0, 0
	for pager := metrics.NewGetMetricDataPaginator(w.api, in); pager.HasMorePages(); pages++ {
		out, err := pager.NextPage(w.Context())
		for _, r := range must(t, out, err).MetricDataResults {
			for _, v := range r.Values {
				sums[*r.Id+" "+*r.Label] += v
			}
			if r.StatusCode == types.StatusCodePartialData {
				partial++
			}
		}
	}
	if pages != 4 || sums["a all"] != 10 || sums["b RequestCount"] != 10 || partial != 5 { // the third page ends the first result
		t.Errorf("%d pages, %v, %d times PartialData", pages, sums, partial)
	}
	for _, token := range []string{"nonsense", "AAAAAAAAAAAAAAAAAAAAAA=="} {
		in.NextToken = &token
		_, err := w.api.GetMetricData(w.Context(), in)
		wantCode(t, err, "InvalidNextToken")
	}
	in.NextToken, in.MetricDataQueries[0].ReturnData = nil, sdk.Bool(false)
	if out, err := w.api.GetMetricData(w.Context(), in); len(must(t, out, err).MetricDataResults) != 1 {
		t.Error("a query with ReturnData false was returned")
	}
}

func TestMetricDataRefuses(t *testing.T) {
	w := newWatch(t)
	for name, c := range map[string]struct {
		change func(*metrics.GetMetricDataInput)
		code   string
	}{
		"no query":  {func(in *metrics.GetMetricDataInput) { in.MetricDataQueries = []types.MetricDataQuery{} }, "MissingParameter"},
		"backwards": {func(in *metrics.GetMetricDataInput) { in.StartTime = in.EndTime }, "ValidationError"},
		"bad id":    {func(in *metrics.GetMetricDataInput) { in.MetricDataQueries[0].Id = sdk.String("N") }, "ValidationError"},
		"id twice": {func(in *metrics.GetMetricDataInput) {
			in.MetricDataQueries = append(in.MetricDataQueries, in.MetricDataQueries[0])
		}, "ValidationError"},
		"expression": {func(in *metrics.GetMetricDataInput) {
			in.MetricDataQueries[0] = types.MetricDataQuery{Id: sdk.String("e"), Expression: sdk.String("SUM(METRICS())")}
		}, "ValidationError"},
		"expression, stat":  {func(in *metrics.GetMetricDataInput) { in.MetricDataQueries[0].Expression = sdk.String("1") }, "ValidationError"},
		"half a minute":     {func(in *metrics.GetMetricDataInput) { in.MetricDataQueries[0].MetricStat.Period = sdk.Int32(30) }, "ValidationError"},
		"unknown statistic": {func(in *metrics.GetMetricDataInput) { in.MetricDataQueries[0].MetricStat.Stat = sdk.String("Most") }, "ValidationError"},
		"too many points":   {func(in *metrics.GetMetricDataInput) { in.MaxDatapoints = sdk.Int32(100_801) }, "ValidationError"},
		"bad order":         {func(in *metrics.GetMetricDataInput) { in.ScanBy = "Sideways" }, "ValidationError"},
		"another account":   {func(in *metrics.GetMetricDataInput) { in.MetricDataQueries[0].AccountId = sdk.String("210987654321") }, "ValidationError"},
		"501 queries": {func(in *metrics.GetMetricDataInput) {
			in.MetricDataQueries = nil
			for i := range 501 {
				in.MetricDataQueries = append(in.MetricDataQueries, query(fmt.Sprint("m", i), "RequestCount", "Sum"))
			}
		}, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &metrics.GetMetricDataInput{StartTime: sdk.Time(w.clock()), EndTime: sdk.Time(w.clock().Add(time.Minute)), MetricDataQueries: []types.MetricDataQuery{query("n", "RequestCount", "Sum")}}
			c.change(in)
			_, err := w.api.GetMetricData(t.Context(), in)
			wantCode(t, err, c.code)
		})
	}
}

func TestMetricStatistics(t *testing.T) {
	w := newWatch(t)
	start := w.clock()
	w.serve(4, 200, 250*time.Millisecond)
	w.pass(2 * time.Minute)
	in := &metrics.GetMetricStatisticsInput{
		Namespace: sdk.String("AWS/ApplicationELB"), MetricName: sdk.String("TargetResponseTime"), StartTime: &start, EndTime: sdk.Time(start.Add(time.Hour)), Period: sdk.Int32(60),
		Dimensions: query("x", "", "", blueID).MetricStat.Metric.Dimensions,
		Statistics: []types.Statistic{types.StatisticAverage, types.StatisticSampleCount}, ExtendedStatistics: []string{"p99"},
	}
	out, err := w.api.GetMetricStatistics(t.Context(), in)
	if must(t, out, err); len(out.Datapoints) != 1 {
		t.Fatalf("%+v", out)
	}
	d := out.Datapoints[0]
	if *d.Average != 0.25 || *d.SampleCount != 4 || d.Sum != nil || d.ExtendedStatistics["p99"] != 0.25 || d.Unit != types.StandardUnitSeconds || !d.Timestamp.Equal(start) {
		t.Errorf("%+v", d)
	}
	in.EndTime = sdk.Time(start.Add(1441 * time.Minute))
	_, err = w.api.GetMetricStatistics(t.Context(), in)
	wantCode(t, err, "InvalidParameterCombination")
	in.EndTime, in.Statistics = sdk.Time(start.Add(time.Hour)), []types.Statistic{"Median"}
	_, err = w.api.GetMetricStatistics(t.Context(), in)
	wantCode(t, err, "InvalidParameterValue")
	in.Statistics, in.ExtendedStatistics = nil, nil
	_, err = w.api.GetMetricStatistics(t.Context(), in)
	wantCode(t, err, "MissingParameter")
}

func TestListMetrics(t *testing.T) {
	w := newWatch(t)
	w.serve(1, 200, 0)
	list := func(in metrics.ListMetricsInput) (names []string) {
		for pager := metrics.NewListMetricsPaginator(w.api, &in); pager.HasMorePages(); {
			out, err := pager.NextPage(t.Context())
			for _, m := range must(t, out, err).Metrics {
				names = append(names, fmt.Sprint(*m.MetricName, " ", len(m.Dimensions)))
			}
		}
		return names
	}
	if got := list(metrics.ListMetricsInput{}); len(got) != 0 {
		t.Errorf("listed before its delay: %v", got)
	}
	w.pass(2 * time.Minute)
	if got := list(metrics.ListMetricsInput{}); !slices.Equal(got, []string{"HTTPCode_Target_2XX_Count 1", "HTTPCode_Target_2XX_Count 2", "RequestCount 1", "RequestCount 2", "TargetResponseTime 1", "TargetResponseTime 2"}) {
		t.Errorf("%v", got)
	}
	filtered := metrics.ListMetricsInput{MetricName: sdk.String("RequestCount"), Dimensions: []types.DimensionFilter{{Name: sdk.String("TargetGroup"), Value: sdk.String(blueID)}}, RecentlyActive: types.RecentlyActivePt3h}
	if got := list(filtered); !slices.Equal(got, []string{"RequestCount 2"}) {
		t.Errorf("%v", got)
	}
	for i := range 600 {
		w.numbers.Observe(alb.Observation{At: w.clock(), LoadBalancer: fmt.Sprint("app/x/", i), Chosen: true, TargetTime: -1})
	}
	for range 24 {
		w.pass(10 * time.Minute)
		list(filtered)
	}
	if got := list(metrics.ListMetricsInput{MetricName: sdk.String("RequestCount")}); len(got) != 602 {
		t.Errorf("%d metrics over two pages", len(got))
	}
	if got := list(filtered); len(got) != 0 {
		t.Errorf("4 hours later recently active: %v", got)
	}
}

// TestCloudWatchErrors: what fails before the service looks at a call, in its
// own shape.
func TestCloudWatchErrors(t *testing.T) {
	w := newWatch(t, func(c *Config) {
		c.Unthrottled = false
		c.Throttle = map[string]wire.Rate{"monitoring/GetMetricData": {Burst: 2, PerSecond: 0.001}}
	})
	ask := func() error {
		_, err := w.data(w.clock(), w.clock().Add(time.Minute), query("n", "RequestCount", "Sum"))
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	w.server.SetFault(func(service, action string, _ []byte) *Injected {
		if service != "monitoring" || action != "GetMetricData" {
			t.Errorf("asked about %s %s", service, action)
		}
		return &Injected{Err: &wire.Error{Status: 403, Code: "ExpiredToken", Message: "The security token included in the request is expired"}}
	})
	wantCode(t, ask(), "ExpiredToken")
	w.server.SetFault(nil)
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, ask(), "Throttling")
	_, err := w.api.DescribeAlarms(t.Context(), &metrics.DescribeAlarmsInput{})
	wantCode(t, err, "InvalidAction")
}

// TestTheRealBalancerReports: requests through real listeners and the health of
// real targets are what CloudWatch shows, of the groups that the control plane
// made.
func TestTheRealBalancerReports(t *testing.T) {
	numbers := cloudwatch.NewRecorder()
	balancer := alb.New(alb.Options{Seed: 1, Observe: numbers.Observe})
	defer balancer.Close()
	var later atomic.Int64 // how far the clock is ahead
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	conf := testConfig()
	conf.PublishDelay = time.Minute
	server, err := New(conf, Planes{Balancer: balancer, DNS: &fakeNames{}, DNSAddr: "127.0.0.1:53", Numbers: numbers, Now: now}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	listening := httptest.NewServer(server)
	defer func() {
		listening.Close()
		cancel()
		running.Wait()
	}()
	h := &harness{T: t, ctx: t.Context(), server: server, url: listening.URL}
	h.connect(conf.AccessKey, conf.SecretKey)
	start := time.Now().Add(-time.Minute)
	lb, blue, green := h.loadBalancer("web"), h.targetGroup("blue"), h.targetGroup("green")
	l := *h.listener(*lb.LoadBalancerArn, 80, forward(blue, 1, green, 0)).ListenerArn
	ip, port := pod(t, "240.3", "hello")
	for _, group := range []string{blue, green} {
		if _, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: []elbtypes.TargetDescription{{Id: &ip, Port: &port}}}); err != nil {
			t.Fatal(err)
		}
	}
	h.until("the listener is there", func() bool { return len(server.elb.Endpoints()[l].Addresses) == 2 })
	h.until("both groups are healthy", func() bool {
		hosts := server.hosts()
		return len(hosts) == 2 && hosts[0].Healthy+hosts[1].Healthy == 2
	})
	numbers.Hosts(now(), server.hosts()...)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 6 {
		answer, err := client.Get("http://" + server.elb.Endpoints()[l].Addresses[0] + "/")
		if err != nil || answer.StatusCode != 200 {
			t.Fatal(answer, err)
		}
		answer.Body.Close()
	}
	later.Store(int64(3 * time.Minute))
	api := metrics.NewFromConfig(sdk.Config{Region: "eu-central-1", BaseEndpoint: &h.url, Credentials: credentials.NewStaticCredentialsProvider(conf.AccessKey, conf.SecretKey, "")})
	ask := func(name, stat, group string) (total float64) {
		q := query("n", name, stat)
		q.MetricStat.Metric.Dimensions[0].Value = sdk.String(strings.SplitN(*lb.LoadBalancerArn, "loadbalancer/", 2)[1])
		if group != "" {
			q.MetricStat.Metric.Dimensions = append(q.MetricStat.Metric.Dimensions, types.Dimension{Name: sdk.String("TargetGroup"), Value: sdk.String(group[strings.LastIndex(group, ":")+1:])})
		}
		end := now()
		out, err := api.GetMetricData(h.ctx, &metrics.GetMetricDataInput{StartTime: &start, EndTime: &end, MetricDataQueries: []types.MetricDataQuery{q}})
		for _, v := range must(t, out, err).MetricDataResults[0].Values {
			total += v
		}
		return total
	}
	h.until("six requests are shown", func() bool { return ask("RequestCount", "Sum", blue) == 6 })
	for what, c := range map[string][2]float64{
		"of the balancer":   {ask("RequestCount", "Sum", ""), 6},
		"answered with 2XX": {ask("HTTPCode_Target_2XX_Count", "Sum", blue), 6},
		"fast":              {ask("TargetResponseTime", "TC(:5)", blue), 6},
		"of the idle group": {ask("RequestCount", "SampleCount", green), 0},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %v, want %v", what, c[0], c[1])
		}
	}
	if ask("HealthyHostCount", "Maximum", green) < 1 {
		t.Error("the idle group's targets are not reported")
	}
}
