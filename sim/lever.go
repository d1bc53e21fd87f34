package sim

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"watari.dev/router"
	"watari.dev/traffic"
)

// lever is one route's data plane: what it holds, what it held, and what is on its
// way to it.
type lever struct {
	*world
	Lever
	ref     router.Ref
	parts   []router.Pair
	version int
	writer  string
	foreign bool // the last change was somebody else's

	corrected   string // the write that was sent last over somebody else's
	corrections int    // how many there were
	changed     time.Duration
	past        []state       // oldest first
	pending     int           // writes under way that raise a share
	intruded    time.Duration // when somebody else changed it last
	asked       traffic.Share // what we sent it last; who writes the same is no intruder
	agreed      traffic.Share // what was there when an operator agreed to write over it
	used        time.Duration // when new connections use it
	told        int           // the newest version whose token somebody has got, who can ask what became of it
	teller      *process      // who got it
	by          *process      // whose write arrived last
	broken      breakage      // what cannot be moved of it
}

// state is a lever as it was from a moment on.
type state struct {
	at      time.Duration
	parts   []router.Pair
	version int
	writer  string
	owned   bool // by somebody else, who can be named
}

const (
	sourceEntry = "old"
	targetEntry = "new"
)

func (w *world) newLever(i int, l Lever) *lever {
	out := &lever{world: w, Lever: l, writer: "its creator"}
	out.ref = router.Ref{Name: w.plan.Spec.Routes[i].Name, Driver: "sim", ID: "lever-" + strconv.Itoa(i), Source: sourceEntry, Target: targetEntry}
	for n := range max(1, l.Names) {
		out.parts = append(out.parts, router.Pair{Source: min(100, l.MaxWeight)})
		if l.Names > 0 {
			out.ref.Names = append(out.ref.Names, "n"+strconv.Itoa(n)+".example.com")
		}
	}
	out.remember()
	return out
}

func (l *lever) remember() {
	l.past = append(l.past, state{at: l.now, parts: slices.Clone(l.parts), version: l.version, writer: l.writer, owned: l.foreign})
}

// high and low are the shares of its parts.
func (l *lever) high() (high traffic.Share) {
	for _, p := range l.parts {
		high = max(high, p.Share())
	}
	return high
}

func (l *lever) low() traffic.Share {
	low := traffic.All
	for _, p := range l.parts {
		low = min(low, p.Share())
	}
	return low
}

func (l *lever) is(s traffic.Share) bool { return l.low() == s && l.high() == s }

// set changes parts at once.
func (l *lever) set(who string, foreign bool, parts []router.Pair) {
	l.parts, l.writer, l.foreign, l.changed = parts, who, foreign, l.now
	l.version++
	l.remember()
	l.used = max(l.used, l.now+l.propagation()) // changes are used in their order
	if !foreign {
		l.record(beat{arrived: true, route: l.ref.Name, share: l.high()})
	}
	mean := l.share()
	l.at(l.used, func() { l.users.route(l, mean) })
	if l.tracing {
		l.tell(who, l.ref.Name+" is "+l.describe())
	}
}

// share is the mean of its parts: what users of all names together get.
func (l *lever) share() float64 {
	sum := 0.0
	for _, p := range l.parts {
		sum += float64(p.Target) / float64(max(1, p.Sum()))
	}
	return sum / float64(len(l.parts))
}

func (l *lever) describe() string {
	text := l.low().String()
	if l.high() != l.low() {
		text += " to " + l.high().String()
	}
	return text
}

// propagation is how long the next change takes to be used: mostly a part of the
// bound, and much longer while the data plane is slow.
func (l *lever) propagation() time.Duration {
	if l.conditions[SlowSettling].on(l.now) {
		l.bite(SlowSettling)
		return l.conditions[SlowSettling].until - l.now + l.Propagation
	}
	return time.Duration(float64(l.Propagation) * l.noise())
}

// honest reports whether a process can know when the last change is used: its bound
// was kept, or it can ask what became of it. A clock that was set knows no bounds.
func (l *lever) honest(p *process) bool {
	return l.clock == 0 && (l.teller == p && l.told == l.version || l.used-l.changed <= l.Propagation)
}

// asOf returns the lever as a reader sees it who is behind by d.
func (l *lever) asOf(d time.Duration) state {
	for i := len(l.past) - 1; i > 0; i-- {
		if l.past[i].at <= l.now-d {
			return l.past[i]
		}
	}
	return l.past[0]
}

// driver is the lever as one process reaches it: a router.Driver as the real ones
// are, with the world between it and the data plane.
type driver struct {
	*process
	lever *lever
}

var errReset = errors.New("connection reset")

func (d *driver) fail(op string, kind, cause error, effect router.Effect) error {
	return &router.Error{Op: "sim: " + op, On: d.lever.ref.Name, Kind: kind, Cause: cause, Effect: effect}
}

// Features implements router.Driver.
func (d *driver) Features(context.Context, router.Ref) (router.Features, error) {
	l := d.lever
	return router.Features{MaxWeight: l.MaxWeight, Atomic: l.Atomic, CompareAndSwap: l.Compares, Propagation: l.Propagation, Cached: l.Cached}, nil
}

// call makes an API call as the real drivers do: one that was throttled is tried
// again, up to five times.
func (d *driver) call(ctx context.Context, op string) error {
	for try, wait := 1, 500*time.Millisecond; ; try, wait = try+1, 2*wait {
		err := d.once(ctx, op)
		if err == nil || try == 5 || !errors.Is(err, router.ErrThrottled) || d.pass(ctx, time.Duration(d.noise()*float64(wait))+1) != nil {
			return err
		}
	}
}

// once is one API call: it takes its time, is counted by the account's bucket, and
// wants credentials.
func (d *driver) once(ctx context.Context, op string) error {
	l := d.lever
	d.effect()
	took := time.Duration(0)
	if l.Latency > 0 {
		took = time.Duration(float64(l.Latency) * d.noise())
	}
	if d.conditions[SlowCalls].on(d.now) {
		d.bite(SlowCalls)
		took += time.Duration(d.noise() * float64(8*time.Second))
	}
	if err := d.pass(ctx, took); err != nil {
		return d.fail(op, router.ErrUnavailable, err, router.EffectNothing)
	}
	switch {
	case d.conditions[Denied].on(d.now):
		d.bite(Denied)
		return d.fail(op, router.ErrDenied, errors.New("no policy allows it"), router.EffectNothing)
	case d.conditions[SignedOut].on(d.now):
		d.bite(SignedOut)
		return d.fail(op, router.ErrSignedOut, errors.New("the security token included in the request is expired"), router.EffectNothing)
	case d.conditions[ClockOff].on(d.now):
		d.bite(ClockOff)
		return d.fail(op, router.ErrClockOff, errors.New("signature expired"), router.EffectNothing)
	case d.conditions[Throttled].on(d.now) && d.noise() < 0.9:
		d.bite(Throttled)
		return d.fail(op, router.ErrThrottled, errors.New("rate exceeded"), router.EffectNothing)
	case !l.bucket.take(d.now):
		return d.fail(op, router.ErrThrottled, errors.New("rate exceeded"), router.EffectNothing)
	}
	return nil
}

// Read implements router.Driver.
func (d *driver) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	l := d.lever
	if err := d.call(ctx, "read"); err != nil {
		return router.Snapshot{}, err
	}
	if d.conditions[ReadError].on(d.now) {
		d.bite(ReadError)
		return router.Snapshot{}, d.fail("read", router.ErrUnavailable, errReset, router.EffectNothing)
	}
	if l.gone() {
		d.bite(RouteGone)
		return router.Snapshot{}, d.fail("read", router.ErrNotFound, nil, router.EffectNothing)
	}
	s := l.asOf(d.staleness())
	d.effect()
	d.check.read(d.process, l, s)
	out := router.Snapshot{Version: "v" + strconv.Itoa(s.version), Owners: []traffic.Owner{{Name: s.writer, Sure: traffic.Surely, Proof: "it wrote last"}}, At: d.wall(), Parts: make([]router.Part, len(s.parts))}
	for i, p := range s.parts {
		part := router.Part{Share: p.Share(), Weights: []router.Weight{{Entry: sourceEntry, Side: traffic.Source, Weight: p.Source}, {Entry: targetEntry, Side: traffic.Target, Weight: p.Target}}}
		if l.Names > 0 {
			part.Name = l.ref.Names[i]
		}
		out.Parts[i] = part
	}
	return d.unshown(out), nil
}

// staleness is how far behind a read is.
func (d *driver) staleness() time.Duration {
	if !d.conditions[StaleRead].on(d.now) {
		return 0
	}
	behind := time.Duration(d.noise() * float64(10*time.Second))
	if d.lever.now-behind < d.lever.changed {
		d.bite(StaleRead)
	}
	return behind
}

// Settled implements router.Driver.
func (d *driver) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	l := d.lever
	if err := d.call(ctx, "see whether it settled"); err != nil {
		return router.Settlement{}, err
	}
	if d.conditions[ReadError].on(d.now) {
		d.bite(ReadError)
		return router.Settlement{}, d.fail("see whether it settled", router.ErrUnavailable, errReset, router.EffectNothing)
	}
	if l.gone() {
		d.bite(RouteGone)
		return router.Settlement{}, d.fail("see whether it settled", router.ErrNotFound, nil, router.EffectNothing)
	}
	s := l.asOf(d.staleness())
	d.effect()
	for i, p := range s.parts {
		if l.Names > 0 && !slices.Contains(receipt.Route.Names, l.ref.Names[i]) {
			continue
		}
		if p.Share() != receipt.Share {
			return router.Settlement{}, d.fail("see whether it settled", router.ErrConflict, errors.New("it has another share"), router.EffectNothing)
		}
	}
	// The data plane tells when the change is everywhere; of one whose receipt was
	// lost only the bound is known.
	at := receipt.At.Add(l.Propagation + l.Cached)
	if receipt.Token != "" && receipt.Token == strconv.Itoa(l.version) {
		at = dawn.Add(l.used + l.Cached + d.offset)
	}
	if left := at.Sub(d.wall()); left > 0 {
		return router.Settlement{At: at, Pending: "not everywhere yet"}, nil
	}
	return router.Settlement{Done: true, At: at}, nil
}

// Write implements router.Driver. What it decides is what the real ones decide;
// what becomes of the request is the world's.
func (d *driver) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	l := d.lever
	const op = "set weights"
	err := d.call(ctx, op)
	if !errors.Is(err, router.ErrSignedOut) && !errors.Is(err, router.ErrClockOff) { // which are no tries
		d.check.tried(d.process, c)
	}
	if err != nil {
		return router.Receipt{}, err
	}
	if l.gone() {
		d.bite(RouteGone)
		return router.Receipt{}, d.fail(op, router.ErrNotFound, nil, router.EffectNothing)
	}
	seen := l.version
	bad, is := l.badName()
	if is {
		d.bite(NameRefused)
	}
	if is && (c.Share > traffic.None || c.IfVersion != "") {
		return router.Receipt{}, d.leftOver(bad, nil)
	}
	if err := d.compared(c, l.parts, seen); err != nil {
		d.check.refused(d.process, l, c)
		return router.Receipt{}, err
	}
	parts, share, err := d.wanted(c)
	if err != nil {
		return router.Receipt{}, err
	}
	if !c.NotAfter.IsZero() && d.wall().After(c.NotAfter) {
		return router.Receipt{}, d.fail(op, router.ErrExpired, nil, router.EffectNothing)
	}
	if is {
		parts[bad] = untouched
	}
	if slices.Equal(l.resolved(parts), l.parts) { // whoever wrote it, it is what we want
		l.asked, l.foreign = c.Share, false
		return d.partly(c, d.receipt(c, share), bad, is, false)
	}
	l.asked = c.Share
	d.check.sent(d.process, l, c)
	receipt, err := d.send(ctx, c, parts, share, seen)
	if err != nil {
		return receipt, err
	}
	return d.partly(c, receipt, bad, is, true)
}

// compared refuses a write that rests on another version than there is.
func (d *driver) compared(c router.Change, have []router.Pair, version int) error {
	same := !slices.ContainsFunc(have, func(p router.Pair) bool { return p.Share() != c.Share })
	if c.IfVersion == "" || same || c.IfVersion == "v"+strconv.Itoa(version) {
		return nil
	}
	return d.fail("set weights", router.ErrConflict, errors.New("it was v"+strconv.Itoa(version)), router.EffectNothing)
}

// wanted returns the weights that express the change, and the share that is
// written then: the lowest.
func (d *driver) wanted(c router.Change) (parts []router.Pair, share traffic.Share, err error) {
	share = traffic.All
	for _, have := range d.lever.parts {
		want, err := router.Choose(c.Share, have, 0, d.lever.MaxWeight)
		if err != nil {
			return nil, 0, d.fail("set weights", err, nil, router.EffectNothing)
		}
		share = min(share, want.Share())
		parts = append(parts, want)
	}
	return parts, share, nil
}

func (d *driver) receipt(c router.Change, share traffic.Share) router.Receipt {
	token := strconv.Itoa(d.lever.version)
	if d.noise() < 0.1 {
		token = "" // accepted without an ID
	} else {
		d.lever.told, d.lever.teller = d.lever.version, d.process
	}
	return router.Receipt{ChangeID: c.ID, Route: c.Route, Share: share, Token: token, At: d.wall()}
}

// send lets the request travel.
func (d *driver) send(ctx context.Context, c router.Change, parts []router.Pair, share traffic.Share, seen int) (router.Receipt, error) {
	const op = "set weights"
	l := d.lever
	fault, hit := d.hit(ReplyLost, RequestLost, LateWrite, PartialWrite, ServerError)
	if fault == PartialWrite && (len(parts) < 2 || l.Atomic) {
		fault = ReplyLost
	}
	if hit {
		d.bite(fault)
	}
	switch fault {
	case ServerError: // which says nothing of what it did
		if d.noise() < 0.5 {
			_ = l.arrive(d.process, c, parts, seen) // nobody hears of it
		}
		return router.Receipt{}, d.fail(op, router.ErrUnavailable, errors.New("HTTP 500"), router.EffectUnknown)
	case RequestLost:
		return router.Receipt{}, d.lost(ctx, op)
	case LateWrite:
		late := d.now + time.Second + time.Duration(d.noise()*float64(latest-time.Second))
		d.underWay(c, 1)
		d.at(late, func() {
			d.underWay(c, -1)
			l.intruded = l.now                      // by a hand of our own, which is as unexpected
			_ = l.arrive(d.process, c, parts, seen) // whoever asked has given up
		})
		return router.Receipt{}, d.fail(op, router.ErrUnavailable, errReset, router.EffectUnknown)
	case PartialWrite:
		n := 1 + int(d.noise()*float64(len(parts)-1))
		some := append(slices.Clone(parts[:n]), l.parts[n:]...)
		_ = l.arrive(d.process, c, some, seen) // the caller hears that the connection broke
		d.effect()
		return router.Receipt{}, &router.Error{Op: "sim: " + op, On: l.ref.Name, Kind: router.ErrUnavailable, Cause: errReset, Effect: router.EffectPartial, Changed: l.ref.Names[:n]}
	}
	var refused error
	if l.Latency > 0 {
		done := false
		d.underWay(c, 1)
		d.at(d.now+time.Duration(float64(l.Latency)*d.noise()/2), func() {
			done, refused = true, l.arrive(d.process, c, parts, seen)
			d.underWay(c, -1)
		})
		if err := d.pass(ctx, l.Latency); err != nil || !done {
			return router.Receipt{}, d.fail(op, router.ErrUnavailable, err, router.EffectUnknown)
		}
	} else {
		refused = l.arrive(d.process, c, parts, seen)
	}
	d.effect()
	if refused != nil {
		return router.Receipt{}, refused
	}
	if fault == ReplyLost {
		return router.Receipt{}, d.lost(ctx, op)
	}
	return d.receipt(c, share), nil
}

// lost is a reply that does not come: the connection breaks at once, or nothing is
// heard until the caller gives up.
func (d *driver) lost(ctx context.Context, op string) error {
	cause := errReset
	if d.noise() < 0.5 {
		cause = d.pass(ctx, time.Hour)
	}
	return d.fail(op, router.ErrUnavailable, cause, router.EffectUnknown)
}

// underWay counts requests on their way that raise a share.
func (d *driver) underWay(c router.Change, n int) {
	if c.Share > traffic.None {
		d.lever.pending += n
	}
}

// arrive is the request at the data plane. One that compares refuses what rests on
// another version.
func (l *lever) arrive(p *process, c router.Change, parts []router.Pair, seen int) error {
	if l.Compares && seen != l.version && c.IfVersion != "" {
		return &router.Error{Op: "sim: set weights", On: l.ref.Name, Kind: router.ErrConflict, Effect: router.EffectNothing}
	}
	parts = l.resolved(parts)
	if slices.Equal(parts, l.parts) {
		return nil
	}
	before := l.high()
	l.set("watari", false, slices.Clone(parts))
	l.by = p
	l.check.arrived(l, c, before)
	return nil
}

// bucket is the calls that an account may make.
type bucket struct {
	rate, burst, tokens float64
	at                  time.Duration
}

func (b *bucket) take(now time.Duration) bool {
	if b.rate <= 0 {
		return true
	}
	b.tokens = min(b.burst, b.tokens+b.rate*(now-b.at).Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
