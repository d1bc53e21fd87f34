package sim

import (
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/runner"
)

// Mutant is a watari that is broken on purpose.
type Mutant struct {
	Name   string
	Step   func(engine.Spec, engine.Status, engine.Observation, time.Time) (engine.Status, []engine.Intent)
	Driver func(*process, router.Driver) router.Driver
	Config func(*process, *runner.Config)
}
