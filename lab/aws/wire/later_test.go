package wire

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestLater hands functions in at different times; each runs exactly its
// delay later, in order, and none after the context ended.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		later := NewLater(500 * time.Millisecond)
		done := make(chan struct{})
		go func() { defer close(done); later.Run(ctx) }()

		start := time.Now()
		var ran []time.Duration
		note := func() { ran = append(ran, time.Since(start)) }
		later.Do(note)
		later.Do(note)
		time.Sleep(200 * time.Millisecond)
		later.Do(note)
		time.Sleep(2 * time.Hour) // an idle queue wakes up for the next function
		later.Do(note)
		time.Sleep(time.Second)
		later.Do(note)
		time.Sleep(100 * time.Millisecond)
		cancel()
		<-done
		time.Sleep(time.Minute)
		want := []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, 700 * time.Millisecond, 2*time.Hour + 700*time.Millisecond}
		if !slices.Equal(ran, want) {
			t.Errorf("ran at %v, want %v", ran, want)
		}
	})
}
