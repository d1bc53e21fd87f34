// Package environmenttest is the contract of environment.Environment as a test
// suite: an inventory is what is there, reading it changes nothing, and every
// failure has a kind and a text that says what was attempted on what. A
// driver's own tests call Run with a harness around a place, real or fake.
package environmenttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"watari.dev/environment"
	"watari.dev/traffic"
)

// Harness is an environment of known contents.
type Harness struct {
	Environment environment.Environment
	Want        environment.Inventory // At is ignored
	Deny        func()                // from now on it refuses everything
	Silence     func()                // from now on it does not answer
	Changes     func() int            // how often it was asked to change something
}

// bound is the longest that an inventory may take.
const bound = 10 * time.Second

// Run tests that the environment keeps the contract. newHarness is called once
// for each subtest and cleans up by t.Cleanup.
func Run(t *testing.T, newHarness func(*testing.T) Harness) {
	t.Run("inventory is what is there", func(t *testing.T) { testInventory(t, newHarness(t)) })
	t.Run("refused", func(t *testing.T) { testDenied(t, newHarness(t)) })
	t.Run("no answer", func(t *testing.T) { testSilence(t, newHarness(t)) })
	t.Run("a caller that gives up", func(t *testing.T) { testGivesUp(t, newHarness(t)) })
}

func testInventory(t *testing.T, h Harness) {
	for range 2 {
		got, err := h.Environment.Inventory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.At.IsZero() {
			t.Error("the inventory does not say of when it is")
		}
		nodes, known := got.Nodes.Get()
		want, wantKnown := h.Want.Nodes.Get()
		if got.Kind != h.Want.Kind || got.Version != h.Want.Version || got.Pods != h.Want.Pods ||
			nodes != want || known != wantKnown || !slices.Equal(got.Namespaces, h.Want.Namespaces) {
			t.Errorf("got  %+v\nwant %+v", got, h.Want)
		}
		if !known && got.Nodes.State == traffic.Failed && got.Nodes.Err == "" {
			t.Error("the nodes could not be seen and nobody knows why")
		}
	}
	if n := h.Changes(); n != 0 {
		t.Errorf("looking changed %d things", n)
	}
}

func testDenied(t *testing.T, h Harness) {
	h.Deny()
	_, err := h.Environment.Inventory(t.Context())
	wantError(t, err, environment.ErrDenied)
}

func testSilence(t *testing.T, h Harness) {
	h.Silence()
	start := time.Now()
	_, err := h.Environment.Inventory(t.Context())
	wantError(t, err, environment.ErrUnreachable)
	if took := time.Since(start); took > bound {
		t.Errorf("it took %v to say so", took)
	}
}

func testGivesUp(t *testing.T, h Harness) {
	h.Silence()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := h.Environment.Inventory(ctx)
	wantError(t, err, environment.ErrUnreachable)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func wantError(t *testing.T, err error, kind error) {
	t.Helper()
	var e *environment.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want an environment.Error of the kind %q", err, kind)
	}
	if e.Op == "" || e.On == "" || !strings.Contains(err.Error(), e.On) {
		t.Errorf("%q does not say what was attempted on what", err)
	}
}
