package route53

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/traffic"
)

const (
	// mostSorting is how many calls one write spends to find out which names AWS
	// refuses. One guilty name among n takes 2*log2(n) of them, 18 for the 500 of a
	// full batch; at 5 calls a second this many fit into the 12 seconds of a write.
	// What is left over then is sorted out at the next try.
	mostSorting = 40
	// mostDenials is how many denials in a row without any success make it pointless
	// to look for names that are allowed.
	mostDenials = 8
	// mostAlone is up to how many names that were refused before get a call each;
	// more of them share one.
	mostAlone = 5
	// mostShares is among how many batches the time of a write is divided at most, so
	// that one without an answer leaves some of it to the others.
	mostShares = 3
)

// back takes the names of a route back in one Write: each that can be, whatever
// becomes of the others.
type back struct {
	writer
	tries int           // of one batch that is throttled
	wait  time.Duration // before the second of them at most

	tokens  []string
	changed []string             // names that were written
	left    []router.PartProblem // names that cannot be written until somebody mends them
	open    []router.PartProblem // names whose batch has failed in a way that passes
	first   *router.Error        // why the first of those has
	unknown bool                 // one of them may have been carried out
	sorting int                  // calls that were spent to find out who is refused
	denials int                  // denials so far
	refused []nameChange         // whom AWS has refused in this round
	faster  bool                 // one of them was refused for what is in its records
}

// takeBack writes 0 to every name that can be written. It begins anew where
// somebody else was faster, because it must win.
func (d *Driver) takeBack(ctx context.Context, change router.Change) (router.Receipt, error) {
	p := d.modifying(true, change.NotAfter)
	if err := p.Right(); err != nil {
		return router.Receipt{}, awscall.WriteError(setWeights, on(change.Route), err)
	}
	d.owned.Keep(ownerKey(change.Route), d.now())
	b := &back{writer: writer{d: d, p: p, op: setWeights, route: change.Route, id: change.ID}}
	b.tries, b.wait = firstWait(d.retry)
	for n := 1; ; n++ {
		err := b.round(ctx, change)
		if err != nil && len(b.changed) == 0 {
			return router.Receipt{}, err
		}
		if err != nil || n >= backTries || !b.faster || !b.writer.changed(ctx, b.refused) {
			return b.result(change)
		}
	}
}

func firstWait(p awscall.Policy) (tries int, first time.Duration) {
	tries, waits := p.Bound()
	return tries, waits / time.Duration(max(1, 1<<(tries-1)-1))
}

// round reads the names and sends what is to be changed.
func (b *back) round(ctx context.Context, change router.Change) error {
	b.left, b.open, b.first, b.refused, b.faster = nil, nil, nil, nil, false
	all, _, err := b.d.look(ctx, b.p, b.op, b.route, nil)
	if err != nil {
		return err
	}
	good, broken := sound(all, b.route, b.d.now())
	b.left, b.groups = broken, all
	changes, refusals := b.decide(good, change)
	b.left = append(b.left, refusals...)
	var fresh, suspects []nameChange
	for _, n := range changes {
		if b.d.wasRefused(b.route, b.groupOf(n.name)) {
			suspects = append(suspects, n)
		} else {
			fresh = append(fresh, n)
		}
	}
	rand.Shuffle(len(suspects), func(i, j int) { suspects[i], suspects[j] = suspects[j], suspects[i] })
	batches := pack(fresh)
	if len(suspects) > mostAlone {
		batches = append(batches, pack(suspects)...)
	} else {
		for _, n := range suspects {
			batches = append(batches, []nameChange{n})
		}
	}
	b.sendAll(ctx, batches)
	return nil
}

// decide returns what changes at each name, in as few batches as can be, and which
// names nothing can be decided for.
func (b *back) decide(groups []group, change router.Change) (all []nameChange, left []router.PartProblem) {
	all, left = b.decideWith(groups, change, false)
	if batches := len(pack(all)); batches > 1 {
		if near, _ := b.decideWith(groups, change, true); len(pack(near)) < batches {
			all = near
		}
	}
	return all, left
}

func (b *back) decideWith(groups []group, change router.Change, near bool) (all []nameChange, left []router.PartProblem) {
	for _, g := range groups {
		n, err := decideName(g, change, near)
		var e *router.Error
		switch {
		case errors.As(err, &e):
			left = append(left, router.PartProblem{Name: g.name, Kind: e.Kind, Text: e.Advice, Share: traffic.KnownAt(g.part(b.route).Share, b.d.now())})
		case len(n.changes) > 0:
			all = append(all, n)
		}
	}
	return all, left
}

func (b *back) groupOf(name string) group {
	return b.groups[slices.IndexFunc(b.groups, func(g group) bool { return g.name == name })]
}

// sendAll sends every batch. One that is refused for what is in it is split, and its
// parts go to the end of the line; one that is throttled is sent again after the
// others.
func (b *back) sendAll(ctx context.Context, queue [][]nameChange) {
	var throttled [][]nameChange
	tries, wait, whole := 1, b.wait, len(queue)
	for sent := 0; len(queue) > 0; sent++ {
		batch := queue[0]
		queue = queue[1:]
		if sent >= whole {
			b.sorting++
		}
		id, err := b.sendWithin(ctx, batch, len(queue)+1)
		switch effect, kind := awscall.Classify(err); {
		case err == nil:
			b.done(batch, id)
		case effect == router.EffectNothing && errors.Is(kind, router.ErrThrottled) && tries < b.tries && ctx.Err() == nil:
			throttled = append(throttled, batch)
		case perRecord(err):
			queue = append(queue, b.sorted(batch, err, len(queue))...)
		default:
			b.failed(batch, err, tries)
		}
		if len(queue) == 0 && len(throttled) > 0 {
			pause(ctx, rand.N(wait)+1)
			queue, throttled, tries, wait = throttled, nil, tries+1, 2*wait
			whole = sent + 1 + len(queue)
		}
	}
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// sendWithin sends one of several batches once, and leaves time for the others.
func (b *back) sendWithin(ctx context.Context, batch []nameChange, of int) (string, error) {
	if due, has := ctx.Deadline(); has && of > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(due)/time.Duration(min(of, mostShares)))
		defer cancel()
	}
	w := b.writer
	w.p.Tries = 1
	return w.sendOne(ctx, batch)
}

func (b *back) done(batch []nameChange, id string) {
	b.tokens = append(b.tokens, id)
	for _, n := range batch {
		b.changed = append(b.changed, n.name)
		b.d.accepted(b.route, n.name)
	}
}

// sorted returns the parts of a refused batch that are worth another call, while
// others wait. A name that was refused by itself is left, and remembered.
func (b *back) sorted(batch []nameChange, err error, waiting int) [][]nameChange {
	denied := false
	if _, kind := awscall.Classify(err); errors.Is(kind, router.ErrDenied) {
		b.denials++
		denied = b.denials >= mostDenials && len(b.changed) == 0
	}
	switch {
	case len(batch) == 1, denied, convicted(batch, err):
		b.leave(batch, err)
		return nil
	case b.sorting+waiting+2 > mostSorting && b.allRefusedBefore(batch):
		// Each was refused by itself, as it is now. One of them may be mended and is kept
		// by the others: it has its turn at a next try, in another order.
		b.leave(batch, err)
		return nil
	case b.sorting+waiting+2 > mostSorting:
		b.failed(batch, fmt.Errorf("which of these %d names it is, is found out at the next try: %w", len(batch), err), 1)
		return nil
	}
	if named, others := accused(batch, err); len(named) > 0 && len(others) > 0 {
		return [][]nameChange{others, named}
	}
	half := (len(batch) + 1) / 2
	return [][]nameChange{batch[:half], batch[half:]}
}

func (b *back) allRefusedBefore(batch []nameChange) bool {
	return !slices.ContainsFunc(batch, func(n nameChange) bool { return !b.d.wasRefused(b.route, b.groupOf(n.name)) })
}

// leave gives names up that AWS refuses.
func (b *back) leave(batch []nameChange, err error) {
	e := awscall.WriteError(b.op, on(b.route), err)
	var invalid *types.InvalidChangeBatch
	b.faster = b.faster || errors.As(err, &invalid)
	b.refused = append(b.refused, batch...)
	for _, n := range batch {
		g := b.groupOf(n.name)
		b.d.remember(b.route, g)
		b.left = append(b.left, router.PartProblem{Name: n.name, Kind: e.Kind, Text: "AWS refuses to change it: " + refusalText(e, err), Share: traffic.KnownAt(g.part(b.route).Share, b.d.now())})
	}
}

func refusalText(e *router.Error, err error) string {
	text := e.Cause.Error()
	var refused *types.InvalidChangeBatch
	if errors.As(err, &refused) {
		text += ": " + strings.Join(refused.Messages[:min(3, len(refused.Messages))], "; ")
	}
	return text
}

// failed keeps the names of a batch that may succeed at another try.
func (b *back) failed(batch []nameChange, err error, tries int) {
	if tries > 1 {
		err = fmt.Errorf("%d tries: %w", tries, err)
	}
	e := awscall.WriteError(b.op, on(b.route), err)
	if b.first == nil {
		b.first = e
	}
	b.unknown = b.unknown || e.Effect == router.EffectUnknown
	kind := e.Kind
	if perRecord(err) {
		kind = router.ErrUnavailable // it is sorted out later
		if b.first == e {
			e.Kind = kind
		}
	}
	for _, n := range batch {
		b.open = append(b.open, router.PartProblem{Name: n.name, Kind: kind, Text: cmp.Or(e.Cause, e.Kind).Error(), Share: traffic.KnownAt(b.groupOf(n.name).part(b.route).Share, b.d.now())})
	}
}

// result says what became of the write.
func (b *back) result(change router.Change) (router.Receipt, error) {
	rest := slices.Concat(b.left, b.open)
	var names []string
	for _, p := range rest {
		names = append(names, p.Name)
	}
	receipt := router.Receipt{ChangeID: change.ID, Route: change.Route.Without(names), Share: traffic.None, Token: strings.Join(b.tokens, ","), At: b.d.now()}
	if len(rest) == 0 {
		return receipt, nil
	}
	if len(names) == len(change.Route.Names) {
		receipt = router.Receipt{}
	}
	return receipt, b.error(rest)
}

func (b *back) error(rest []router.PartProblem) error {
	e := &router.Error{Op: b.op, On: on(b.route), Kind: rest[0].Kind, Effect: router.EffectNothing, Left: rest}
	if len(b.route.Names) == 1 {
		e.Advice = rest[0].Text
	}
	if b.first != nil {
		e.Kind, e.Cause, e.Advice, e.RetryAt = b.first.Kind, b.first.Cause, b.first.Advice, b.first.RetryAt
	}
	if len(b.changed) > 0 {
		e.Effect, e.Changed = router.EffectPartial, b.changed
	}
	if b.unknown {
		e.Effect = router.EffectUnknown
	}
	return e
}

// wasRefused reports whether AWS has refused to change a name as it is now.
func (d *Driver) wasRefused(route router.Ref, g group) bool {
	version, err := versionOf([]group{g})
	d.mu.Lock()
	defer d.mu.Unlock()
	was, refused := d.refused[nameKey(route, g.name)]
	return refused && err == nil && was == version
}

// remember keeps that AWS has refused to change a name, so that the next write sends
// it apart from the others.
func (d *Driver) remember(route router.Ref, g group) {
	version, err := versionOf([]group{g})
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused[nameKey(route, g.name)] = version
}

func (d *Driver) accepted(route router.Ref, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.refused, nameKey(route, name))
}

func nameKey(route router.Ref, name string) string {
	return strings.Join([]string{route.ID, canonical(name), route.Type, route.Target}, " ")
}
