package paced_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/router"
	"watari.dev/router/paced"
	"watari.dev/traffic"
)

// plane is a data plane that answers what the test says, and in which somebody
// may do more while it answers.
type plane struct {
	router.Driver
	sent   int
	answer error
	during func()
}

func (p *plane) call() error {
	p.sent++
	answer, during := p.answer, p.during
	p.during = nil
	if during != nil {
		during()
	}
	return answer
}

func (p *plane) Read(context.Context, router.Ref) (router.Snapshot, error) {
	return router.Snapshot{}, p.call()
}

func (p *plane) Write(_ context.Context, c router.Change) (router.Receipt, error) {
	return router.Receipt{Share: c.Share}, p.call()
}

func (p *plane) Settled(context.Context, router.Receipt) (router.Settlement, error) {
	return router.Settlement{}, p.call()
}

// deed is something that is asked of the account: an operation on one of three
// routes, what the data plane would say, and how much later the next one comes.
type deed struct {
	Op     string
	Route  int
	Answer error
	Then   time.Duration
	During []deed // what is asked before it has an answer
}

// ops: a rise, a write that takes back, and the two halves of a look.
var ops = []string{"read", "settled", "rise", "back"}

func drawDeeds(t *rapid.T, label string, most int, nested bool) (deeds []deed) {
	for i := range rapid.IntRange(0, most).Draw(t, label) {
		d := deed{
			Op:     rapid.SampledFrom(ops).Draw(t, fmt.Sprint(label, i, " op")),
			Route:  rapid.IntRange(0, 2).Draw(t, fmt.Sprint(label, i, " route")),
			Answer: rapid.SampledFrom([]error{nil, nil, router.ErrThrottled, router.ErrThrottled, router.ErrUnavailable, router.ErrDenied}).Draw(t, fmt.Sprint(label, i, " answer")),
			Then:   rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond, 6 * time.Second}).Draw(t, fmt.Sprint(label, i, " then")),
		}
		if !nested {
			d.During = drawDeeds(t, fmt.Sprint(label, i, " during "), 2, true)
		}
		deeds = append(deeds, d)
	}
	return deeds
}

// matter is what the account holds back as one.
type matter struct {
	route int
	write bool
}

// world plays deeds and knows, without looking into the pacer, what it must do.
type world struct {
	t     *rapid.T
	at    *clock
	plane *plane
	d     router.Driver
	trace []string

	held    map[matter]time.Time // since when
	trouble time.Time            // when an operation last went wrong that says something of the account
	unread  time.Time            // when one did that reads a way back
	under   [3]int               // writes under way that take a route back
	back    [3]error             // what became of the last one; nil is accepted
	backAt  [3]time.Time         // when; zero if it is not being taken back
}

func play(t *rapid.T, deeds []deed) []string {
	at := newClock()
	w := &world{t: t, at: at, plane: &plane{}, held: map[matter]time.Time{}}
	w.d = paced.NewPacer(at.Now).Wrap(w.plane)
	for _, d := range deeds {
		w.do(d)
	}
	return w.trace
}

// do asks one thing and compares what becomes of it with what must.
func (w *world) do(d deed) {
	before, asked := w.plane.sent, w.at.Now()
	w.plane.answer = nil
	if d.Answer != nil {
		w.plane.answer = &router.Error{Op: "op", On: "it", Kind: d.Answer, Effect: router.EffectNothing}
	}
	m := matter{d.Route, d.Op == "rise"}
	w.plane.during = func() {
		if d.Op != "back" {
			delete(w.held, m)
		}
		for _, n := range d.During {
			w.do(n)
		}
	}
	must, may := w.mustBeSent(d, asked), w.mayBeSent(d, asked)
	if d.Op == "back" {
		w.under[d.Route]++
	}
	err := w.ask(d)
	w.plane.during = nil
	sent := w.plane.sent > before
	until, held := router.HeldBack(err)
	w.trace = append(w.trace, fmt.Sprintf("%s %s %d: %v", asked.Format(time.StampMilli), d.Op, d.Route, err))
	switch since, waiting := w.held[m]; {
	case sent == held:
		w.t.Fatalf("%s of %d at %s: sent %t, %v", d.Op, d.Route, asked, sent, err)
	case held && must != "":
		w.t.Fatalf("%s of %d at %s is held back, but %s: %v", d.Op, d.Route, asked, must, err)
	case sent && !may:
		w.t.Fatalf("%s of %d at %s was sent although the account was throttled at that moment", d.Op, d.Route, asked)
	case held && (!errors.Is(err, router.ErrThrottled) || router.EffectOf(err) != router.EffectNothing || !until.After(asked)):
		w.t.Fatalf("%v until %s is no refusal that says when to ask again", err, until)
	case held && !waiting:
		w.held[m] = asked
	case held && until.After(since.Add(paced.LongestHold)):
		w.t.Fatalf("%s of %d is held back until %s, longer than %s", d.Op, d.Route, until, paced.LongestHold)
	}
	if sent {
		w.learn(d)
	}
	w.at.Advance(d.Then)
}

func (w *world) ask(d deed) (err error) {
	ref := router.Ref{Name: fmt.Sprint(d.Route), ID: fmt.Sprint(d.Route)}
	ctx := context.Background()
	switch d.Op {
	case "read":
		_, err = w.d.Read(ctx, ref)
	case "settled":
		_, err = w.d.Settled(ctx, router.Receipt{Route: ref})
	case "rise":
		_, err = w.d.Write(ctx, router.Change{Route: ref, Share: 1000})
	default:
		_, err = w.d.Write(ctx, router.Change{Route: ref, Share: traffic.None})
	}
	return err
}

// learn is what follows from an answer.
func (w *world) learn(d deed) {
	now := w.at.Now()
	if errors.Is(d.Answer, router.ErrThrottled) || errors.Is(d.Answer, router.ErrUnavailable) {
		w.trouble = now
		if looks := d.Op == "read" || d.Op == "settled"; looks && !w.backAt[d.Route].IsZero() {
			w.unread = now
		}
	}
	switch {
	case d.Op == "back":
		w.under[d.Route]--
		w.back[d.Route], w.backAt[d.Route] = d.Answer, now
	case d.Op == "rise" && d.Answer == nil && w.under[d.Route] == 0:
		w.backAt[d.Route] = time.Time{}
	}
}

// mustBeSent says why d may not be held back; empty if it may.
func (w *world) mustBeSent(d deed, now time.Time) string {
	if d.Op == "back" {
		return "taking back never is"
	}
	if since, waiting := w.held[matter{d.Route, d.Op == "rise"}]; waiting && now.Sub(since) >= paced.LongestHold {
		return "it was first asked at " + since.String()
	}
	if w.wayTaken(now) {
		return ""
	}
	if d.Op != "rise" && !w.backAt[d.Route].IsZero() && w.back[d.Route] == nil && quiet(w.unread, now) {
		return "its way back is accepted, nobody else's is awaited, and no such read has gone wrong for a while"
	}
	if quiet(w.trouble, now) {
		return "nothing has gone wrong for a while"
	}
	return ""
}

func quiet(trouble, now time.Time) bool {
	return trouble.IsZero() || now.Sub(trouble) >= 8*time.Second
}

// mayBeSent is false for a rise at the very moment in which the account was
// throttled, unless it has waited long enough.
func (w *world) mayBeSent(d deed, now time.Time) bool {
	since, waiting := w.held[matter{d.Route, true}]
	return d.Op != "rise" || !w.wayTaken(now) || waiting && now.Sub(since) >= paced.LongestHold
}

// wayTaken reports whether a route is being taken back whose write is under way, or
// did not get through just now.
func (w *world) wayTaken(now time.Time) bool {
	for i, at := range w.backAt {
		failed := errors.Is(w.back[i], router.ErrThrottled) || errors.Is(w.back[i], router.ErrUnavailable)
		if w.under[i] > 0 || !at.IsZero() && failed && now.Sub(at) < 15*time.Second {
			return true
		}
	}
	return false
}

// TestWhatIsHeldBack: taking back never is, nothing is for longer than LongestHold,
// what a way back needs to be read is not once it is accepted, nobody uses the
// calls of a way back, all is sent when nothing has gone wrong, and the same deeds
// have the same end.
func TestWhatIsHeldBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		deeds := drawDeeds(t, "deed ", 60, false)
		first, second := play(t, deeds), play(t, deeds)
		if !slices.Equal(first, second) {
			t.Fatalf("the same deeds had another end:\n%v\n%v", first, second)
		}
	})
}
