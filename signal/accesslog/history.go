package accesslog

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"watari.dev/traffic"
)

// maxGroups bounds the memory of one log: a load balancer has 100 target groups
// ("Quotas for your Application Load Balancers").
const maxGroups = 200

// maxBalancers bounds the memory of a log that many write.
const maxBalancers = 200

// cell is what one target group answered in the second that ends at: Unix seconds,
// as windows see it.
type cell struct {
	at       int64
	requests int64
	codes    []codeCount // ascending
	latency  [len(edges) + 1]int64
}

type codeCount struct {
	code  int
	count int64
}

// group is one target group.
type group struct {
	first     int64 // the second from which on the log is known to have it
	cells     []cell
	balancers []*balancer // whose entries have it
	grpc      bool        // it has answered calls of gRPC
}

// balancer is what shows that the log of one load balancer is written. What another one
// logs proves nothing.
type balancer struct {
	alive   []int64 // seconds with any line, ascending
	periods []span  // for which there is a file
}

// look is one reading of the log that ended.
type look struct {
	at  time.Time
	err string // why nothing could be read; empty if it could
}

// span is a stretch of seconds, both ends included, for which there is a file.
type span struct{ first, last int64 }

// history is what was seen of the log. The source's mutex guards it.
type history struct {
	settle, keep, late time.Duration

	start   time.Time // lines up to here are not counted
	asked   time.Time // the end of the latest window that was answered
	horizon int64     // seconds up to here are forgotten
	looks   []look
	groups  map[string]*group
	// balancers by their name in entries
	balancers map[string]*balancer
	report    Report
}

// moment returns the instant of what is read now: after every window that was
// answered already, or its answer would change.
func (h *history) moment(now time.Time) time.Time {
	if !now.After(h.asked) {
		return h.asked.Add(1)
	}
	return now
}

// answer notes that windows up to to are answered.
func (h *history) answer(to, now time.Time) {
	if to.After(now) {
		to = now
	}
	if to.After(h.asked) {
		h.asked = to
	}
}

// second returns the second that an answer given at at, read at moment, belongs to.
// It ends after moment, so no window that was answered changes.
func (h *history) second(at int64, moment time.Time) int64 {
	at += int64(h.settle)
	if m := moment.UnixNano(); at < m {
		at = m
	}
	return (at + int64(time.Second) - 1) / int64(time.Second)
}

// add counts an entry that was read at moment. again says that it is a retry which
// is not to be counted.
func (h *history) add(l line, moment time.Time, again bool) error {
	at := min(l.at, moment.UnixNano()) // clocks differ; nothing is read before it happened
	if at < moment.Add(-h.late).UnixNano() {
		h.report.Late++
		return nil
	}
	b, err := h.balancer(l.elb)
	if err != nil {
		return err
	}
	g, err := h.group(l.group, moment)
	if err != nil {
		return err
	}
	g.behind(b)
	if at <= h.start.UnixNano() {
		h.report.Before++
		return nil
	}
	second := h.second(at, moment)
	b.live(second)
	switch {
	case !l.known:
		h.report.Ignored++
	case again:
		h.report.Retries++
	case g != nil:
		if l.grpc {
			g.grpc = true
			h.report.GRPC++
		}
		g.cell(second).count(l)
	}
	return nil
}

// balancer returns the load balancer of a name.
func (h *history) balancer(name []byte) (*balancer, error) {
	b := h.balancers[string(name)]
	if b == nil {
		if len(h.balancers) >= maxBalancers {
			return nil, fmt.Errorf("the log has more than %d load balancers: give each one a log of its own", maxBalancers)
		}
		b = &balancer{}
		h.balancers[string(name)] = b
	}
	return b, nil
}

// behind notes that b forwards to g.
func (g *group) behind(b *balancer) {
	if g != nil && !slices.Contains(g.balancers, b) {
		g.balancers = append(g.balancers, b)
	}
}

// group returns the target group of an entry that was read at moment, nil for none.
func (h *history) group(arn []byte, moment time.Time) (*group, error) {
	if len(arn) == 0 {
		return nil, nil
	}
	g := h.groups[string(arn)]
	if g == nil {
		if len(h.groups) >= maxGroups {
			return nil, fmt.Errorf("the log has more than %d target groups: give each load balancer a log of its own", maxGroups)
		}
		g = &group{first: h.second(0, moment)}
		h.groups[string(arn)] = g
	}
	return g, nil
}

// live notes that there is a line of the second.
func (b *balancer) live(second int64) {
	if i, found := slices.BinarySearch(b.alive, second); !found {
		b.alive = slices.Insert(b.alive, i, second)
	}
}

// cover notes that a file of a load balancer for the period that ended at end was read
// whole at moment.
func (h *history) cover(name string, end, moment time.Time) error {
	b, err := h.balancer([]byte(name))
	if err != nil {
		return err
	}
	b.periods = append(b.periods, span{h.second(end.Add(-period).UnixNano()+1, moment), h.second(end.UnixNano(), moment)})
	return nil
}

// cell returns the cell of a second. Seconds come nearly in order.
func (g *group) cell(at int64) *cell {
	i := len(g.cells)
	for i > 0 && g.cells[i-1].at > at {
		i--
	}
	if i > 0 && g.cells[i-1].at == at {
		return &g.cells[i-1]
	}
	g.cells = slices.Insert(g.cells, i, cell{at: at})
	return &g.cells[i]
}

func (c *cell) count(l line) {
	c.requests++
	i := sort.Search(len(c.codes), func(i int) bool { return c.codes[i].code >= l.status })
	if i == len(c.codes) || c.codes[i].code != l.status {
		c.codes = slices.Insert(c.codes, i, codeCount{code: l.status})
	}
	c.codes[i].count++
	switch {
	case l.took >= 0:
		bucket, _ := slices.BinarySearch(edges[:], l.took)
		c.latency[bucket]++
	case l.status == statusTimeout:
		c.latency[len(edges)]++
	}
}

// statusTimeout is the balancer's answer when a target did not answer in time.
const statusTimeout = 504

// looked remembers a look that ended at moment, and forgets what is too old.
func (h *history) looked(moment time.Time, err error) {
	l := look{at: moment}
	if err != nil {
		l.err = traffic.Brief(err.Error())
	}
	h.looks = append(h.looks, l)
	h.forget(moment)
}

// forget drops what no window that begins within the last keep needs.
func (h *history) forget(moment time.Time) {
	horizon := moment.Add(-h.keep).Unix()
	if horizon-h.horizon < int64(h.keep/time.Second)/16 {
		return
	}
	h.horizon = horizon
	old := 0 // the last look up to the horizon stays
	for old+1 < len(h.looks) && h.looks[old+1].at.Unix() <= horizon {
		old++
	}
	h.looks = slices.Delete(h.looks, 0, old)
	for _, b := range h.balancers {
		b.alive = slices.Delete(b.alive, 0, max(0, after(b.alive, horizon, self)-1)) // the last one tells since when there is none
		b.periods = slices.DeleteFunc(b.periods, func(p span) bool { return p.last <= horizon })
	}
	for _, g := range h.groups {
		g.cells = slices.Delete(g.cells, 0, after(g.cells, horizon, cellSecond))
	}
}

func self(second int64) int64 { return second }
func cellSecond(c cell) int64 { return c.at }

// after returns the place of the first of all, ascending, whose second is after at.
func after[T any](all []T, at int64, second func(T) int64) int {
	return sort.Search(len(all), func(i int) bool { return second(all[i]) > at })
}
