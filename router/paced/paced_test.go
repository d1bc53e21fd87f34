package paced_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"watari.dev/router"
	"watari.dev/router/memrouter"
	"watari.dev/router/paced"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestContract(t *testing.T) {
	for name, names := range map[string][]string{"one part": nil, "three names": {"a", "b", "c"}} {
		t.Run(name, func(t *testing.T) {
			routertest.Run(t, func(*testing.T) routertest.Harness { return harness(names) })
		})
	}
}

func harness(names []string) routertest.Harness {
	at := newClock()
	r := memrouter.New(memrouter.Config{Features: router.Features{Propagation: time.Second}, Now: at.Now})
	route := router.Ref{Name: "public", Driver: "mem", ID: "lever", Names: names, Source: "old", Target: "new"}
	r.Add(route, router.Weight{Entry: "old", Weight: 100}, router.Weight{Entry: "new"})
	absent := route
	absent.ID = "nowhere"
	return routertest.Harness{
		Driver: paced.NewPacer(at.Now).Wrap(r), Route: route, Absent: absent,
		Truth: func() []router.Part { return r.Parts(route) },
		Intrude: func(source, target int64) {
			r.Set(route, "an intruder", "old", source)
			r.Set(route, "an intruder", "new", target)
		},
		Foreign: func(weight int64) { r.Set(route, "a neighbour", "other", weight) },
		Inject:  func(f routertest.Fault) { inject(r, at, f) },
		Breaks: map[string]routertest.Break{
			"gone":    {Do: func(n string) { r.Break(route, n, router.ErrNotFound, true) }, Mend: func(n string) { r.Break(route, n, nil, true) }, Shown: true},
			"refused": {Do: func(n string) { r.Break(route, n, router.ErrNotOwned, false) }, Mend: func(n string) { r.Break(route, n, nil, false) }},
		},
		Heal: r.Heal, Advance: at.Advance, Now: at.Now, Checks: 50,
	}
}

func inject(r *memrouter.Router, at *clock, f routertest.Fault) {
	kinds := map[routertest.Kind]error{routertest.Throttled: router.ErrThrottled, routertest.Denied: router.ErrDenied}
	fault := memrouter.Fault{
		Kind: kinds[f.Kind], Times: f.Times, Stall: f.Kind == routertest.Stalled,
		Lost: f.Kind == routertest.ReplyLost || f.Kind == routertest.RequestLost, Applied: f.Kind == routertest.ReplyLost,
	}
	if f.Times == 0 {
		fault.Times = memrouter.Forever
	}
	ops := []memrouter.Op{memrouter.Read, memrouter.Settled}
	if f.Writes {
		ops = []memrouter.Op{memrouter.Write}
	}
	if f.Kind == routertest.Slow {
		fault.Wait, ops = func() { at.Advance(f.Takes) }, []memrouter.Op{memrouter.Write}
		if f.Writes {
			fault.Parts = 1
		}
	}
	for _, op := range ops {
		r.Fail(op, fault)
	}
}

// account is an account with two routes, and what happens to their calls.
type account struct {
	t    *testing.T
	at   *clock
	mem  *memrouter.Router
	d    router.Driver
	a, b router.Ref
}

func newAccount(t *testing.T) *account {
	at := newClock()
	r := &account{t: t, at: at, mem: memrouter.New(memrouter.Config{Now: at.Now})}
	r.d = paced.NewPacer(at.Now).Wrap(r.mem)
	for name, ref := range map[string]*router.Ref{"a": &r.a, "b": &r.b} {
		*ref = router.Ref{Name: name, Driver: "mem", ID: "lever " + name, Source: "old", Target: "new"}
		r.mem.Add(*ref, router.Weight{Entry: "old", Weight: 90}, router.Weight{Entry: "new", Weight: 10})
	}
	return r
}

func (r *account) read(route router.Ref) error {
	_, err := r.d.Read(context.Background(), route)
	return err
}

func (r *account) settled(route router.Ref) error {
	_, err := r.d.Settled(context.Background(), router.Receipt{Route: route, Share: traffic.None, At: r.at.Now()})
	return err
}

func (r *account) write(route router.Ref, share traffic.Share) error {
	_, err := r.d.Write(context.Background(), router.Change{ID: share.String(), Route: route, Share: share})
	return err
}

// held checks that err is of something held back until d from now, and for why.
func (r *account) held(err error, d time.Duration, text string) {
	r.t.Helper()
	until, held := router.HeldBack(err)
	switch {
	case !held || !errors.Is(err, router.ErrThrottled) || router.EffectOf(err) != router.EffectNothing:
		r.t.Errorf("%v is not held back", err)
	case until.Sub(r.at.Now()) != d:
		r.t.Errorf("%v: that is in %s, want %s", err, until.Sub(r.at.Now()), d)
	case err.Error() != text:
		r.t.Errorf("got  %s\nwant %s", err, text)
	}
}

// sent checks that an operation was not held back, whatever became of it.
func (r *account) sent(err error, kind error) {
	r.t.Helper()
	if _, held := router.HeldBack(err); held || !errors.Is(err, kind) {
		r.t.Errorf("got %v, want it sent and %v", err, kind)
	}
}

func TestAThrottledAccountIsLeftAlone(t *testing.T) {
	r := newAccount(t)
	first := r.at.Now()
	r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled, Times: 6})
	for _, wait := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second} {
		r.sent(r.read(r.a), router.ErrThrottled)
		until := r.at.Now().Add(wait + time.Second - 1).Format(time.TimeOnly)
		r.held(r.read(r.a), wait, "mem: read weights of route a: held back; nothing was changed; not asked until "+until+" after being throttled; taking back goes first")
		for _, op := range []func(router.Ref) error{r.read, r.settled, func(b router.Ref) error { return r.write(b, 1000) }} {
			if _, held := router.HeldBack(op(r.b)); !held && r.at.Now().Sub(first) < paced.LongestHold {
				t.Error("another route of the account is not held back")
			}
		}
		r.at.Advance(wait - 1)
		if _, held := router.HeldBack(r.read(r.a)); !held {
			t.Errorf("asked %s after it was throttled", wait-1)
		}
		r.at.Advance(1)
	}
	// Back to normal by steps: each calm makes the next back-off one step shorter.
	for range 3 {
		r.at.Advance(8 * time.Second)
		for range 4 {
			r.sent(r.read(r.a), nil)
		}
	}
	r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled})
	r.sent(r.read(r.a), router.ErrThrottled)
	if until, held := router.HeldBack(r.read(r.a)); !held || until.Sub(r.at.Now()) != 2*time.Second {
		t.Errorf("held back until %s, want two seconds: twice one, which is 8 halved three times", until)
	}
	for range 3 {
		r.at.Advance(10 * time.Second)
		r.sent(r.read(r.a), nil)
	}
	r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled})
	r.sent(r.read(r.a), router.ErrThrottled)
	if until, held := router.HeldBack(r.read(r.a)); !held || until.Sub(r.at.Now()) != 500*time.Millisecond {
		t.Errorf("held back until %s, want half a second: all was well for long", until)
	}
}

func TestThreeOperationsWithoutAnAnswerAreEnough(t *testing.T) {
	r := newAccount(t)
	r.mem.Fail(memrouter.Read, memrouter.Fault{Times: 2})
	r.sent(r.read(r.a), router.ErrUnavailable)
	r.sent(r.read(r.b), router.ErrUnavailable)
	r.sent(r.read(r.a), nil)
	r.mem.Fail(memrouter.Read, memrouter.Fault{Times: 4})
	for range 3 {
		r.sent(r.read(r.b), router.ErrUnavailable)
	}
	r.held(r.read(r.a), 500*time.Millisecond,
		"mem: read weights of route a: held back; nothing was changed; not asked until 12:00:01 after 3 operations without an answer; taking back goes first")
	r.at.Advance(500 * time.Millisecond)
	r.sent(r.read(r.a), router.ErrUnavailable)
	r.held(r.read(r.a), time.Second,
		"mem: read weights of route a: held back; nothing was changed; not asked until 12:00:02 after 4 operations without an answer; taking back goes first")
}

func TestWhoGivesUpSaysNothingOfTheAccount(t *testing.T) {
	r := newAccount(t)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for range 5 {
		if _, err := r.d.Read(ended, r.a); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	r.sent(r.read(r.a), nil)
}

func TestTakingBackIsNeverHeldAndGoesFirst(t *testing.T) {
	r := newAccount(t)
	r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled})
	r.sent(r.read(r.a), router.ErrThrottled)
	r.mem.Fail(memrouter.Write, memrouter.Fault{Kind: router.ErrThrottled, Times: 3})
	for range 3 {
		r.sent(r.write(r.a, traffic.None), router.ErrThrottled)
		r.at.Advance(100 * time.Millisecond)
	}
	r.at.Advance(14800 * time.Millisecond) // every back-off is over; the way is left free for 15 s
	r.held(r.read(r.b), 100*time.Millisecond,
		"mem: read weights of route b: held back; nothing was changed; not asked until 12:00:16 while a is taken back; taking back goes first")
	r.sent(r.write(r.a, traffic.None), nil)
	r.sent(r.read(r.b), nil)
	r.sent(r.write(r.b, 2000), nil)
}

func TestOthersWaitWhileAWriteThatTakesBackIsUnderWay(t *testing.T) {
	r := newAccount(t)
	r.mem.Fail(memrouter.Write, memrouter.Fault{Wait: func() {
		const text = "not asked until 12:00:01 while a is taken back; taking back goes first"
		r.held(r.read(r.b), time.Second, "mem: read weights of route b: held back; nothing was changed; "+text)
		r.held(r.settled(r.b), time.Second, "mem: see whether the weights settled of route b: held back; nothing was changed; "+text)
		r.held(r.write(r.b, 2000), time.Second, "mem: set weights of route b: held back; nothing was changed; "+text)
		r.held(r.read(r.a), time.Second, "mem: read weights of route a: held back; nothing was changed; "+text)
		r.sent(r.write(r.b, traffic.None), nil)
	}})
	r.sent(r.write(r.a, traffic.None), nil)
	r.sent(r.read(r.b), nil)
}

// TestAWayBackIsReadUntilItHasSettled: otherwise nobody could ever say that it is
// taken back. Only its own reads make it wait.
func TestAWayBackIsReadUntilItHasSettled(t *testing.T) {
	r := newAccount(t)
	r.sent(r.write(r.a, traffic.None), nil)
	for range 8 {
		r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled})
		r.sent(r.read(r.b), router.ErrThrottled)
		for range 3 {
			r.sent(r.read(r.a), nil)
			r.sent(r.settled(r.a), nil)
		}
		r.at.Advance(8 * time.Second)
	}
	r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled})
	r.sent(r.read(r.a), router.ErrThrottled)
	if until, held := router.HeldBack(r.read(r.a)); !held || until.Sub(r.at.Now()) != 500*time.Millisecond {
		t.Errorf("held back until %s, want half a second: nobody else's back-off is its own", until)
	}
	r.at.Advance(time.Minute)
	r.sent(r.read(r.a), nil)
	// Once it has a share again it is one of the others.
	r.sent(r.write(r.a, 1000), nil)
	r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled})
	r.sent(r.read(r.b), router.ErrThrottled)
	if _, held := router.HeldBack(r.read(r.a)); !held {
		t.Error("a route that has a share again still goes before the others")
	}
}

func TestNothingIsHeldForLong(t *testing.T) {
	r := newAccount(t)
	r.mem.Fail(memrouter.Write, memrouter.Fault{Kind: router.ErrThrottled, Times: memrouter.Forever})
	first := r.at.Now()
	for n := 0; ; n++ {
		r.sent(r.write(r.a, traffic.None), router.ErrThrottled)
		err := r.read(r.b)
		until, held := router.HeldBack(err)
		if !held {
			if got := r.at.Now().Sub(first); err != nil || got != paced.LongestHold {
				t.Errorf("sent after %s with %v, want %s", got, err, paced.LongestHold)
			}
			break
		}
		if until.After(first.Add(paced.LongestHold)) || n > 15 {
			t.Fatalf("held back until %s", until)
		}
		r.at.Advance(time.Second)
	}
	r.sent(r.settled(r.b), router.ErrConflict) // it belongs to the read
	if _, held := router.HeldBack(r.settled(r.b)); !held {
		t.Error("one that belongs to no read is let through as well")
	}
}

func TestManyAtTheSameTimeAreOneBackOff(t *testing.T) {
	r := newAccount(t)
	slow := &during{Driver: r.mem}
	d := paced.NewPacer(r.at.Now).Wrap(slow)
	r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled, Times: 5})
	left := 4
	slow.read = func() { // before the one that was sent first has an answer, four more are sent
		if left--; left >= 0 {
			_, err := d.Read(context.Background(), r.a)
			r.sent(err, router.ErrThrottled)
		}
	}
	_, err := d.Read(context.Background(), r.a)
	r.sent(err, router.ErrThrottled)
	_, err = d.Read(context.Background(), r.a)
	if until, held := router.HeldBack(err); !held || until.Sub(r.at.Now()) != 500*time.Millisecond {
		t.Errorf("five operations under way at once make a back-off until %s", until)
	}
}

// during is a driver in whose reads something happens.
type during struct {
	router.Driver
	read func()
}

func (d *during) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	d.read()
	return d.Driver.Read(ctx, route)
}

func TestAClockThatIsSetBackHoldsNothing(t *testing.T) {
	r := newAccount(t)
	r.mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled})
	r.sent(r.read(r.a), router.ErrThrottled)
	if _, held := router.HeldBack(r.read(r.a)); !held {
		t.Fatal("not held back")
	}
	r.at.Advance(-time.Hour)
	r.sent(r.read(r.a), nil)
}

func TestFeaturesSayHowLongThingsMayBeHeld(t *testing.T) {
	r := newAccount(t)
	f, err := r.d.Features(context.Background(), r.a)
	if err != nil || f.HeldBack != paced.LongestHold || f.MaxWeight != 999 {
		t.Errorf("%+v, %v", f, err)
	}
}

// restorable is a driver that can convert back.
type restorable struct{ router.Driver }

func (restorable) Restore(_ context.Context, _ router.Ref, _ traffic.Side, notAfter time.Time) (router.Receipt, error) {
	return router.Receipt{Share: traffic.All, At: notAfter}, nil
}

func TestARestorerStaysOne(t *testing.T) {
	r := newAccount(t)
	if _, ok := r.d.(router.Restorer); ok {
		t.Error("a driver that cannot restore claims it")
	}
	d, ok := paced.NewPacer(r.at.Now).Wrap(restorable{r.mem}).(router.Restorer)
	if !ok {
		t.Fatal("a driver that can restore lost it")
	}
	end := r.at.Now().Add(time.Minute)
	if got, err := d.Restore(context.Background(), r.a, traffic.Target, end); err != nil || got.Share != traffic.All || !got.At.Equal(end) {
		t.Errorf("%+v, %v", got, err)
	}
}
