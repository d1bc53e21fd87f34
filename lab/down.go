//go:build linux

package lab

import (
	"context"
	"slices"
	"time"

	"watari.dev/lab/proc"
)

// Report says what Down stopped.
type Report struct {
	Stopped []proc.Stopped
	Took    time.Duration
}

// Down stops the lab, in order if its supervisor lives, and then whatever
// carries its mark. It removes the lab's data and keeps its logs. Without a lab
// it does nothing and reports nothing.
func Down(ctx context.Context, cfg Config) (Report, error) {
	o, err := newOperator(cfg)
	if err != nil {
		return Report{}, err
	}
	return o.down(ctx)
}

func (o *operator) down(ctx context.Context) (Report, error) {
	owned, err := o.layout.owned()
	if err != nil || !owned {
		return Report{}, err
	}
	lock, err := o.lock(ctx)
	if err != nil {
		return Report{}, err
	}
	defer lock.Unlock()

	before, err := proc.Find(o.layout.dir)
	if err != nil {
		return Report{}, err
	}
	stopped, err := o.stop(ctx)
	if err != nil {
		return Report{}, err
	}
	report := Report{Stopped: decideStopped(before, stopped), Took: time.Since(o.began)}
	return report, o.layout.clear(o.layout.logs())
}

// stop ends the supervisor, which ends the components, and then what is left.
func (o *operator) stop(ctx context.Context) ([]proc.Stopped, error) {
	var stopped []proc.Stopped
	supervisor, running, err := o.findSupervisor()
	if err != nil {
		return nil, err
	}
	if running {
		o.say("stopping the lab in %s (process %d)", o.layout.dir, supervisor.PID)
		s, err := proc.Stop(ctx, o.layout.dir, supervisor, superviseBound)
		if err != nil {
			return nil, err
		}
		stopped = append(stopped, s)
	}
	left, err := proc.StopAll(ctx, o.layout.dir, o.sweepGrace)
	if err != nil {
		return nil, err
	}
	if len(left) > 0 {
		o.say("stopped %d processes without a supervisor", len(left))
	}
	return append(stopped, left...), nil
}

// decideStopped adds to what was stopped by signal what the supervisor ended.
func decideStopped(before []proc.Found, stopped []proc.Stopped) []proc.Stopped {
	for _, f := range before {
		known := slices.ContainsFunc(stopped, func(s proc.Stopped) bool { return s.Identity == f.Identity })
		if !known {
			stopped = append(stopped, proc.Stopped{Found: f, Outcome: proc.Ended})
		}
	}
	return stopped
}
