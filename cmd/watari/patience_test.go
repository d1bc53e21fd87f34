package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/router"
	"watari.dev/router/memrouter"
	"watari.dev/router/paced"
	"watari.dev/runner"
	"watari.dev/traffic"
)

// TestAPlanReadsTheOthersAfterAThrottledRoute: what is held back is asked again when
// it is due; what was really refused is said.
func TestAPlanReadsTheOthersAfterAThrottledRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := memrouter.New(memrouter.Config{})
		d := paced.NewPacer(nil).Wrap(mem)
		routes := map[string]runner.Route{}
		for _, name := range []string{"a", "b", "c"} {
			ref := router.Ref{Name: name, ID: name, Source: "old", Target: "new"}
			mem.Add(ref, router.Weight{Entry: "old", Weight: 1})
			routes[name] = runner.Route{Ref: ref, Driver: d}
		}
		mem.Fail(memrouter.Read, memrouter.Fault{Kind: router.ErrThrottled})
		began := time.Now()
		snapshots, errs := readAll(t.Context(), routes)
		if len(snapshots) != 2 || len(errs) != 1 || time.Since(began) > time.Second {
			t.Errorf("read %d routes in %s, %v", len(snapshots), time.Since(began), errs)
		}
		for _, err := range errs {
			if _, held := router.HeldBack(err); held || !errors.Is(err, router.ErrThrottled) {
				t.Errorf("the route that was asked first: %v", err)
			}
		}
	})
}

func TestPatienceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		asked := 0
		_, err := patiently(ctx, func() (traffic.Share, error) {
			asked++
			return 0, &router.Error{Kind: router.ErrHeldBack, RetryAt: time.Now().Add(700 * time.Millisecond)}
		})
		if _, held := router.HeldBack(err); !held || asked != 2 {
			t.Errorf("asked %d times, %v", asked, err)
		}
	})
}
