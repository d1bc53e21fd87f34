package cloudwatch

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/smithy-go/middleware"
	"go.uber.org/goleak"

	"watari.dev/internal/awsclock"
	"watari.dev/lab/alb"
	lab "watari.dev/lab/aws"
	"watari.dev/lab/aws/cloudwatch"
	"watari.dev/lab/dnsserver"
	"watari.dev/signal"
	"watari.dev/signal/signaltest"
	"watari.dev/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	balancerID = "app/shop/50dc6c495c0c9188"
	arnPrefix  = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:"
	oldGroup   = "targetgroup/shop-1-33/73e2d6bc24d8a067"
	newGroup   = "targetgroup/shop-1-36/09966783158cda59"
)

// town is the lab's AWS over HTTP with a clock of its own. The SDK signs with the
// time that it reads in answers, so the clock may not jump by more than signatures
// may be off.
type town struct {
	*testing.T
	server  *lab.Server
	numbers *cloudwatch.Recorder
	aws     aws.Config
	api     *sdk.Client

	mu      sync.Mutex
	now     time.Time
	hosts   []cloudwatch.Hosts
	counted minute // up to which the hosts are published
}

type nothing struct{}

func (nothing) Apply(alb.Config) error     { return nil }
func (nothing) Health(string) []alb.Health { return nil }

type noNames struct{}

func (noNames) Apply([]dnsserver.Zone) {}

func newTown(t *testing.T, change ...func(*lab.Config)) *town {
	w := &town{T: t, numbers: cloudwatch.NewRecorder(), now: time.Now().UTC().Truncate(time.Minute)}
	w.counted = minuteAt(w.now) - 1
	conf := lab.Config{
		Account: "123456789012", Region: "eu-central-1", AccessKey: "AKIALABEXAMPLE", SecretKey: "secret", Seed: 1,
		PropagationDelay: -1, InsyncDelay: -1, ProcessingTime: -1, PublishDelay: time.Minute, Unthrottled: true,
	}
	for _, f := range change {
		f(&conf)
	}
	var err error
	if w.server, err = lab.New(conf, lab.Planes{Balancer: nothing{}, DNS: noNames{}, DNSAddr: "127.0.0.1:53", Numbers: w.numbers, Now: w.clock}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(w.server)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		listening.Close()
	})
	w.aws = aws.Config{
		Region: conf.Region, BaseEndpoint: aws.String(listening.URL), Credentials: credentials.NewStaticCredentialsProvider(conf.AccessKey, conf.SecretKey, ""),
		HTTPClient: client, Retryer: func() aws.Retryer { return onlyTheClock{} },
		APIOptions: []func(*middleware.Stack) error{awsclock.Watch},
	}
	w.api = sdk.NewFromConfig(w.aws)
	return w
}

// onlyTheClock retries nothing but what was signed with another time than AWS's.
type onlyTheClock struct{ aws.NopRetryer }

func (onlyTheClock) MaxAttempts() int                             { return 2 }
func (onlyTheClock) RetryDelay(int, error) (time.Duration, error) { return 0, nil }
func (onlyTheClock) IsErrorRetryable(err error) bool {
	var e interface{ RetryableError() bool }
	return errors.As(err, &e) && e.RetryableError()
}

func (w *town) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

// pass lets time pass; targets are healthy all the while.
func (w *town) pass(d time.Duration) {
	w.mu.Lock()
	w.now = w.now.Add(d)
	for m := w.counted + 1; m <= minuteAt(w.now); m++ {
		w.numbers.Hosts(m.start(), w.hosts...)
		w.counted = m
	}
	w.mu.Unlock()
}

// over lets time pass until the present minute is over and due.
func (w *town) over() time.Time {
	next := minuteAt(w.clock()).end().Add(2 * time.Minute)
	w.pass(next.Sub(w.clock()))
	return next
}

// has gives a group targets, which CloudWatch tells from now on.
func (w *town) has(groups ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range groups {
		h := cloudwatch.Hosts{LoadBalancer: arnPrefix + "loadbalancer/" + balancerID, TargetGroup: arnPrefix + g, Healthy: 2}
		if !slices.Contains(w.hosts, h) {
			w.hosts = append(w.hosts, h)
			w.numbers.Hosts(w.now, h)
		}
	}
}

// took is a response time for each bucket of signaltest's histogram.
var took = []time.Duration{5 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second}

// serve counts requests of a group at the time at.
func (w *town) serve(group string, at time.Time, c traffic.Counts) {
	bucket, left := 0, int64(0)
	for i := range c.Requests {
		for left == 0 && bucket < len(c.Latency.Buckets) {
			left = c.Latency.Buckets[bucket]
			bucket++
		}
		left--
		o := alb.Observation{At: at, LoadBalancer: balancerID, TargetGroup: arnPrefix + group, Chosen: true, Status: 200, TargetStatus: 200, TargetTime: took[max(bucket-1, 0)]}
		if i < c.Errors {
			o.Status, o.TargetStatus = 500, 500
		}
		w.numbers.Observe(o)
	}
}

func (w *town) source(change ...func(*Config)) *Source {
	w.Helper()
	c := Config{Client: w.api, AWS: w.aws, Now: w.clock}
	for _, f := range change {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(s.Close)
	return s
}

// calls returns how often GetMetricData was called, whatever came of it.
func (w *town) calls() (n int) {
	w.Helper()
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, httptest.NewRequest("GET", "/_lab/calls", nil))
	var calls lab.Calls
	if err := json.Unmarshal(recorder.Body.Bytes(), &calls); err != nil {
		w.Fatal(err)
	}
	for _, times := range calls["monitoring"]["GetMetricData"] {
		n += times
	}
	return n
}

func shopQuery() signal.Query {
	both := func(text string) traffic.BySide[string] { return traffic.BySide[string]{Source: text, Target: text} }
	return signal.Query{
		Name:     "shop",
		Requests: traffic.BySide[string]{Source: balancerID + " " + oldGroup, Target: balancerID + " " + newGroup},
		Errors:   both("5xx"), Latency: both("10ms, 100ms, 1s"),
	}
}

func (w *town) counts(s *Source, q signal.Query, from, to time.Time) signal.Counts {
	w.Helper()
	got, err := s.Counts(w.Context(), q, from, to)
	if err != nil {
		w.Fatal(err)
	}
	return got
}

func known(t *testing.T, what string, got traffic.Reading[traffic.Counts], requests int64, at time.Time) {
	t.Helper()
	if got.State != traffic.Known || got.Value.Requests != requests || !got.At.Equal(at) {
		t.Errorf("%s: %s (%s), %d requests up to %s; want %d up to %s", what, got.State, got.Err, got.Value.Requests, clock(got.At), requests, clock(at))
	}
}

func isNot(t *testing.T, what string, got traffic.Reading[traffic.Counts], state traffic.State, words ...string) {
	t.Helper()
	if got.State != state || got.Value.Requests != 0 {
		t.Errorf("%s: %s (%s), %d requests; want %s", what, got.State, got.Err, got.Value.Requests, state)
	}
	for _, word := range words {
		if !strings.Contains(got.Err, word) {
			t.Errorf("%s says %q, without %q", what, got.Err, word)
		}
	}
}

// TestContract: a restart of the application is nothing to a load balancer, and
// CloudWatch remembers what was before.
func TestContract(t *testing.T) {
	signaltest.Run(t, func(t *testing.T) signaltest.World {
		w := newTown(t)
		groups := map[traffic.Side]string{traffic.Source: oldGroup, traffic.Target: newGroup}
		return signaltest.World{
			Source: w.source(), Query: shopQuery(), Malformed: signal.Query{Requests: traffic.BySide[string]{Source: "shop"}}, Remembers: true,
			Serve: func(side traffic.Side, c traffic.Counts) {
				w.has(groups[side])
				w.serve(groups[side], w.clock(), c)
			},
			Restart: func(traffic.Side) {},
			Break: func(string) {
				w.server.SetFault(func(_, action string, _ []byte) *lab.Injected {
					if action != "GetMetricData" {
						return nil
					}
					return lab.FaultInternal()
				})
			},
			Heal: func() { w.server.SetFault(nil) },
			Look: func(*testing.T) time.Time { return w.over() },
		}
	})
}
