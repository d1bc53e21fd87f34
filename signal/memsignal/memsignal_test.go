package memsignal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"watari.dev/signal"
	"watari.dev/signal/signaltest"
	"watari.dev/traffic"
)

func TestContract(t *testing.T) {
	signaltest.Run(t, func(*testing.T) signaltest.World {
		source, now := New(), time.Now().Add(-time.Hour)
		served, broken := map[traffic.Side]bool{}, ""
		serve := func(side traffic.Side, c traffic.Counts) {
			served[side] = true
			source.Serve(now, side, c)
		}
		look := func(*testing.T) time.Time {
			for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
				switch {
				case broken != "":
					source.Turn(now, side, traffic.Failed, broken)
				case served[side]:
					source.Turn(now, side, traffic.Known, "")
				default:
					source.Turn(now, side, traffic.Unknown, "no counters")
				}
			}
			at := now
			now = now.Add(time.Second)
			return at
		}
		return signaltest.World{
			Source: source, Query: signaltest.ExporterQuery(),
			Serve: serve, Resets: true, Restart: func(side traffic.Side) { // what was served stays served
				if served[side] {
					serve(side, traffic.Counts{Resets: 1})
				}
			},
			Break: func(why string) { broken = why }, Heal: func() { broken = "" }, Look: look,
		}
	})
}

func TestTurnsAreSaidWithTheirReason(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	s := New()
	s.Turn(at(0), traffic.Source, traffic.Known, "")
	s.Serve(at(1), traffic.Source, traffic.Counts{Requests: 5})
	s.Turn(at(2), traffic.Source, traffic.Failed, "connection refused")
	s.Serve(at(3), traffic.Source, traffic.Counts{Requests: 7})
	s.Turn(at(4), traffic.Source, traffic.Known, "")
	s.Turn(at(6), traffic.Source, traffic.Unknown, "scaled to zero")
	q := signal.Query{Requests: traffic.BySide[string]{Source: "yes", Target: "yes"}}
	for _, c := range []struct {
		from, to int
		want     traffic.Reading[traffic.Counts]
	}{
		{-1, 1, traffic.Reading[traffic.Counts]{Err: "not watched at the beginning of the window"}},
		{0, 1, traffic.KnownAt(traffic.Counts{Requests: 5}, at(1))},
		{0, 3, traffic.Reading[traffic.Counts]{At: at(3), State: traffic.Failed, Err: "connection refused"}},
		{2, 3, traffic.Reading[traffic.Counts]{At: at(3), State: traffic.Failed, Err: "connection refused"}},
		{3, 4, traffic.KnownAt(traffic.Counts{Requests: 7}, at(4))},
		{0, 5, traffic.KnownAt(traffic.Counts{Requests: 12}, at(5))},
		{5, 6, traffic.Reading[traffic.Counts]{Err: "scaled to zero"}},
	} {
		got, err := s.Counts(t.Context(), q, at(c.from), at(c.to))
		if err != nil || got.Source.State != c.want.State || got.Source.Err != c.want.Err || !got.Source.At.Equal(c.want.At) || got.Source.Value.Requests != c.want.Value.Requests {
			t.Errorf("(%d, %d]: got %+v, %v; want %+v", c.from, c.to, got.Source, err, c.want)
		}
		if got.Target.State != traffic.Unknown {
			t.Errorf("(%d, %d]: target %+v", c.from, c.to, got.Target)
		}
	}
}

func TestEventsAreThoseThatAreAskedFor(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	s := New()
	s.Turn(at(0), traffic.Source, traffic.Known, "")
	s.Serve(at(1), traffic.Source, traffic.Counts{Requests: 5, Events: []int64{3, 9}, Resets: 1, Skew: -4 * time.Second})
	s.Serve(at(2), traffic.Source, traffic.Counts{Requests: 2, Events: []int64{1}})
	yes := traffic.BySide[string]{Source: "yes"}
	q := signal.Query{Requests: yes, Events: []signal.Event{{Count: yes}, {Count: yes}, {Count: yes}}}
	for _, c := range []struct {
		from, to int
		want     traffic.Counts
	}{
		{0, 1, traffic.Counts{Requests: 5, Events: []int64{3, 5, 0}, Resets: 1, Skew: -4 * time.Second}},
		{1, 2, traffic.Counts{Requests: 2, Events: []int64{1, 0, 0}}},
		{0, 2, traffic.Counts{Requests: 7, Events: []int64{4, 7, 0}, Resets: 1, Skew: -4 * time.Second}},
		{2, 3, traffic.Counts{Events: []int64{0, 0, 0}}},
	} {
		got, err := s.Counts(t.Context(), q, at(c.from), at(c.to))
		if d := cmp.Diff(c.want, got.Source.Value); err != nil || d != "" {
			t.Errorf("(%d, %d]: %v (-want +got):\n%s", c.from, c.to, err, d)
		}
	}
}
