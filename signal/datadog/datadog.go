package datadog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadog"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV1"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV2"

	"watari.dev/internal/bounded"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// Config says whom to ask, and how.
type Config struct {
	Site string // such as datadoghq.eu; empty is datadoghq.com
	URL  string // instead of Site, for a proxy, with its path prefix if it has one; http:// sends the keys in the clear

	// APIKeyFile and AppKeyFile hold the two keys, and are read for each request, since
	// keys are rotated. Empty, the environment's DD_API_KEY and DD_APP_KEY are taken. The
	// application key needs the permissions timeseries_query and metrics_read.
	APIKeyFile, AppKeyFile string

	// Every is the length of a cell in whole seconds, at least 10 s: the Agent flushes
	// every 10 s (docs.datadoghq.com/developers/dogstatsd/data_aggregation). 0 is 20 s, the
	// interval of the API for the last hour (docs.datadoghq.com/dashboards/functions/rollup).
	// It must not be shorter than the metrics' own interval.
	Every time.Duration
	// Delay is how long after its end a cell is taken, when all hosts' points must have
	// arrived; what comes later is not counted. 0 is 1 min: Datadog's pages promise no
	// bound, its support advises against the last 30 s (github.com/kedacore/keda/pull/3954),
	// and points younger than 1 min are known to be incomplete
	// (github.com/google/ts-bridge/issues/8). What cloud providers' metrics need is in
	// docs.datadoghq.com/integrations/guide/cloud-metric-delay: 10 min and more.
	Delay time.Duration
	// Alive is how far two points of a metric may be apart for the cells between them to
	// be zero; at most 100 cells. 0 is 5 min: DogStatsD sends zeros for a counter that long
	// after it was last used (dogstatsd_expiry_seconds of the Agent, 300).
	Alive   time.Duration
	Timeout time.Duration // of one look, which is one request, and some more the first time; 0 is 10 s

	Transport http.RoundTripper // nil is one of the source's own
}

// answers is the bound of what Datadog answers: far more than 300 cells of 24
// expressions need.
var answers = bounded.Answer{Bytes: 8 * bounded.MiB, Do: "let the expressions name fewer groups"}

// Source asks one organization's Datadog. Questions of several goroutines for the same
// cells share one request. Close ends what is under way.
type Source struct {
	name    string // for messages: the site's or proxy's URL
	grid    grid
	timeout time.Duration
	keys    keys
	client  *http.Client
	points  *datadogV2.MetricsApi
	about   *datadogV1.MetricsApi
	now     func() time.Time

	ctx   context.Context // of requests, which outlive whoever asked first
	stop  context.CancelFunc
	asked sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	series   map[string]*series // by expression
	wishes   map[string]wish    // expressions that are asked for, which share requests
	refused  map[string]verdict // expressions that Datadog does not understand
	kinds    map[string]kind    // what metrics are, by name
	flying   *flight            // the request under way
	pause    pause              // until when nothing is asked
	failures int                // in a row
}

var _ signal.Source = (*Source)(nil)

// New returns a source. It asks nothing yet, and does not read the keys yet.
func New(c Config) (*Source, error) {
	conf := datadog.NewConfiguration()
	base, err := baseOf(c, conf.Servers[0].Variables["site"].EnumValues)
	if err != nil {
		return nil, fmt.Errorf("datadog: %w", err)
	}
	g := grid{every: cmp.Or(c.Every, 20*time.Second), delay: cmp.Or(c.Delay, time.Minute), alive: cmp.Or(c.Alive, 5*time.Minute)}
	if err := g.valid(); err != nil {
		return nil, fmt.Errorf("datadog %s: %w", base, err)
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("datadog %s: the timeout %s is negative", base, c.Timeout)
	}
	// The client's own retries wait where nobody can stop them, and do not share: see asking.go.
	conf.Servers = datadog.ServerConfigurations{{URL: base}}
	conf.OperationServers, conf.UserAgent = nil, "watari"
	conf.HTTPClient = bounded.Client(c.Transport, answers.Within(2*c.Timeout)) // the context ends it first, and says it better
	client := datadog.NewAPIClient(conf)
	s := &Source{
		name: base, grid: g, timeout: cmp.Or(c.Timeout, 10*time.Second),
		keys:   keys{apiFile: c.APIKeyFile, appFile: c.AppKeyFile},
		client: conf.HTTPClient, points: datadogV2.NewMetricsApi(client), about: datadogV1.NewMetricsApi(client), now: time.Now,
		series: map[string]*series{}, wishes: map[string]wish{}, refused: map[string]verdict{}, kinds: map[string]kind{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// baseOf returns the URL to which paths are added. Only Datadog's own sites are taken
// as sites, since the keys are sent there.
func baseOf(c Config, sites []string) (string, error) {
	switch {
	case c.Site != "" && c.URL != "":
		return "", errors.New("both a site and a URL are given: choose one")
	case c.URL == "":
		site := cmp.Or(c.Site, "datadoghq.com")
		if !slices.Contains(sites, site) {
			slices.Sort(sites)
			return "", fmt.Errorf("%q is none of Datadog's sites: %s", site, strings.Join(slices.Compact(sites), ", "))
		}
		return "https://api." + site, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the URL is not one such as https://datadog-proxy:8443")
	}
	if u.User != nil {
		return "", fmt.Errorf("the URL %s holds a user's name or password, which would stand in messages", u.Redacted())
	}
	return strings.TrimSuffix(c.URL, "/"), nil
}

func (g grid) valid() error {
	switch {
	case g.every < 10*time.Second || g.every%time.Second != 0:
		return fmt.Errorf("every %s must be whole seconds, and at least the 10s after which agents send", g.every)
	case g.delay < 0 || g.alive < g.every:
		return fmt.Errorf("delay %s must not be negative, and alive %s not shorter than every %s", g.delay, g.alive, g.every)
	case g.span(g.alive) > maxAlive:
		return fmt.Errorf("alive %s is more than %d times every %s", g.alive, maxAlive, g.every)
	default:
		return nil
	}
}

// Close ends requests under way, waits for them, and lets go of connections. Readings
// afterwards are Failed.
func (s *Source) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.asked.Wait()
	s.client.CloseIdleConnections()
}

// Counts implements signal.Source. Its readings' At is the end of the last cell. A
// window may be at most 100 cells long.
func (s *Source) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	sides, err := s.check(q, from, to)
	if err != nil {
		return signal.Counts{}, fmt.Errorf("count signal %s: %w", q.Name, err)
	}
	first, next := s.grid.taken(from), s.grid.taken(to)
	if why := s.outside(first, next, to); why != "" {
		return signal.Counts{Source: unknown("%s", why), Target: unknown("%s", why)}, nil
	}
	expressions := slices.Concat(sides.Source.all(), sides.Target.all())
	err = s.ensure(ctx, expressions, first, next)
	if bad := (*refusal)(nil); errors.As(err, &bad) {
		return signal.Counts{}, fmt.Errorf("count signal %s: %w", q.Name, err)
	}
	return signal.Counts{
		Source: s.reading(sides.Source, first, next, to, err),
		Target: s.reading(sides.Target, first, next, to, err),
	}, nil
}

func (s *Source) check(q signal.Query, from, to time.Time) (sides traffic.BySide[wanted], err error) {
	if to.Before(from) {
		return sides, fmt.Errorf("the window ends at %s, before it begins at %s", to, from)
	}
	if q.Requests.Source == "" && q.Requests.Target == "" {
		return sides, errors.New("neither side says what its requests are")
	}
	var sourceErr, targetErr error
	sides.Source, sourceErr = wantedOf(q, traffic.Source)
	sides.Target, targetErr = wantedOf(q, traffic.Target)
	return sides, errors.Join(sourceErr, targetErr)
}

// outside says why the cells from..to cannot be read now, or nothing.
func (s *Source) outside(from, to int64, end time.Time) string {
	switch {
	case to > s.grid.taken(s.now()):
		return fmt.Sprintf("the window ends at %s, which is still to come", clock(end))
	case from == to:
		return fmt.Sprintf("Datadog is counted in cells of %s, which are taken %s after their end: the next one at %s",
			s.grid.every, s.grid.delay, clock(s.grid.begin(to+1).Add(s.grid.delay)))
	case to-from > maxWindow:
		return fmt.Sprintf("the window is longer than %d cells of %s", maxWindow, s.grid.every)
	default:
		return ""
	}
}

func (s *Source) reading(want wanted, from, to int64, end time.Time, err error) traffic.Reading[traffic.Counts] {
	switch {
	case want.requests == nil:
		return unknown("nothing says what its requests are")
	case err != nil:
		return traffic.FailedAt[traffic.Counts](err, end)
	default:
		return decideReading(s.grid, want, s.seen(want, from), from, to)
	}
}

// seen copies what is known of one side.
func (s *Source) seen(want wanted, from int64) seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := func(e *expression) series {
		if e == nil || s.series[e.text] == nil {
			return series{}
		}
		return s.series[e.text].between(from - s.grid.span(s.grid.alive))
	}
	got := seen{requests: of(want.requests), errors: of(want.errors)}
	for _, e := range want.events {
		got.events = append(got.events, of(e))
	}
	for _, e := range want.all() {
		if s.kinds[e.metric].missing {
			got.missing = append(got.missing, e)
		}
	}
	return got
}
