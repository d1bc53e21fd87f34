package signal_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"watari.dev/signal"
	"watari.dev/signal/memsignal"
	"watari.dev/signal/signaltest"
	"watari.dev/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSidesKeepTheContract gives each side a source that knows nothing of the other.
func TestSidesKeepTheContract(t *testing.T) {
	signaltest.Run(t, func(*testing.T) signaltest.World {
		by := traffic.BySide[*memsignal.Source]{Source: memsignal.New(), Target: memsignal.New()}
		now, served, broken := time.Now().Add(-time.Hour), map[traffic.Side]bool{}, ""
		serve := func(side traffic.Side, c traffic.Counts) {
			served[side] = true
			by.Of(side).Serve(now, side, c)
		}
		return signaltest.World{
			Source: signal.Sides(by.Source, by.Target), Query: signaltest.ExporterQuery(),
			Serve: serve, Resets: true, Restart: func(side traffic.Side) { serve(side, traffic.Counts{Resets: 1}) },
			Break: func(why string) { broken = why }, Heal: func() { broken = "" },
			Look: func(*testing.T) time.Time {
				for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
					state := traffic.Known
					if broken != "" {
						state = traffic.Failed
					} else if !served[side] {
						state = traffic.Unknown
					}
					by.Of(side).Turn(now, side, state, broken)
				}
				at := now
				now = now.Add(time.Second)
				return at
			},
		}
	})
}

// asked is a source that answers what it is told to, and keeps the questions.
type asked struct {
	queries []signal.Query
	err     error
	takes   time.Duration
}

func (a *asked) Counts(ctx context.Context, q signal.Query, _, to time.Time) (signal.Counts, error) {
	a.queries = append(a.queries, q)
	select {
	case <-time.After(a.takes):
	case <-ctx.Done():
		return signal.Counts{}, ctx.Err()
	}
	one := traffic.KnownAt(traffic.Counts{Requests: 1}, to)
	return signal.Counts{Source: one, Target: one}, a.err // more than it was asked for
}

func fullQuery() signal.Query {
	by := func(what string) traffic.BySide[string] {
		return traffic.BySide[string]{Source: what + " of s", Target: what + " of t"}
	}
	return signal.Query{
		Name: "shop", Requests: by("requests"), Errors: by("errors"), Latency: by("latency"),
		Events: []signal.Event{{Name: "paid", Count: by("paid")}},
	}
}

func TestSidesAreAskedForTheirOwn(t *testing.T) {
	q := fullQuery()
	source, target := &asked{}, &asked{}
	to := time.Unix(1000, 0)
	if _, err := signal.Sides(source, target).Counts(t.Context(), q, to.Add(-time.Second), to); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		of   *asked
		side traffic.Side
	}{{source, traffic.Source}, {target, traffic.Target}} {
		if d := cmp.Diff([]signal.Query{q.Only(c.side)}, c.of.queries); d != "" {
			t.Errorf("the %s's source is asked (-want +got):\n%s", c.side, d)
		}
	}
	if d := cmp.Diff(fullQuery(), q); d != "" {
		t.Errorf("the query was changed:\n%s", d)
	}
}

func TestOnly(t *testing.T) {
	want := signal.Query{
		Name: "shop", Requests: traffic.BySide[string]{Target: "requests of t"}, Errors: traffic.BySide[string]{Target: "errors of t"},
		Latency: traffic.BySide[string]{Target: "latency of t"},
		Events:  []signal.Event{{Name: "paid", Count: traffic.BySide[string]{Target: "paid of t"}}},
	}
	if d := cmp.Diff(want, fullQuery().Only(traffic.Target)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSideThatIsNotAskedFor(t *testing.T) {
	q := fullQuery()
	q.Requests.Source = ""
	source, target := &asked{}, &asked{}
	to := time.Unix(1000, 0)
	got, err := signal.Sides(source, target).Counts(t.Context(), q, to.Add(-time.Second), to)
	if err != nil || got.Source.State != traffic.Unknown || got.Source.Err == "" || got.Target.State != traffic.Known {
		t.Errorf("%+v, %v", got, err)
	}
	if len(source.queries) > 0 {
		t.Errorf("the source's source was asked %+v", source.queries)
	}
}

func TestErrorsOfBothSidesAreSaid(t *testing.T) {
	sourceErr, targetErr := errors.New("no selector"), errors.New("no such metric")
	for _, c := range []struct{ source, target error }{{sourceErr, nil}, {nil, targetErr}, {sourceErr, targetErr}} {
		got, err := signal.Sides(&asked{err: c.source}, &asked{err: c.target}).Counts(t.Context(), fullQuery(), time.Now(), time.Now())
		for name, want := range map[string]error{"source": c.source, "target": c.target} {
			said := err != nil && strings.Contains(err.Error(), "ask for the "+name+"'s side: ")
			if said != (want != nil) || want != nil && !errors.Is(err, want) {
				t.Errorf("%v: want %v of the %s", err, want, name)
			}
		}
		if !cmp.Equal(got, signal.Counts{}) {
			t.Errorf("an error comes with %+v", got)
		}
	}
}

func TestSidesAreAskedAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := signal.Sides(&asked{takes: 3 * time.Second}, &asked{takes: 4 * time.Second})
		if _, err := s.Counts(t.Context(), fullQuery(), begin, begin); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 4*time.Second {
			t.Errorf("it took %s, want what the slower one takes", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Counts(ctx, fullQuery(), begin, begin); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
