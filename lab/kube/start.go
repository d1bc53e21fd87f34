//go:build linux

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"watari.dev/lab/proc"
)

const (
	readyBound    = 2 * time.Minute // for one process, on a slow and busy machine
	readyInterval = 50 * time.Millisecond
	stopGrace     = 10 * time.Second // a plane in order needs one or two seconds
)

// A Running is a plane whose processes run as children of the caller.
type Running struct {
	*Plane
	commands  []Command
	processes []*proc.Process // in the order of commands
	logs      string
}

// Start starts a prepared plane and waits until it is ready. The processes die
// with the caller; they carry the mark of lab, an absolute directory (see
// package proc), and log into files in the directory logs. If one of them does
// not become ready, what was started is stopped again.
func Start(ctx context.Context, p *Plane, lab, logs string) (*Running, error) {
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.cfg.Name, err)
	}
	r := &Running{Plane: p, commands: p.Commands(), logs: logs}
	if err := r.start(ctx, lab); err != nil {
		return nil, errors.Join(err, r.Stop(ctx))
	}
	return r, nil
}

func (r *Running) start(ctx context.Context, lab string) error {
	ready := map[string]bool{}
	for _, c := range r.commands {
		for i, earlier := range r.commands[:len(r.processes)] {
			if slices.Contains(c.After, earlier.Name) && !ready[earlier.Name] {
				if err := r.wait(ctx, i); err != nil {
					return err
				}
				ready[earlier.Name] = true
			}
		}
		process, err := proc.Start(proc.Spec{
			Lab: lab, Name: r.cfg.Name + "-" + c.Name, Path: r.cfg.Binary, Args: c.Args,
			Dir: r.cfg.Dir, Log: r.log(c),
		})
		if err != nil {
			return err
		}
		r.processes = append(r.processes, process)
	}
	for i, c := range r.commands {
		if !ready[c.Name] {
			if err := r.wait(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait polls until process i is ready, has ended or takes too long.
func (r *Running) wait(ctx context.Context, i int) error {
	bounded, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for {
		err := r.commands[i].Ready(bounded)
		if err == nil {
			return nil
		}
		select {
		case <-r.processes[i].Done():
			return fmt.Errorf("start %s: %s %s; see %s", r.cfg.Name, r.commands[i].Name, r.processes[i].Exit(), r.log(r.commands[i]))
		case <-bounded.Done():
			return fmt.Errorf("start %s: %s is not ready: %w; see %s", r.cfg.Name, r.commands[i].Name, err, r.log(r.commands[i]))
		case <-ticker.C:
		}
	}
}

func (r *Running) log(c Command) string { return filepath.Join(r.logs, r.cfg.Name+"-"+c.Name+".log") }

// Processes returns the plane's processes in the order of their start.
func (r *Running) Processes() []proc.Found {
	var found []proc.Found
	for _, p := range r.processes {
		found = append(found, p.Found())
	}
	return found
}

// Stop ends the processes, each after those that need it. It returns when all
// have ended; when ctx is done it kills.
func (r *Running) Stop(ctx context.Context) error {
	var errs []error
	for i := len(r.processes) - 1; i >= 0; i-- {
		_, err := r.processes[i].Stop(ctx, stopGrace)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
