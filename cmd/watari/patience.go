package main

import (
	"context"
	"time"

	"watari.dev/router"
)

// patiently asks a lever again for as long as it says that others go first, or
// until ctx is done. It is for commands that ask once; a run asks again by itself.
func patiently[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for {
		out, err := ask()
		due, held := router.HeldBack(err)
		if !held {
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, err
		case <-time.After(time.Until(due)):
		}
	}
}
