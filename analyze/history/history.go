// Package history reads what counters showed in the past from a Prometheus server (or
// what speaks its HTTP API). It asks for the raw samples, a piece of time after the
// other, and has package signal/prometheus make counts of each interval of it, so that
// what a counter means is decided where it is for a live migration: counters that begin
// again, dips, other labels, several servers of the same. It only reads. What the server
// does not say stays missing.
package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"watari.dev/analyze"
	"watari.dev/internal/bounded"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// The bounds of what is asked for. A piece is so short that the samples of some
// thousand series, every 15 s, are one answer, and so long that few are asked for.
const (
	piece         = time.Hour
	mostPieces    = 2_000 // 83 days
	mostIntervals = 500_000
	lookback      = 5 * time.Minute // Prometheus's own: what is gone for longer is gone
	longestGap    = 2 * time.Minute // how far back a window may reach, as in the runner
)

// Config says which server to ask.
type Config struct {
	URL       string
	Timeout   time.Duration     // of one question; 0 is 1 min
	Transport http.RoundTripper // nil is the standard one
}

// Server answers questions about the past.
type Server struct {
	url     string // for messages
	api     v1.API
	client  *http.Client
	timeout time.Duration
}

// New returns a server, and asks nothing yet.
func New(c Config) (*Server, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("prometheus: %q is not a URL such as http://prometheus:9090", c.URL)
	}
	client := bounded.Client(c.Transport, bounded.Answer{
		Bytes: 128 * bounded.MiB, Do: "select fewer series, ask for less time or a longer --every", Time: 2 * cmp.Or(c.Timeout, time.Minute), // the context ends it first, and says it better
	})
	asker, err := api.NewClient(api.Config{Address: c.URL, Client: client})
	if err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", u.Redacted(), err)
	}
	return &Server{url: u.Redacted(), api: v1.NewAPI(asker), client: client, timeout: cmp.Or(c.Timeout, time.Minute)}, nil
}

// Close lets go of connections that are kept for the next question.
func (s *Server) Close() { s.client.CloseIdleConnections() }

// MistakeError says that a selector cannot be counted, or that there is more to ask
// than is sensible: what was asked for is wrong, and asking again does not help.
type MistakeError struct{ Text string }

// Error implements error.
func (m *MistakeError) Error() string { return m.Text }

// Ask is what to read: Query's selectors from From to To, Every apart.
type Ask struct {
	Query    signal.Query
	From, To time.Time
	Every    time.Duration
}

// Read asks the server of each side for everything, which may be the same. progress is
// told after each piece of time how many there are done, and how many there will be. A
// *MistakeError is what no repetition cures.
func Read(ctx context.Context, servers traffic.BySide[*Server], a Ask, progress func(done, all int)) (analyze.Readings, error) {
	r := &reader{ask: a, servers: servers, from: traffic.BySide[time.Time]{Source: a.From, Target: a.From}}
	r.out = analyze.Readings{Service: analyze.Service{Full: a.Query.Latency.Source != ""}, From: a.From, Every: a.Every}
	for _, e := range a.Query.Events {
		r.out.Service.Events = append(r.out.Service.Events, e.Name)
	}
	pieces := int((a.To.Sub(a.From) + piece - 1) / piece)
	if n := int(a.To.Sub(a.From) / a.Every); n > mostIntervals || pieces > mostPieces {
		return r.out, &MistakeError{fmt.Sprintf("that are %d intervals over %s to ask %s for, more than %d or more than %d days: ask for less time or a longer --every",
			n, a.To.Sub(a.From), servers.Source.url, mostIntervals, int(mostPieces*piece/(24*time.Hour)))}
	}
	for n := range pieces {
		from := a.From.Add(time.Duration(n) * piece)
		to := from.Add(piece)
		if to.After(a.To) {
			to = a.To
		}
		if err := r.piece(ctx, from, to); err != nil {
			return r.out, err
		}
		progress(n+1, pieces)
	}
	return r.out, r.check()
}

// reader counts interval after interval, as the runner of a migration does: each side
// from where its last known window ended.
type reader struct {
	ask     Ask
	servers traffic.BySide[*Server]
	from    traffic.BySide[time.Time]
	known   traffic.BySide[time.Time] // when a side was known last
	why     traffic.BySide[string]    // a side was not known, at last
	out     analyze.Readings
}

// piece counts the intervals that end after from, up to to.
func (r *reader) piece(ctx context.Context, from, to time.Time) error {
	since := from.Add(-lookback - r.gap() - r.ask.Every)
	pasts := traffic.BySide[*past]{Source: newPast(r.servers.Source, since, to.Add(time.Second))}
	pasts.Target = pasts.Source
	if r.servers.Target != r.servers.Source {
		pasts.Target = newPast(r.servers.Target, since, to.Add(time.Second))
	}
	for at := r.ask.From.Add(from.Sub(r.ask.From).Truncate(r.ask.Every)).Add(r.ask.Every); !at.After(to); at = at.Add(r.ask.Every) {
		if err := r.interval(ctx, pasts, at); err != nil {
			return err
		}
	}
	return nil
}

// gap is how far back a window may reach after a side was not known for a while.
func (r *reader) gap() time.Duration { return max(longestGap, 5*r.ask.Every) }

// interval counts both sides up to to.
func (r *reader) interval(ctx context.Context, pasts traffic.BySide[*past], to time.Time) error {
	var in traffic.BySide[traffic.Reading[traffic.Counts]]
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		if r.ask.Query.Requests.Of(side) == "" {
			continue
		}
		p := pasts.Of(side)
		counts, err := p.source.Counts(ctx, r.ask.Query.Only(side), r.from.Of(side), to)
		if p.err != nil {
			return p.err
		}
		if err != nil {
			return &MistakeError{strings.TrimPrefix(err.Error(), "count signal "+r.ask.Query.Name+": ")}
		}
		if side == traffic.Source {
			in.Source = counts.Source
		} else {
			in.Target = counts.Target
		}
	}
	r.pair(&in, to)
	if r.ask.Query.Requests.Source != "" {
		r.out.Source = append(r.out.Source, r.take(in.Source, &r.from.Source, &r.known.Source, &r.why.Source, to))
	}
	if r.ask.Query.Requests.Target != "" {
		r.out.Target = append(r.out.Target, r.take(in.Target, &r.from.Target, &r.known.Target, &r.why.Target, to))
	}
	return nil
}

// pair holds a side back that is known while the other one, known a moment ago, has
// nothing new yet: sides that are scraped at different moments would never be known
// together, and only what is known together can be compared.
func (r *reader) pair(in *traffic.BySide[traffic.Reading[traffic.Counts]], to time.Time) {
	recent := func(known time.Time) bool {
		return !known.IsZero() && to.Sub(known) < max(r.ask.Every*5/2, time.Minute)
	}
	source, target := in.Source.State == traffic.Known, in.Target.State == traffic.Known
	waits := traffic.Reading[traffic.Counts]{Err: "counted together with the other side, which has nothing new yet"}
	switch {
	case source && in.Target.State == traffic.Unknown && recent(r.known.Target):
		in.Source = waits
	case target && in.Source.State == traffic.Unknown && recent(r.known.Source):
		in.Target = waits
	}
}

// take takes down what is known of a side, and where its next window begins.
func (r *reader) take(c traffic.Reading[traffic.Counts], from, known *time.Time, why *string, to time.Time) analyze.Reading {
	out := analyze.Reading{From: *from, Reading: c}
	if c.State == traffic.Known {
		*known = to
	} else {
		*why = c.Err
	}
	if c.State == traffic.Known || known.IsZero() || to.Sub(*from) > r.gap() {
		*from = to
	}
	return out
}

// check makes sure that what was never known is no zero.
func (r *reader) check() error {
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		if r.ask.Query.Requests.Of(side) != "" && r.known.Of(side).IsZero() {
			return fmt.Errorf("%s has nothing that can be counted of the %s from %s to %s: %s; correct the selector, or the time",
				r.servers.Of(side).url, side, r.ask.From.Format(time.DateTime), r.ask.To.Format(time.DateTime), r.why.Of(side))
		}
	}
	return nil
}

// query asks the server.
func (s *Server) query(ctx context.Context, text string, at time.Time) (model.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	value, warnings, err := s.api.Query(ctx, text, at)
	if err != nil {
		return nil, s.explained(ctx, text, err)
	}
	if len(warnings) > 0 {
		return nil, fmt.Errorf("ask %s for %s: its answer may be incomplete: %s", s.url, text, strings.Join(warnings, "; "))
	}
	return value, nil
}

func (s *Server) explained(ctx context.Context, text string, err error) error {
	answer, outer := (*v1.Error)(nil), (*url.Error)(nil)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("ask %s for %s: no answer within %s: ask for less time or a longer --every", s.url, text, s.timeout)
	case errors.As(err, &answer):
		return fmt.Errorf("ask %s for %s: it answered: %s", s.url, text, answer.Msg)
	case errors.As(err, &outer):
		return fmt.Errorf("ask %s: %w; see whether the URL is right and reachable from here", s.url, outer.Err) // the URL is said already
	default:
		return fmt.Errorf("ask %s: %w", s.url, err)
	}
}
