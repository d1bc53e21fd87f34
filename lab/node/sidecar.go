//go:build linux

package node

import (
	"context"
	"slices"
)

// sidecars are the init containers that keep running, in the order of their start.
type sidecars []sidecar

type sidecar struct {
	stop context.CancelFunc
	done chan struct{}
}

// start starts a sidecar and waits until it is up; false if the pod is to end first.
func (s *sidecars) start(ctx context.Context, w *podWorker, name string) bool {
	stopping, stop := context.WithCancel(context.Background())
	c := newContainer(w, name, false, stopping)
	car := sidecar{stop: stop, done: make(chan struct{})}
	*s = append(*s, car)
	go func() {
		defer close(car.done)
		c.run(ctx)
	}()
	select {
	case <-c.up:
		return true
	case <-w.ending.stopping.Done():
		return false
	}
}

// stopAll stops the sidecars one after the other, the last one first, as the documentation of
// sidecar containers has it.
func (s sidecars) stopAll() {
	for _, car := range slices.Backward(s) {
		car.stop()
		<-car.done
	}
}
