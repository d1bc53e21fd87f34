//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"watari.dev/lab/kube"
	"watari.dev/lab/proc"
)

// ErrOtherBuild says that the lab that runs was started by another build of the
// program.
var ErrOtherBuild = errors.New("the lab that runs was started by another build of watari; stop it first: watari lab down")

// Up starts the lab and returns when everything is ready. A lab that is ready is
// left as it is; one that is still starting is waited for; what a killed lab left
// is removed. The first Up compiles Kubernetes. If a component does not become
// ready, everything is stopped again and the error holds the end of its log.
//
// The lab outlives the caller. When ctx is done before it is ready, it goes on
// starting.
func Up(ctx context.Context, cfg Config) (Info, error) {
	o, err := newOperator(cfg)
	if err != nil {
		return Info{}, err
	}
	return o.up(ctx)
}

func (o *operator) up(ctx context.Context) (Info, error) {
	if err := o.layout.create(); err != nil {
		return Info{}, err
	}
	planes, err := o.build(ctx, func(p kube.Progress) { o.say("%s", p) })
	if err != nil {
		return Info{}, err
	}
	lock, err := o.lock(ctx)
	if err != nil {
		return Info{}, err
	}
	defer lock.Unlock()

	build, err := readBuild(o.executable)
	if err != nil {
		return Info{}, err
	}
	supervisor, running, err := o.adopt(ctx, build)
	if err != nil {
		return Info{}, err
	}
	if !running {
		if supervisor, err = o.launch(ctx, settings{Executable: o.executable, Build: build, Seed: o.seed, ControlPlanes: planes}); err != nil {
			return Info{}, err
		}
	}
	return o.await(ctx, supervisor)
}

// adopt returns the supervisor of an earlier up, if it lives and is not about to
// end.
func (o *operator) adopt(ctx context.Context, build Build) (proc.Identity, bool, error) {
	supervisor, running, err := o.findSupervisor()
	if err != nil || !running {
		return proc.Identity{}, false, err
	}
	if info, err := readInfo(o.layout); err == nil && info.State != Starting && info.State != Ready {
		o.say("the lab before is %s; waiting for its end", info.State)
		_, err := proc.Stop(ctx, o.layout.dir, supervisor, superviseBound)
		return proc.Identity{}, false, err
	}
	if s, err := readSettings(o.layout); err == nil && !s.Build.same(build) {
		return proc.Identity{}, false, fmt.Errorf("start the lab in %s: %w", o.layout.dir, ErrOtherBuild)
	}
	o.say("the lab in %s runs already (process %d)", o.layout.dir, supervisor.PID)
	return supervisor.Identity, true, nil
}

// launch removes what is left of an earlier lab and starts a supervisor.
func (o *operator) launch(ctx context.Context, s settings) (proc.Identity, error) {
	left, err := proc.StopAll(ctx, o.layout.dir, o.sweepGrace)
	if err != nil {
		return proc.Identity{}, err
	}
	if len(left) > 0 {
		o.say("stopped %d processes that a killed lab left", len(left))
	}
	if err := o.layout.clear(); err != nil {
		return proc.Identity{}, err
	}
	for _, dir := range []string{o.layout.data(), o.layout.logs()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return proc.Identity{}, fmt.Errorf("start the lab: %w", err)
		}
	}
	if err := writeJSON(o.layout.settings(), s); err != nil {
		return proc.Identity{}, err
	}
	supervisor, err := proc.StartDetached(proc.Spec{
		Lab: o.layout.dir, Name: supervisorName, Path: s.Executable,
		Args: []string{"lab", "supervise", "--dir", o.layout.dir},
		Dir:  o.layout.data(), Log: o.layout.log(supervisorName), Keep: keepVariable,
	})
	if err != nil {
		return proc.Identity{}, err
	}
	o.say("starting the lab in %s (process %d)", o.layout.dir, supervisor.Found().PID)
	return supervisor.Found().Identity, nil
}

// awaitInterval is how often Up looks at what the supervisor wrote.
const awaitInterval = 50 * time.Millisecond

// await reports what the supervisor writes until the lab is ready or the
// supervisor is gone.
func (o *operator) await(ctx context.Context, supervisor proc.Identity) (Info, error) {
	var seen []ComponentInfo
	for {
		alive := proc.Alive(o.layout.dir, supervisor) // first, so that its last words are read
		info, err := readInfo(o.layout)
		switch {
		case errors.Is(err, ErrNoLab): // not written yet
		case err != nil:
			return Info{}, err
		default:
			for _, e := range decideEvents(seen, info.Components) {
				o.report(e)
			}
			seen = info.Components
			if info.State == Ready && alive {
				o.say("the lab is ready")
				return info, nil
			}
		}
		if !alive {
			return Info{}, o.explain(info)
		}
		if !sleep(ctx, awaitInterval) {
			return Info{}, fmt.Errorf("wait for the lab: %w; it goes on starting: watch it with watari lab status, stop it with watari lab down", ctx.Err())
		}
	}
}

// explain says why a supervisor is gone before its lab was ready.
func (o *operator) explain(info Info) error {
	f := info.Failure
	if f == nil {
		f = &Failure{Component: supervisorName, Reason: "ended before the lab was ready", LogTail: readTail(o.layout.log(supervisorName))}
	}
	return fmt.Errorf("start the lab in %s: %s: %s; everything was stopped. The end of %s:\n%s",
		o.layout.dir, f.Component, f.Reason, o.layout.log(f.Component), f.LogTail)
}
