//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"watari.dev/lab/fault"
	"watari.dev/lab/proc"
	"watari.dev/lab/proc/flock"
)

// supervisorName is the component that Find gives for the supervisor.
const supervisorName = "supervisor"

// plan is what a supervisor runs.
type plan struct {
	info       Info // what is known before anything runs
	components []component
	sides      map[string]sidePlan // by fault.Source and fault.Target
	close      func()              // gives up what the plan holds; nil: nothing
}

// Supervise starts the components of the lab in dir, keeps them alive until ctx
// is done and stops them, each after those that need it. It is the work of the
// process that Up starts. It returns an error if the lab did not come up.
func Supervise(ctx context.Context, dir string) error {
	return supervise(ctx, dir, planLab)
}

func supervise(ctx context.Context, dir string, makePlan func(context.Context, layout, settings) (plan, error)) (err error) {
	l, err := newLayout(dir)
	if err != nil {
		return err
	}
	lock, err := flock.Try(l.supervisorLock())
	if err != nil {
		return fmt.Errorf("supervise the lab in %s: %w", l.dir, err)
	}
	defer lock.Unlock()

	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := readSettings(l)
	if err != nil {
		return err
	}
	started := time.Now()
	p, err := makePlan(ctx, l, s)
	if p.close != nil {
		defer p.close()
	}
	if err == nil {
		err = checkComponents(p.components)
	}
	if err != nil {
		return fmt.Errorf("supervise the lab in %s: %w", l.dir, err)
	}
	self, err := proc.Self()
	if err != nil {
		return err
	}
	sides, err := openSides(ctx, p.sides)
	if err != nil {
		return fmt.Errorf("supervise the lab in %s: %w", l.dir, err)
	}
	defer func() { err = errors.Join(err, closeSides(sides)) }()
	// A lab that stops has no faults any more: nobody is to hang while it ends.
	defer context.AfterFunc(ctx, func() { healSides(sides) })()
	c, listener, err := startControl(ctx)
	if err != nil {
		return err
	}
	info := p.info
	info.Control.Endpoint = "http://" + c.address
	info.Dir, info.State, info.Supervisor, info.Build, info.Started = l.dir, Starting, self, s.Build, started
	info.Components = waitingComponents(l, p.components)
	b := newBoard(l, log, info)
	b.change(func(*Info) {})
	keepers := newKeepers(l, b, log, p.components)
	c.serve(listener, info.Control.Token, newTrouble(b, log, keepers, sides, waysToPods(info)), log)
	defer func() { err = errors.Join(err, c.close()) }()
	return runKeepers(ctx, b, keepers)
}

// waysToPods is the lab's AWS as the one who holds the ways from its load balancers
// to pods.
func waysToPods(info Info) fault.Client {
	if info.AWS.Endpoint == "" {
		return fault.Client{}
	}
	return fault.Client{URL: info.AWS.Endpoint + "/_lab/links", Token: info.Control.Token}
}

func waitingComponents(l layout, components []component) []ComponentInfo {
	var infos []ComponentInfo
	for _, c := range components {
		infos = append(infos, ComponentInfo{Name: c.name, State: Waiting, Endpoint: c.endpoint, Log: l.log(c.name)})
	}
	return infos
}

// runKeepers runs all keepers until ctx is done or one component fails to come
// up, and returns after every process is gone.
func runKeepers(ctx context.Context, b *board, keepers []*keeper) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	started := b.info.Started
	var running sync.WaitGroup
	for _, k := range keepers {
		running.Go(func() {
			if err := k.keep(ctx); err != nil {
				cancel(failure{component: k.name, reason: err})
			}
		})
	}
	if awaitServed(ctx, keepers) {
		b.change(func(info *Info) { info.State, info.ReadyAfter = Ready, time.Since(started) })
		b.log.Info("the lab is ready", "after", time.Since(started).Round(time.Millisecond))
	}
	<-ctx.Done()
	b.change(func(info *Info) { info.State = Stopping })
	running.Wait()

	var failed failure
	if !errors.As(context.Cause(ctx), &failed) {
		b.change(func(info *Info) { info.State = Stopped })
		b.log.Info("the lab is stopped")
		return nil
	}
	b.change(func(info *Info) {
		info.State = Failed
		info.Failure = &Failure{
			Component: failed.component, Reason: failed.reason.Error(),
			LogTail: readTail(b.layout.log(failed.component)),
		}
	})
	return failed
}

// awaitServed reports whether all components were ready once before ctx was done.
func awaitServed(ctx context.Context, keepers []*keeper) bool {
	for _, k := range keepers {
		select {
		case <-k.served:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// failure is a component that did not come up.
type failure struct {
	component string
	reason    error
}

func (f failure) Error() string { return fmt.Sprintf("start %s: %v", f.component, f.reason) }
func (f failure) Unwrap() error { return f.reason }
