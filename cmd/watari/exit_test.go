package main

import (
	"errors"
	"fmt"
	"testing"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/store"
)

func TestCodeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{errors.New("surprise"), exitError},
		{&router.Error{Kind: router.ErrDenied}, exitError},
		{usage{errors.New("no file is named")}, exitUsage},
		{v1alpha1.Mistakes{{Message: "m"}}, exitUsage},
		{&store.LockedError{Kind: store.ErrLocked}, exitLocked},
		{&store.LockedError{Kind: store.ErrLost}, exitLocked},
		{store.ErrLost, exitLocked},
		{store.ErrConflict, exitLocked},
		{store.ErrNotFound, exitUnknown},
	} {
		if got := codeOf(fmt.Errorf("do something: %w", c.err)); got != c.code {
			t.Errorf("%v: code %d, want %d", c.err, got, c.code)
		}
	}
}

func TestPhaseEnd(t *testing.T) {
	for phase, code := range map[engine.Phase]int{
		engine.Complete: exitOK, engine.RolledBack: exitRolledBack, engine.Failed: exitFailed, engine.Holding: exitOK,
	} {
		got := exitOK
		var end *ended
		if errors.As(phaseEnd(phase), &end) {
			got = end.code
		}
		if got != code {
			t.Errorf("%s: code %d, want %d", phase, got, code)
		}
	}
}
