package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"watari.dev/engine"
	"watari.dev/lab"
	"watari.dev/lab/fault"
	"watari.dev/traffic"
	"watari.dev/view"
)

// director lets the mishaps of a schedule happen while the attempts go on, and
// takes down what became of them. A nil one lets nothing happen.
type director struct {
	stage    *stage
	schedule schedule
	strikes  chan strike

	// pods is held while pods are replaced, and while nobody can say which pods come
	// and go: both at once cost requests whatever moves the traffic.
	pods sync.Mutex

	running sync.WaitGroup
	mu      sync.Mutex
	became  []happened // of each mishap, in the order of the schedule
	errs    error
}

// happened is a mishap and what became of it.
type happened struct {
	mishap
	Began time.Time // zero if its moment did not come
	Hits  int       // calls that a fault of AWS bit, processes that died, connections that met a cut
	id    string    // of the fault in the lab
	begun bool      // its moment has come; it happens unless the attempt ends first
}

func newDirector(s *stage, plan schedule) *director {
	d := &director{stage: s, schedule: plan, strikes: make(chan strike)}
	for _, m := range plan.mishaps {
		d.became = append(d.became, happened{mishap: m})
	}
	return d
}

// begin lets happen what is to happen before an attempt begins.
func (d *director) begin(ctx context.Context, users *users, attempt int, ended <-chan struct{}) error {
	if d == nil {
		return nil
	}
	d.start(ctx, users, attempt, "", traffic.None, ended)
	d.running.Wait()
	return d.trouble()
}

// heard lets happen what is to happen from when an attempt has entered a phase, or
// has written a share. Whoever enters it may be killed before he can say so: what
// counts is the phase that an event was said in.
func (d *director) heard(ctx context.Context, users *users, attempt int, e view.JSONEvent, ended <-chan struct{}) {
	if d == nil {
		return
	}
	share := traffic.Share(e.Share)
	if e.Effect != nil && e.Effect.Result.Outcome == engine.Accepted {
		d.start(ctx, users, attempt, written, e.Effect.Write.Share, ended)
	}
	if e.Phase == engine.Holding || foundAt(e, share) {
		d.start(ctx, users, attempt, written, share, ended)
	}
	d.start(ctx, users, attempt, e.Phase, share, ended)
}

func (d *director) start(ctx context.Context, users *users, attempt int, phase engine.Phase, share traffic.Share, ended <-chan struct{}) {
	for _, group := range d.due(attempt, phase, share) {
		d.running.Go(func() {
			if !during(ctx, ended, d.schedule.mishaps[group[0]].at.after) {
				return
			}
			for _, i := range group {
				d.let(ctx, users, i, ended)
			}
		})
	}
}

// due returns the mishaps whose time begins now, those of the same moment together
// and in order.
func (d *director) due(attempt int, phase engine.Phase, share traffic.Share) (groups [][]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.became {
		h := &d.became[i]
		if h.begun || !h.at.matches(attempt, phase, share) {
			continue
		}
		h.begun = true
		if last := len(groups) - 1; last >= 0 && d.became[groups[last][0]].at == h.at {
			groups[last] = append(groups[last], i)
		} else {
			groups = append(groups, []int{i})
		}
	}
	return groups
}

// let lets one mishap happen. Faults of AWS are in force when it returns; the
// others go on.
func (d *director) let(ctx context.Context, users *users, i int, ended <-chan struct{}) {
	one := func() {
		if err := d.happen(ctx, users, i, ended); err != nil && ctx.Err() == nil {
			d.fail(fmt.Errorf("fault %d, %s: %w", i+1, d.schedule.mishaps[i].what(), err))
		}
	}
	if d.schedule.mishaps[i].lab.AWS != nil {
		one()
		return
	}
	d.running.Go(one)
}

// happen lets one mishap happen, and returns when it is over.
func (d *director) happen(ctx context.Context, users *users, i int, ended <-chan struct{}) error {
	switch m := d.schedule.mishaps[i]; {
	case m.run == asleepInWrite:
		return d.strikeInWrite(ctx, i, m, ended)
	case m.run != noBlow:
		return d.strike(ctx, i, m, ended)
	case m.metrics != "":
		return d.loseMetrics(ctx, i, m, ended)
	case m.killsPods():
		return d.killPods(ctx, users, i, m)
	case m.blindsCluster():
		return d.blindCluster(ctx, i, m, ended)
	default:
		return d.inject(ctx, i, m.lab)
	}
}

// strike strikes the "watari run" that runs, or the next one. Nothing happens if
// the attempt ends first.
func (d *director) strike(ctx context.Context, i int, m mishap, ended <-chan struct{}) error {
	if m.run.sleeps() {
		if err := d.stage.watari.awaitSaved(); err != nil {
			return err
		}
	}
	select {
	case d.strikes <- strike{m.run, m.lasts}:
		d.note(i, 1)
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}

// strikeInWrite makes reads slow, so that there is a moment between the decision to
// rise and the write, which begins with a read; and strikes in it.
func (d *director) strikeInWrite(ctx context.Context, i int, m mishap, ended <-chan struct{}) error {
	slow := fault.Fault{AWS: &fault.AWS{Kind: fault.Delay, Service: "elbv2", Action: "DescribeListeners", Delay: 1500 * time.Millisecond, For: writesFor}}
	injected, err := lab.Inject(ctx, d.stage.LabDir, slow)
	if err != nil {
		return err
	}
	for !d.stage.watari.isAsking() {
		if !during(ctx, ended, 5*time.Millisecond) {
			break
		}
	}
	err = d.strike(ctx, i, m, ended)
	_, healErr := lab.Heal(ctx, d.stage.LabDir, injected.ID)
	return errors.Join(err, healErr)
}

// loseMetrics cuts the way to the metrics for a while.
func (d *director) loseMetrics(ctx context.Context, i int, m mishap, ended <-chan struct{}) error {
	d.note(i, 1)
	if err := d.stage.metrics.set(ctx, m.metrics); err != nil {
		return err
	}
	during(ctx, ended, m.lasts)
	return d.stage.metrics.set(ctx, whole)
}

// inject lets a fault of the lab bite.
func (d *director) inject(ctx context.Context, i int, f fault.Fault) error {
	injected, err := lab.Inject(ctx, d.stage.LabDir, f)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.became[i].id = injected.ID
	d.mu.Unlock()
	d.note(i, 0)
	return nil
}

// killPods does what kills pods. The users' account has a part of its own until
// the pods serve again, so that what they lose to it is not taken for anything
// else.
func (d *director) killPods(ctx context.Context, users *users, i int, m mishap) error {
	if err := users.lose(ctx); err != nil {
		return err
	}
	if err := d.inject(ctx, i, m.lab); err != nil {
		return err
	}
	if err := d.over(ctx, i); err != nil {
		return err
	}
	// Until then the balancer may not have seen that targets were dead.
	if err := pause(ctx, unhealthyWithin); err != nil {
		return err
	}
	if err := d.stage.cluster(m.side()).rolledOut(ctx, d.stage.cloud); err != nil {
		return err
	}
	d.stage.say("  the pods of the %s serve again", m.side())
	return users.regain()
}

// unhealthyWithin is how long the balancer may take to see that a target is dead:
// two checks, 5 s apart, of 2 s each (see cloud.buildGroup).
const unhealthyWithin = 12 * time.Second

// blindCluster kills a component of a control plane.
func (d *director) blindCluster(ctx context.Context, i int, m mishap, ended <-chan struct{}) error {
	d.pods.Lock()
	defer d.pods.Unlock()
	select {
	case <-ended: // replacing the pods took that long
		return nil
	default:
	}
	if err := d.inject(ctx, i, m.lab); err != nil {
		return err
	}
	if err := d.over(ctx, i); err != nil {
		return err
	}
	c := d.stage.cluster(m.side())
	return c.rolledOut(ctx, d.stage.cloud)
}

// over waits until a fault of the lab is over.
func (d *director) over(ctx context.Context, i int) error {
	d.mu.Lock()
	id := d.became[i].id
	d.mu.Unlock()
	return until(ctx, 2*time.Minute, id+" to be over", func(ctx context.Context) (bool, error) {
		all, err := lab.Faults(ctx, d.stage.LabDir)
		for _, f := range all {
			if f.ID == id {
				return !f.Lasts(), nil
			}
		}
		return false, err
	})
}

// finish waits for what still happens after an attempt, heals everything and
// takes down what was hit.
func (d *director) finish(ctx context.Context) error {
	if d == nil {
		return nil
	}
	d.running.Wait()
	if _, err := lab.HealAll(ctx, d.stage.LabDir); err != nil {
		return err
	}
	all, err := lab.Faults(ctx, d.stage.LabDir)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.became {
		for _, f := range all {
			if f.ID == d.became[i].id && f.ID != "" {
				d.became[i].Hits = f.Count()
			}
		}
	}
	return d.errs
}

// replacing keeps control planes alive until the function that it returns is
// called.
func (d *director) replacing() func() {
	if d == nil {
		return func() {}
	}
	d.pods.Lock()
	return d.pods.Unlock
}

// note says that a mishap happens now.
func (d *director) note(i, hits int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.became[i].Began, d.became[i].Hits = time.Now(), hits
	d.stage.say("  fault %d: %s", i+1, d.became[i].what())
}

func (d *director) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errs = errors.Join(d.errs, err)
}

func (d *director) trouble() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.errs
}

// awaitSaved returns when nobody is in the middle of remembering something. A process
// that is stopped there keeps the lock of the migration's directory, as file locks
// do, and nobody can take over before it is killed or goes on.
func (w *watari) awaitSaved() error {
	lock, err := os.Open(filepath.Join(w.state, "shop", "lock"))
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }() // which unlocks it
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
}

// isAsking reports whether a write that raises the share is asked for and not known
// to be done. The status is saved before it is asked for.
func (w *watari) isAsking() bool {
	b, err := os.ReadFile(filepath.Join(w.state, "shop", "record.json"))
	var record struct{ Status engine.Status }
	if err != nil || json.Unmarshal(b, &record) != nil {
		return false
	}
	for _, r := range record.Status.Routes {
		if r.Want != nil && r.Want.Open && record.Status.Phase == engine.Shifting {
			return true
		}
	}
	return false
}
