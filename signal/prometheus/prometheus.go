package prometheus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"watari.dev/internal/bounded"
	"watari.dev/signal"
	"watari.dev/signal/internal/kinds"
	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// Config says which server to ask, and how.
type Config struct {
	URL string // of the server, with its path prefix if it has one

	// Lookback is how old a counter's last sample may be at an end of a window; 0
	// is 5 min, as in Prometheus. It must be longer than two scrape intervals.
	Lookback time.Duration
	// Settle is how long a scrape may take to become visible: Prometheus stamps
	// samples with the scrape's start and shows them after its end. Both ends of a
	// window are moved back by it, so that no sample appears in a window that was
	// answered already. 0 is 2 s; the scrape timeout is always enough.
	Settle  time.Duration
	Timeout time.Duration // of one Counts; 0 is 10 s

	Username, PasswordFile string            // basic authentication
	BearerTokenFile        string            // read again for each request, since tokens are rotated
	Headers                map[string]string // such as X-Scope-OrgID
	CAFile                 string            // instead of the system's authorities
	CertFile, KeyFile      string            // the client's certificate

	Transport http.RoundTripper // nil is one of the source's own; the TLS files are for that one only
}

// answers is the bound of what the server answers: the raw samples of 5 min, every 15 s,
// of some 50,000 series take that much.
var answers = bounded.Answer{Bytes: 64 * bounded.MiB, Do: "let the selectors name fewer series"}

// Source asks one server.
type Source struct {
	url                       string // for messages
	api                       v1.API
	client                    *http.Client
	lookback, settle, timeout time.Duration

	types asides[kinds.Type]      // of metrics, by name
	names asides[map[string]bool] // of series, by a metric's name
}

var _ signal.Source = (*Source)(nil)

// New returns a source. It reads the TLS files, and asks the server nothing yet.
func New(c Config) (*Source, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("prometheus: %q is not a URL such as http://prometheus:9090", c.URL)
	}
	if c.Lookback < 0 || c.Settle < 0 || c.Timeout < 0 {
		return nil, fmt.Errorf("prometheus %s: lookback %s, settle %s, timeout %s: none may be negative", u.Redacted(), c.Lookback, c.Settle, c.Timeout)
	}
	transport, err := newTransport(c)
	if err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", u.Redacted(), err)
	}
	client := bounded.Client(transport, answers.Within(2*c.Timeout)) // the context ends it first, and says it better
	asker, err := api.NewClient(api.Config{Address: c.URL, Client: client})
	if err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", u.Redacted(), err)
	}
	return &Source{
		url: u.Redacted(), api: v1.NewAPI(asker), client: client,
		lookback: cmp.Or(c.Lookback, 5*time.Minute),
		settle:   cmp.Or(c.Settle, 2*time.Second),
		timeout:  cmp.Or(c.Timeout, 10*time.Second),
	}, nil
}

// Close lets go of connections that are kept for the next question.
func (s *Source) Close() { s.client.CloseIdleConnections() }

// Counts implements signal.Source. Its readings' At is the time of the last
// sample used, of the instance that was scraped least recently.
//
// For each side it asks the server whether the window holds a new sample of requests.
// Without one it asks two more questions: which instances count, answered by one value
// each, and for up of these in the window. With one it asks for all samples since the
// lookback, once per expression, for up where an instance is new or silent, and whether
// each metric without series exists. So what the server finds wrong with another
// expression than that of the requests is said with a new sample only.
func (s *Source) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	if to.Before(from) {
		return signal.Counts{}, fmt.Errorf("count signal %s: the window ends at %s, before it begins at %s", q.Name, to, from)
	}
	if q.Requests.Source == "" && q.Requests.Target == "" {
		return signal.Counts{}, fmt.Errorf("count signal %s: neither side says what its requests are", q.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	ctx, dates := withDates(ctx)
	w := window{from: from.Add(-s.settle), to: to.Add(-s.settle), lookback: s.lookback}
	var counts signal.Counts
	var sourceErr, targetErr error
	var both sync.WaitGroup
	both.Go(func() { counts.Source, sourceErr = s.side(ctx, q, traffic.Source, w) })
	both.Go(func() { counts.Target, targetErr = s.side(ctx, q, traffic.Target, w) })
	both.Wait()
	if err := errors.Join(sourceErr, targetErr); err != nil {
		return signal.Counts{}, fmt.Errorf("count signal %s: %w", q.Name, err)
	}
	for _, r := range []*traffic.Reading[traffic.Counts]{&counts.Source, &counts.Target} {
		if r.State == traffic.Known {
			r.Value.Skew = dates.skew()
		}
	}
	return counts, nil
}

// side reads and decides one side. An error is a mistake in the query.
func (s *Source) side(ctx context.Context, q signal.Query, side traffic.Side, w window) (traffic.Reading[traffic.Counts], error) {
	want, err := selector.Of(q, side)
	if err != nil {
		return traffic.Reading[traffic.Counts]{}, err
	}
	if want.Requests == nil {
		return unknown("nothing says what its requests are"), nil
	}
	reading, err := s.reading(ctx, want, w)
	switch bad := (*v1.Error)(nil); {
	case errors.As(err, &bad) && bad.Type == v1.ErrBadData:
		return traffic.Reading[traffic.Counts]{}, fmt.Errorf("%s refuses the %s's query: %s", s.url, side, bad.Msg)
	case err != nil:
		return traffic.FailedAt[traffic.Counts](s.explained(ctx, err), w.to), nil
	}
	return reading, nil
}

// reading asks for no more than can decide: without a new sample of its requests a
// side is not known, whatever else is new.
func (s *Source) reading(ctx context.Context, want selector.Side, w window) (traffic.Reading[traffic.Counts], error) {
	changed, err := s.changed(ctx, want.Requests, w)
	if err != nil {
		return traffic.Reading[traffic.Counts]{}, err
	}
	if !changed {
		got, err := s.readUnchanged(ctx, want.Requests, w)
		if err != nil {
			return traffic.Reading[traffic.Counts]{}, err
		}
		return decideUnchanged(want.Requests, got, w), nil
	}
	got, err := s.read(ctx, want, w)
	if err != nil {
		return traffic.Reading[traffic.Counts]{}, err
	}
	return s.decide(ctx, want, got, w), nil
}

func (s *Source) explained(ctx context.Context, err error) error {
	answer, outer := (*v1.Error)(nil), (*url.Error)(nil)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s did not answer in time (%s)", s.url, s.timeout)
	case errors.As(err, &answer):
		return fmt.Errorf("%s answered: %s%s", s.url, answer.Msg, firstLine(answer.Detail))
	case errors.As(err, &outer):
		return fmt.Errorf("ask %s: %w", s.url, outer.Err) // the URL is said already
	default:
		return fmt.Errorf("ask %s: %w", s.url, err)
	}
}
