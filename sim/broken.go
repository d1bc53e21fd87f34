package sim

import (
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
)

// breakage is what cannot be moved of a lever, and until when.
type breakage struct {
	whole time.Duration // all of it is gone
	name  time.Duration // one name is refused
	which int           // that name
	shown bool          // reading names it, as if it were deleted
}

// untouched stands for a name that a write leaves as it is, whatever that is when the
// write arrives.
var untouched = router.Pair{Source: -1, Target: -1}

// breakPart lets a lever go, or one of its names.
func (w *world) breakPart(f Fault) {
	l := w.levers[f.Route]
	until := w.now + f.Lasts
	if f.Kind == RouteGone {
		l.broken.whole = max(l.broken.whole, until)
	} else {
		if l.broken.name == 0 || w.now >= l.broken.name+wayBack { // one name at a time, until the one before has had its time
			l.broken.which, l.broken.shown = f.Value%max(1, len(l.parts)), f.Value%2 == 1
		}
		l.broken.name = max(l.broken.name, until)
	}
	w.at(until, func() { w.mended(l) })
}

// mended is told when somebody may have mended a lever: from then on it takes its
// time as any other.
func (w *world) mended(l *lever) {
	if !l.gone() && l.broken.name <= w.now {
		w.disturbed()
	}
}

func (w *world) mendAll() {
	for _, l := range w.levers {
		l.broken = breakage{}
	}
}

// gone reports whether there is no such lever now.
func (l *lever) gone() bool { return l.now < l.broken.whole }

// badName returns the name that cannot be moved now.
func (l *lever) badName() (int, bool) {
	return l.broken.which, l.Names > 1 && l.now < l.broken.name && l.broken.which < len(l.parts)
}

// stuck reports whether a part could not be moved a moment ago.
func (l *lever) stuck(part int) bool {
	within := func(until time.Duration) bool { return until > 0 && l.now < until+wayBack }
	return within(l.broken.whole) || within(l.broken.name) && l.broken.which == part && l.Names > 1
}

// resolved fills in what a write leaves as it is.
func (l *lever) resolved(parts []router.Pair) []router.Pair {
	parts = slices.Clone(parts)
	for i, p := range parts {
		if p == untouched {
			parts[i] = l.parts[i]
		}
	}
	return parts
}

// unshown takes a name out of a reading that is deleted.
func (d *driver) unshown(s router.Snapshot) router.Snapshot {
	bad, is := d.lever.badName()
	if !is || !d.lever.broken.shown {
		return s
	}
	d.bite(NameRefused)
	s.Broken = []router.PartProblem{d.problem(bad)}
	s.Parts = slices.Delete(s.Parts, bad, bad+1)
	return s
}

func (d *driver) problem(bad int) router.PartProblem {
	l := d.lever
	p := router.PartProblem{Name: l.ref.Names[bad], Kind: router.ErrNotFound, Text: "it is deleted", Share: traffic.KnownAt(traffic.None, d.wall())}
	if !l.broken.shown {
		p.Kind, p.Text, p.Share.Value = router.ErrNotOwned, "it is refused", l.parts[bad].Share()
	}
	return p
}

// leftOver is the error of a write that one name keeps, or is left out of.
func (d *driver) leftOver(bad int, changed []string) error {
	p := d.problem(bad)
	e := &router.Error{Op: "sim: set weights", On: d.lever.ref.Name, Kind: p.Kind, Effect: router.EffectNothing, Left: []router.PartProblem{p}, Changed: changed}
	if len(changed) > 0 {
		e.Effect = router.EffectPartial
	}
	return e
}

// partly is the answer to a write that was carried out, but for a bad name if there is
// one.
func (d *driver) partly(c router.Change, receipt router.Receipt, bad int, is, wrote bool) (router.Receipt, error) {
	if !is {
		return receipt, nil
	}
	names := []string{d.lever.ref.Names[bad]}
	receipt.Route = c.Route.Without(names)
	if !wrote {
		return receipt, d.leftOver(bad, nil)
	}
	return receipt, d.leftOver(bad, receipt.Route.Names)
}

// leaveOut lets an operator say that what is broken now is gone for good.
func (w *world) leaveOut() {
	var names []string
	for _, l := range w.levers {
		if bad, is := l.badName(); is {
			names = append(names, l.ref.Names[bad])
		}
		if l.gone() {
			names = append(names, l.ref.Name)
		}
	}
	if len(names) > 0 {
		c := w.typeIn(engine.TakeBack)
		c.Without = names
		w.give(c)
	}
}

// parts states what is promised of parts that cannot be moved.
func (c *checker) parts(p *process, before engine.Status, seen engine.Observation, after engine.Status) {
	for _, left := range after.Without {
		asked := slices.Contains(before.Without, left) || slices.ContainsFunc(seen.Commands, func(o engine.Command) bool { return slices.Contains(o.Without, left.Name) })
		if !asked {
			c.fail("nothing is left out unasked", "%s is left out by %q, who has not said so", left.Name, left.By)
		}
	}
	if after.Phase != engine.Partial {
		return
	}
	if !after.Unfinished() {
		c.fail("partial is true", "it is partial, and nothing is left")
	}
	for i, r := range after.Routes {
		left := after.Left(r)
		for _, part := range left[:min(3, len(left))] {
			if !strings.Contains(after.Reason, r.Name) || !strings.Contains(after.Reason, part.Name) {
				c.fail("what is left is named", "%q does not name %s of %s", after.Reason, part.Name, r.Name)
			}
		}
		if before.Phase != engine.Partial && !r.Whole && !r.Gone {
			c.restIsBack(p, i, left)
		}
	}
}

// restIsBack states that what is not left is at 0 when the rest is called that.
func (c *checker) restIsBack(p *process, i int, left []engine.Part) {
	l := c.levers[i]
	known := p.knows.reading(i)
	if known.version != l.version || l.foreign || c.conditions[StaleRead].on(c.now) {
		return // something has happened since it was read
	}
	for n, part := range l.parts {
		isLeft := l.Names > 0 && slices.ContainsFunc(left, func(x engine.Part) bool { return x.Name == l.ref.Names[n] })
		if part.Share() > traffic.None && !isLeft && !l.stuck(n) {
			c.fail("partial is true", "it is partial while part %d of %s is at %s", n, l.ref.Name, part.Share())
		}
	}
}

// waived reports whether an operator has left out what is broken of a lever.
func (c *checker) waived(p *process, l *lever) bool {
	return slices.ContainsFunc(p.knows.decided.Without, func(w engine.Waiver) bool {
		return w.Name == l.ref.Name || slices.Contains(l.ref.Names, w.Name)
	})
}

// stops states that nobody stops watching by himself while there is something to
// watch.
func (c *checker) stops(p *process, err error) {
	if err == nil && p.knows.turned && !p.knows.decided.Phase.Ended() && !c.phase.Ended() {
		c.fail("nobody stops watching", "%s ends by itself in phase %s", p.name, p.knows.decided.Phase)
	}
}
