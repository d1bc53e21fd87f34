package engine

import "time"

// Bounds say how often a write is tried, and how long is waited between tries.
type Bounds struct {
	RiseTries    int           // of a write that raises a share; after the last one the migration gives up
	RisePauses   time.Duration // all pauses between these tries together
	LongestPause time.Duration // between two tries; those that take back go on until it is done
}

// TryBounds returns the bounds that Step keeps.
func TryBounds() Bounds {
	b := Bounds{RiseTries: riseTries}
	for tries := 1; tries < riseTries; tries++ {
		b.RisePauses += backOff(tries)
	}
	for tries := 1; backOff(tries) > b.LongestPause; tries++ {
		b.LongestPause = backOff(tries)
	}
	return b
}
