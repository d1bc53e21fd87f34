package runner

import (
	"time"

	"watari.dev/engine"
)

// WriteWithin is how long one write takes at most, unless Config.Write says
// otherwise.
func WriteWithin() time.Duration { return Config{}.withDefaults().Write }

// TurnWithin is how long a turn waits at most for the world before it decides.
func TurnWithin(spec engine.Spec) time.Duration { return max(spec.Gate.Interval, time.Second) }
