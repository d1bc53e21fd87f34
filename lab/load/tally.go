package load

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// tally counts the requests of one segment, or all of them. Its size does not
// depend on how many they are: classes are limited by HTTP's codes.
type tally struct {
	sent, inFlight, retries int64

	ended   map[Class]int64
	clients map[Kind]*Client
	latency map[Side]*histogram
}

func newTally() *tally {
	return &tally{ended: map[Class]int64{}, clients: map[Kind]*Client{}, latency: map[Side]*histogram{}}
}

func (t *tally) send(kind Kind) {
	t.sent++
	t.inFlight++
	c := t.clients[kind]
	if c == nil {
		c = &Client{OK: map[Side]int64{}}
		t.clients[kind] = c
	}
	c.Sent++
	c.InFlight++
}

func (t *tally) end(kind Kind, class Class, latency time.Duration, retries int64) {
	t.inFlight--
	t.retries += retries
	t.ended[class]++
	c := t.clients[kind]
	c.InFlight--
	if !class.OK() {
		c.Failed++
		return
	}
	c.OK[class.Side]++
	h := t.latency[class.Side]
	if h == nil {
		h = &histogram{}
		t.latency[class.Side] = h
	}
	h.add(latency)
}

func (t *tally) result() Tally {
	out := Tally{
		Sent: t.sent, InFlight: t.inFlight, Retries: t.retries,
		OK: map[Side]int64{}, Clients: map[Kind]Client{}, Latency: map[Side]Latency{}, Failed: []Failures{},
	}
	for class, n := range t.ended {
		if class.OK() {
			out.OK[class.Side] = n
		} else {
			out.Failed = append(out.Failed, Failures{Class: class, Count: n})
		}
	}
	slices.SortFunc(out.Failed, func(a, b Failures) int {
		return cmp.Or(cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Side, b.Side))
	})
	for kind, c := range t.clients {
		copied := *c
		copied.OK = maps.Clone(c.OK)
		out.Clients[kind] = copied
	}
	for side, h := range t.latency {
		out.Latency[side] = h.summary()
	}
	return out
}
