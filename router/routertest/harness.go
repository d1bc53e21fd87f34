package routertest

import (
	"testing"
	"time"

	"watari.dev/router"
	"watari.dev/traffic"
)

// Harness is a driver with one route that the suite may do anything to.
type Harness struct {
	Driver router.Driver
	// Route is a lever with an entry for each side: the source's weight is 100,
	// the target's is 0, and there is nobody else's entry.
	Route router.Ref
	// Absent is a route of the same driver whose lever does not exist.
	Absent router.Ref

	// Truth returns the weights in the data plane, read without the driver.
	Truth func() []router.Part
	// Intrude sets both weights of every part, as somebody else would do it.
	Intrude func(source, target int64)
	// Foreign gives every part one more entry of this weight.
	Foreign func(weight int64)

	// Inject makes calls of the data plane fail from now on, Heal ends that.
	Inject func(Fault)
	Heal   func()
	// Advance lets the time of the driver and of the data plane pass; Now is what it
	// is.
	Advance func(time.Duration)
	Now     func() time.Time

	// Breaks are the ways, by name, in which one part of a route with several parts
	// becomes one that cannot be moved. A driver of several parts must have some.
	Breaks map[string]Break

	// Checks bounds the sequences that the property test tries; 0 leaves it to
	// rapid's own flag. For data planes where each call takes its time.
	Checks int
}

// Break makes the part of one name one that cannot be moved, until Mend.
type Break struct {
	Do    func(name string)
	Mend  func(name string)
	Shown bool // reading names it; otherwise only a write finds out
}

// Kind is what goes wrong with a call.
type Kind string

// The ways in which a data plane fails.
const (
	Throttled   Kind = "throttled"    // refused because of too many calls; nothing happened
	Denied      Kind = "denied"       // refused for want of permission; nothing happened
	RequestLost Kind = "request lost" // the connection broke before anything happened
	ReplyLost   Kind = "reply lost"   // the connection broke after it happened
	Stalled     Kind = "stalled"      // no answer until the caller gives up
	Slow        Kind = "slow"         // it takes Fault.Takes by the driver's clock, and succeeds
)

// Fault makes calls of the data plane fail.
type Fault struct {
	Kind   Kind
	Writes bool // hits the calls that modify; the others otherwise
	Times  int  // how many calls; 0 means all until Heal
	// Takes is how slow a Slow call is. One that does not modify is slow before a
	// write is sent; where a driver needs none for that, its harness lets the time
	// pass before the write all the same.
	Takes time.Duration
}

// weights returns what the two sides of p have and the entries of others.
func weights(route router.Ref, p router.Part) (have router.Pair, others map[string]int64) {
	others = map[string]int64{}
	for _, w := range p.Weights {
		switch w.Entry {
		case route.Source:
			have.Source = w.Weight
		case route.Target:
			have.Target = w.Weight
		default:
			others[w.Entry] = w.Weight
		}
	}
	return have, others
}

// share returns the one share that all parts have in the data plane.
func (h Harness) share(t testing.TB) traffic.Share {
	t.Helper()
	parts := h.Truth()
	if len(parts) == 0 {
		t.Fatal("the data plane has no part of the route")
	}
	first, _ := weights(h.Route, parts[0])
	for _, p := range parts[1:] {
		if have, _ := weights(h.Route, p); have.Share() != first.Share() {
			t.Fatalf("the parts differ: %s has %s, %s has %s", parts[0].Name, first.Share(), p.Name, have.Share())
		}
	}
	return first.Share()
}
