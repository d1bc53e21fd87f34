package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"watari.dev/traffic"
)

// world is a small deterministic world around Step: levers that can misbehave,
// users, a signal, operators. The scenario scripts and the properties run in it.
type world struct {
	spec     Spec
	status   Status
	evidence Evidence // that the last turn went by
	now      time.Time
	start    time.Time

	levers map[string]*lever
	signal bool // the signal can be read at all
	silent bool // the signal has no data of the target

	sightless, skewed, restarting bool          // the signal has no data of the source; its clocks disagree; the source's counters begin again
	crashing                      bool          // and the target's
	noted                         bool          // it notes something about the target's counts
	failingService                string        // the only one that fails on the target; empty for all
	signalService                 string        // the only one whose signal is not ok; empty for all
	leak                          traffic.Share // a part of all requests that reaches the source past the levers
	rate                          int64
	failing                       traffic.BySide[float64] // error ratio of each side
	latency                       time.Duration           // of the target
	timing                        traffic.BySide[timing]

	counted  time.Time
	carry    map[string]*traffic.BySide[carried]
	results  map[string]*Result
	commands []Command
	saw      Status // what an operator looked at last
	wake     Wake
	orders   int

	crashAfterSave  bool // the next write is saved but its process dies before it is applied
	crashAfterWrite bool // the next write is applied but its process dies before it can save the result
	swallowed       bool // requests to the target are lost before anybody counts them
	log             []string
	turns           int
}

// lever is one route's data plane.
type lever struct {
	share, cap     traffic.Share
	low            traffic.Share // of some of its names, which is lower only where somebody else wrote it
	version        int
	owner          *traffic.Owner // who wrote last, where somebody else did and is known
	settles        time.Duration
	written, read  time.Time
	intruded       time.Time
	last           string // ID of the last write, for idempotence
	throttle       int    // refuse that many writes
	loseReply      int    // do that many writes without a reply
	loseWrite      int    // lose that many writes before they do anything
	denied, unread bool
	expired        bool // credentials: nothing is written
	clockOff       bool // nothing is written
	clockOffUnread bool // nothing is read for the same reason
	neverSettles   bool
	bad            string        // what is wrong with one of its names, api.example.com: refused or deleted; or gone, of all of it
	badShare       traffic.Share // what that name has
	late           traffic.Share // a write that arrives late
	lateAt         time.Time
	lateWrite      time.Duration // the next write arrives that much later, without a reply
	partial        int           // let that many writes change some of its names only, without a reply
	stale          time.Duration // how far behind reads are
	past           []held        // what it held, oldest first
	race           func()        // what somebody else does between our look and our next write
}

// held is what a lever holds until a moment.
type held struct {
	until      time.Time
	low, share traffic.Share
	version    int
	owner      *traffic.Owner
}

// hold gives a lever shares from now on.
func (l *lever) hold(now time.Time, low, share traffic.Share, owner *traffic.Owner) {
	l.past = append(l.past, l.held(now))
	l.low, l.share, l.owner = low, share, owner
	l.version++
}

func (l *lever) held(until time.Time) held { return held{until, l.low, l.share, l.version, l.owner} }

// shown is what a reader sees, who may be behind.
func (l *lever) shown(now time.Time) held {
	for _, before := range l.past {
		if l.stale > 0 && before.until.After(now.Add(-l.stale)) {
			return before
		}
	}
	return l.held(now)
}

var dawn = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(spec Spec) *world {
	w := &world{spec: spec, now: dawn, start: dawn, counted: dawn, levers: map[string]*lever{}, carry: map[string]*traffic.BySide[carried]{}, signal: true, rate: 200, latency: 20 * time.Millisecond}
	for _, r := range spec.Routes {
		w.levers[r.Name] = &lever{settles: 2 * time.Second, cap: traffic.All}
	}
	w.restart()
	return w
}

// restart is a new process: it remembers the status and nothing else.
func (w *world) restart() {
	b, err := json.Marshal(w.status)
	if err != nil {
		panic(err)
	}
	w.status = Status{}
	if err := json.Unmarshal(b, &w.status); err != nil {
		panic(err)
	}
	w.status = w.status.TakenOver(w.now)
	w.results = map[string]*Result{}
	w.wake = Wake{At: w.now}
	for name := range w.levers {
		w.wake.Look = append(w.wake.Look, name)
	}
}

// lookEvery is how often a route is read at most.
func (w *world) lookEvery(name string) time.Duration {
	for _, r := range w.spec.Routes {
		if r.Name == name {
			return r.LookEvery
		}
	}
	return 0
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for !w.wake.At.After(end) && w.turns < 1_000_000 {
		if w.wake.At.After(w.now) {
			w.now = w.wake.At
		}
		if !w.turn() {
			break
		}
	}
	w.now = end
}

// turn runs one turn and reports whether another is wanted.
func (w *world) turn() bool {
	w.turns++
	seen := w.observe()
	status, intents := Step(w.spec, w.status, seen, w.now)
	w.status, w.commands, w.evidence = status, nil, status.Evidence
	w.results = map[string]*Result{}
	more := false
	for _, in := range intents {
		switch in := in.(type) {
		case Note:
			w.say("%s", in.Text)
		case Wake:
			w.wake, more = in, true
		case Write:
			if w.crashAfterSave {
				w.crashAfterSave = false
				w.say("killed between save and apply")
				w.restart()
				return true
			}
			w.results[in.Route] = w.apply(in)
			if w.crashAfterWrite {
				w.crashAfterWrite = false
				w.say("killed between write and save")
				w.restart()
				return true
			}
		}
	}
	return more
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%8s  %s", w.now.Sub(w.start), fmt.Sprintf(format, args...)))
}

func (w *world) observe() Observation {
	seen := Observation{Routes: map[string]RouteSeen{}, Commands: w.commands, Counts: w.count()}
	for name, res := range w.results {
		seen.Routes[name] = RouteSeen{Result: res}
	}
	for _, name := range w.wake.Look {
		l := w.levers[name]
		l.tick(w.now)
		rs := seen.Routes[name]
		if l.bad == "gone" {
			rs.Found = traffic.FailedAt[Found](errors.New("there is no such rule"), w.now)
			rs.Broken, rs.Fatal = l.left(), true
		} else if l.clockOffUnread {
			rs.Found = traffic.FailedAt[Found](errors.New("the clock is off"), w.now)
			rs.Local = true
		} else if l.unread {
			rs.Found = traffic.FailedAt[Found](errors.New("connection refused"), w.now)
		} else {
			l.read = w.now
			shown := l.shown(w.now)
			rs.Found = traffic.KnownAt(Found{Low: shown.low, High: shown.share, Version: fmt.Sprint("v", shown.version), Owner: shown.owner, At: w.now}, w.now)
			l.showBad(&rs)
			if r := w.route(name); r != nil && r.Written != nil && !r.Written.Settled {
				done := !l.neverSettles && w.now.Sub(l.written) >= l.settles
				rs.Settled = traffic.KnownAt(Settlement{Done: done, Pending: "not INSYNC yet"}, w.now)
			}
		}
		seen.Routes[name] = rs
	}
	return seen
}

func (w *world) route(name string) *RouteStatus {
	for i := range w.status.Routes {
		if w.status.Routes[i].Name == name {
			return &w.status.Routes[i]
		}
	}
	return nil
}

func (l *lever) tick(now time.Time) {
	if !l.lateAt.IsZero() && !l.lateAt.After(now) {
		l.lateAt = time.Time{}
		l.hold(now, l.late, l.late, nil)
	}
}

// count closes an interval of whole seconds since the last one.
func (w *world) count() []Interval {
	seconds := int64(w.now.Sub(w.counted) / time.Second)
	if seconds <= 0 {
		return nil
	}
	from := w.counted
	w.counted = from.Add(time.Duration(seconds) * time.Second)
	services := []string{""}
	if a := w.spec.Gate.Analysis; a != nil {
		services = nil
		for _, s := range a.Services {
			services = append(services, s.Name)
		}
	}
	var out []Interval
	for _, name := range services {
		in := w.countService(name, float64(w.rate*seconds)/float64(len(services)))
		in.From, in.To = traffic.BySide[time.Time]{Source: from, Target: from}, w.counted
		out = append(out, in)
	}
	return out
}

func (w *world) countService(name string, total float64) Interval {
	in := Interval{Service: name}
	seen := w.signalService != "" && name != w.signalService // what is wrong is wrong with another one
	if !w.signal && !seen {
		failed := traffic.FailedAt[traffic.Counts](errors.New("connection refused"), w.now)
		in.Source, in.Target = failed, failed
		return in
	}
	var share float64
	for _, l := range w.levers {
		share += l.share.Ratio() / float64(len(w.levers))
	}
	share *= 1 - w.leak.Ratio()
	if w.carry[name] == nil {
		w.carry[name] = &traffic.BySide[carried]{}
	}
	failing := w.failing.Target
	if w.failingService != "" && name != w.failingService {
		failing = 0
	}
	in.Source = w.answered(total*(1-share), w.failing.Source, 20*time.Millisecond, &w.carry[name].Source)
	in.Target = w.answered(total*share, failing, w.latency, &w.carry[name].Target)
	in.Source, in.Target = w.timing.Source.of(in.Source, 20*time.Millisecond), w.timing.Target.of(in.Target, w.latency)
	if w.swallowed {
		in.Target = traffic.KnownAt(traffic.Counts{}, w.now)
	}
	if seen {
		return in
	}
	if w.skewed {
		in.Source.Value.Skew = 40 * time.Second
	}
	if w.restarting {
		in.Source.Value.Resets = 1
	}
	if w.noted {
		in.Target.Note = "several servers store the same series"
	}
	if w.crashing {
		in.Target.Value.Resets = 1
	}
	if w.silent {
		in.Target = traffic.Reading[traffic.Counts]{}
	}
	if w.sightless {
		in.Source = traffic.Reading[traffic.Counts]{}
	}
	return in
}

// carried is what of the requests and errors makes no whole one yet.
type carried struct{ requests, errors float64 }

func (w *world) answered(requests, failing float64, latency time.Duration, carry *carried) traffic.Reading[traffic.Counts] {
	carry.requests += requests
	n := int64(carry.requests + 1e-9)
	carry.requests -= float64(n)
	carry.errors += float64(n) * failing
	errs := int64(carry.errors + 1e-9)
	carry.errors -= float64(errs)
	h := traffic.Histogram{Edges: []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second}, Buckets: make([]int64, 4)}
	for i := range h.Buckets {
		if i == len(h.Edges) || latency <= h.Edges[i] {
			h.Buckets[i] = n
			break
		}
	}
	return traffic.KnownAt(traffic.Counts{Requests: n, Errors: min(errs, n), Latency: h}, w.now)
}

// apply does what the data plane does with a write.
func (w *world) apply(in Write) *Result {
	l := w.levers[in.Route]
	res := &Result{ID: in.ID, At: w.now}
	if race := l.race; race != nil {
		l.race = nil
		race()
	}
	switch {
	case l.clockOff:
		res.Outcome, res.Err, res.RetryAt = Held, "the clock is off", w.now.Add(5*time.Second)
		return res
	case l.expired:
		res.Outcome, res.Err, res.RetryAt = Held, "credentials have expired", w.now.Add(5*time.Second)
		return res
	case l.denied:
		res.Outcome, res.Err = Denied, "access denied"
		return res
	case l.throttle > 0:
		l.throttle--
		res.Outcome, res.Err = Refused, "throttled"
		return res
	case l.loseWrite > 0:
		l.loseWrite--
		res.Err = "connection reset"
		return res
	case l.lateWrite > 0:
		l.late, l.lateAt, l.lateWrite = min(in.Share, l.cap), w.now.Add(l.lateWrite), 0
		res.Err = "connection reset"
		return res
	case in.IfVersion != "" && in.IfVersion != fmt.Sprint("v", l.version):
		res.Outcome, res.Err = Refused, "changed by somebody else since it was read"
		return res
	}
	if l.bad != "" {
		return l.applyBad(w.now, in, res)
	}
	goal := min(in.Share, l.cap)
	l.written, l.last = w.now, in.ID
	if l.partial > 0 {
		l.partial--
		l.hold(w.now, min(l.low, goal), max(l.share, goal), nil)
		res.Err = "connection reset"
		return res
	}
	l.hold(w.now, goal, goal, nil)
	if l.loseReply > 0 {
		l.loseReply--
		res.Err = "connection reset"
		return res
	}
	res.Outcome, res.Share = Accepted, l.share
	return res
}

// command is a command about what is there now.
func (w *world) command(verb Verb) { w.give(w.status.Bound(Command{Verb: verb})) }

func (w *world) give(c Command) {
	w.orders++
	c.ID, c.By, c.At = fmt.Sprint("c", w.orders), "anna", w.now
	w.commands = append(w.commands, c)
	w.wake.At = w.now
	if w.status.Phase.Ended() {
		w.wake.Look = nil
	}
}

// intrude is somebody else's write: all names of a route at share, or some of them
// at low.
func (w *world) intrude(name string, low, share traffic.Share, who *traffic.Owner) {
	l := w.levers[name]
	l.hold(w.now, low, share, who)
	l.intruded = w.now
}

// state is one line for scripts.
func (w *world) state() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s step %d", w.status.Phase, w.status.Step+1)
	for _, r := range w.spec.Routes {
		fmt.Fprintf(&b, "  %s %s", r.Name, w.levers[r.Name].share)
	}
	if w.status.Reason != "" {
		fmt.Fprintf(&b, "\n  %s", w.status.Reason)
	}
	return b.String()
}
