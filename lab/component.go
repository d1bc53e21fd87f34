//go:build linux

package lab

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// component is one process of a lab and what the supervisor has to know of it.
type component struct {
	name     string
	after    []string // must be ready before it starts; stop only after it has
	path     string   // the program
	args     []string
	endpoint string        // for people
	grace    time.Duration // from TERM to KILL; zero is defaultGrace
	// ready asks once whether it serves; nil means that a running process does.
	ready func(context.Context) error
}

// defaultGrace is ample for every component; those that are in order need one or
// two seconds.
const defaultGrace = 10 * time.Second

// checkComponents reports names that are missing or used twice. What a component
// needs stands before it, so that there is an order in which all can start.
func checkComponents(components []component) error {
	var seen []string
	for _, c := range components {
		if c.name == "" || slices.Contains(seen, c.name) {
			return fmt.Errorf("component %q: the name is missing or used twice", c.name)
		}
		for _, needed := range c.after {
			if !slices.Contains(seen, needed) {
				return fmt.Errorf("component %q: it needs %q, which does not stand before it", c.name, needed)
			}
		}
		seen = append(seen, c.name)
	}
	return nil
}

const (
	firstDelay   = 200 * time.Millisecond
	longestDelay = 5 * time.Second
	// A component that lived this long has recovered: the next delay is short.
	recovered = 30 * time.Second
	// A component that never was ready and ended this often will not be.
	startTries = 3
)

// history is what decides about a restart.
type history struct {
	everReady bool
	failures  int // ends in a row, each after a life shorter than recovered
}

// ended returns the history after another life.
func (h history) ended(lived time.Duration) history {
	if lived >= recovered {
		h.failures = 0
	}
	h.failures++
	return h
}

// decideRestart says how long to wait before the next start, or that there is
// none.
func decideRestart(h history) (delay time.Duration, giveUp bool) {
	if !h.everReady && h.failures >= startTries {
		return 0, true
	}
	delay = firstDelay
	for n := 1; n < h.failures && delay < longestDelay; n++ {
		delay *= 2
	}
	return min(delay, longestDelay), false
}
