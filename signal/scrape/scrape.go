package scrape

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"watari.dev/internal/bounded"
	"watari.dev/signal"
	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// Config says what to scrape and how often.
type Config struct {
	Endpoints []string      // URLs of metrics endpoints, http or https; at least one, none twice
	Interval  time.Duration // between two scrapes of one endpoint; 0 is 1 s
	Timeout   time.Duration // of one scrape; 0 is the interval, but at least 1 s
	History   time.Duration // how far back windows may begin; 0 is 10 min
	// Queries are what will be asked: series that they do not select are not remembered,
	// and no other query is answered.
	Queries []signal.Query
	// MaxSeries bounds the series that the queries select, on all endpoints together; a
	// scrape that shows more fails. 0 is 10,000. Each takes up to 14 KB for the History
	// of 10 min when it changes every second.
	MaxSeries int
	Transport http.RoundTripper // nil is one of the source's own
}

// answers is the bound of one answer: 10,000 series take about 1 MB.
var answers = bounded.Answer{Bytes: 32 * bounded.MiB, Do: "scrape a smaller endpoint"}

// Source scrapes while Run runs and answers from what it has seen.
type Source struct {
	interval  time.Duration
	client    *http.Client
	wanted    *wanted
	endpoints []*endpoint
}

var _ signal.Source = (*Source)(nil)

// New returns a source that has not scraped anything yet.
func New(c Config) (*Source, error) {
	if len(c.Endpoints) == 0 {
		return nil, errors.New("scrape: no endpoints: name at least one URL such as http://10.0.0.1:9090/metrics")
	}
	if c.Interval < 0 || c.Timeout < 0 || c.History < 0 || c.MaxSeries < 0 {
		return nil, fmt.Errorf("scrape: interval %s, timeout %s, history %s, %d series: none may be negative", c.Interval, c.Timeout, c.History, c.MaxSeries)
	}
	wanted, err := wantedOf(c.Queries)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	s := &Source{interval: cmp.Or(c.Interval, time.Second), client: bounded.Client(c.Transport, answers.Within(2*c.Timeout)), wanted: wanted}
	room := &room{most: int64(cmp.Or(c.MaxSeries, 10_000))}
	seen := map[string]bool{}
	for _, raw := range c.Endpoints {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("scrape: endpoint %q is not a URL such as http://10.0.0.1:9090/metrics", raw)
		}
		if seen[u.String()] {
			return nil, fmt.Errorf("scrape: endpoint %s is named twice and would be counted twice", u.Redacted())
		}
		seen[u.String()] = true
		s.endpoints = append(s.endpoints, &endpoint{
			url: u, client: s.client,
			timeout: cmp.Or(c.Timeout, max(s.interval, time.Second)),
			wanted:  wanted, room: room,
			history: history{
				keep: cmp.Or(c.History, 10*time.Minute), room: room,
				byKey: map[string]*series{}, byName: map[string][]*series{}, rest: map[rest]*series{},
			},
		})
	}
	return s, nil
}

// Run scrapes every endpoint at once and then at each interval, until ctx is
// done. Endpoints do not wait for each other. It returns nil when all its
// scrapes have ended, and may be called once at a time.
func (s *Source) Run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	var all sync.WaitGroup
	for _, e := range s.endpoints {
		all.Go(func() {
			ticker := time.NewTicker(s.interval)
			defer ticker.Stop()
			for ctx.Err() == nil {
				e.look(ctx)
				select {
				case <-ctx.Done():
				case <-ticker.C:
				}
			}
		})
	}
	all.Wait()
	return nil
}

// Counts implements signal.Source. It answers at once, from memory.
func (s *Source) Counts(_ context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	if to.Before(from) {
		return signal.Counts{}, fmt.Errorf("count signal %s: the window ends at %s, before it begins at %s", q.Name, to, from)
	}
	if q.Requests.Source == "" && q.Requests.Target == "" {
		return signal.Counts{}, fmt.Errorf("count signal %s: neither side says what its requests are", q.Name)
	}
	source, sourceErr := s.side(q, traffic.Source, from, to)
	target, targetErr := s.side(q, traffic.Target, from, to)
	if err := errors.Join(sourceErr, targetErr); err != nil {
		return signal.Counts{}, fmt.Errorf("count signal %s: %w", q.Name, err)
	}
	return signal.Counts{Source: source, Target: target}, nil
}

func (s *Source) side(q signal.Query, side traffic.Side, from, to time.Time) (traffic.Reading[traffic.Counts], error) {
	want, err := selector.Of(q, side)
	if err != nil {
		return traffic.Reading[traffic.Counts]{}, err
	}
	if want.Requests == nil {
		return unknown("nothing says what its requests are"), nil
	}
	if !s.wanted.covers(want) {
		return traffic.Reading[traffic.Counts]{}, fmt.Errorf("%s of the %s was not named when the source was made: what is not asked for is not remembered", want.Requests.Text, side)
	}
	views := make([]view, len(s.endpoints))
	for i, e := range s.endpoints {
		views[i] = e.view(want, from, to)
	}
	return decideReading(want, views, from, to), nil
}
