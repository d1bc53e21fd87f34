package accesslog

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// model is a file that is written, rotated and read at random, with who asks for
// windows as the runner does: on from the end of the last one that was known.
type model struct {
	*desk
	t       *rapid.T
	wrote   traffic.BySide[int64] // lines that must be counted
	unread  bool                  // written since the last look
	away    bool
	from    traffic.BySide[time.Time]
	counted traffic.BySide[int64]
}

// TestEveryLineIsCountedOnce writes lines early, late and out of order, and lets
// windows end anywhere.
func TestEveryLineIsCountedOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := &model{desk: newDesk(t, Config{Late: 20 * time.Minute}), t: r}
		m.serve(request{group: oldGroup}, request{group: newGroup})
		start := m.see()
		m.from = traffic.BySide[time.Time]{Source: start, Target: start}
		m.side(traffic.Source, start, start) // from here on no line may come before the start
		r.Repeat(map[string]func(*rapid.T){
			"write": m.writeLine,
			"look":  m.lookNow,
			"pass": func(r *rapid.T) {
				m.pass(time.Duration(rapid.IntRange(1, 4_000_000).Draw(r, "µs")) * time.Microsecond)
			},
			"ask":      func(r *rapid.T) { m.ask(time.Duration(rapid.IntRange(0, 3000).Draw(r, "before")) * time.Millisecond) },
			"rename":   func(*rapid.T) { m.rotateIf(m.desk.rename) },
			"truncate": m.truncateRead,
			"break":    m.breakOrHeal,
		})
		m.finish()
	})
}

func (m *model) writeLine(r *rapid.T) {
	side := rapid.SampledFrom([]traffic.Side{traffic.Source, traffic.Target, traffic.NoSide}).Draw(r, "side")
	ago := time.Duration(rapid.IntRange(-5, 60).Draw(r, "s ago")) * time.Second
	at := m.now().Add(-ago).Add(time.Duration(rapid.IntRange(0, 999_999).Draw(r, "µs")) * time.Microsecond)
	m.write(request{at: at, group: arns.Of(side)}.line())
	m.unread = true
	if at.After(m.history.start) {
		m.wrote = plusOne(m.wrote, side)
	}
}

func plusOne(n traffic.BySide[int64], side traffic.Side) traffic.BySide[int64] {
	switch side {
	case traffic.Source:
		n.Source++
	case traffic.Target:
		n.Target++
	}
	return n
}

func (m *model) lookNow(*rapid.T) {
	m.look(context.Background())
	m.unread = m.unread && m.away
}

func (m *model) rotateIf(rotate func()) {
	if !m.away {
		rotate()
		m.lookNow(nil)
	}
}

// truncateRead truncates only what was read: the rest would really be lost.
func (m *model) truncateRead(*rapid.T) {
	if !m.unread {
		m.rotateIf(m.desk.truncate)
	}
}

func (m *model) breakOrHeal(*rapid.T) {
	if m.away {
		move(m.desk.t, m.path+".away", m.path)
	} else {
		move(m.desk.t, m.path, m.path+".away")
	}
	m.away = !m.away
}

// ask asks each side for a window that ends before now, and twice.
func (m *model) ask(before time.Duration) {
	to := m.now().Add(-before)
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		from := m.from.Of(side)
		if !to.After(from) {
			continue
		}
		value, known := m.side(side, from, to)
		again, stillKnown := m.side(side, from, to)
		if value.Requests != again.Requests || known != stillKnown {
			m.t.Fatalf("%s from %s to %s: first %d (%v), then %d (%v)", side, from, to, value.Requests, known, again.Requests, stillKnown)
		}
		if !known {
			continue
		}
		if side == traffic.Source {
			m.from.Source, m.counted.Source = to, m.counted.Source+value.Requests
		} else {
			m.from.Target, m.counted.Target = to, m.counted.Target+value.Requests
		}
	}
}

func (m *model) side(side traffic.Side, from, to time.Time) (traffic.Counts, bool) {
	q := signal.Query{Requests: traffic.BySide[string]{Source: oldGroup}}
	if side == traffic.Target {
		q.Requests = traffic.BySide[string]{Target: newGroup}
	}
	got, err := m.Counts(context.Background(), q, from, to)
	if err != nil {
		m.t.Fatal(err)
	}
	return got.Of(side).Get()
}

// finish lets all lines become complete, and compares.
func (m *model) finish() {
	if m.away {
		m.breakOrHeal(nil)
	}
	m.write(health(m.now()))
	m.look(context.Background())
	m.pass(10 * time.Second)
	m.write(health(m.now()))
	m.pass(3 * time.Second)
	m.look(context.Background())
	m.pass(time.Second)
	m.ask(0)
	if m.counted != m.wrote {
		m.t.Fatalf("counted %+v of %+v; %+v", m.counted, m.wrote, m.Report())
	}
}
