package plan

import (
	"time"

	"watari.dev/engine"
	"watari.dev/router"
)

// Pace is how the plan would be run: bounds that the runner keeps.
type Pace struct {
	Write time.Duration // one write takes at most
	Turn  time.Duration // from when something is due until it is decided, at most
}

// TriesForecast says how often the writes of a route are tried, and how long that
// takes at most.
type TriesForecast struct {
	Rise       int           // of a write that raises the share
	RiseWithin time.Duration // all of them with the waits between them, while the route can be read and the credentials are valid
	Manual     bool          // what follows is an operator's decision; everything is taken back otherwise
	BackEvery  time.Duration // between two tries to take back, which go on until it is done
	Each       time.Duration // one try
	Calls      int           // API calls of one try, if each is made once
	CallTries  int           // how often one of them is made; 1 is once
	CallWaits  time.Duration // all waits between the tries of one call together
	BackTries  int           // how often a try to take back begins anew because somebody else was faster; 1 is once
}

// tries adds the engine's bounds to those of the driver and of the runner.
func (p Plan) tries(f router.Features, pace Pace) TriesForecast {
	b := engine.TryBounds()
	return TriesForecast{
		Rise:       b.RiseTries,
		RiseWithin: b.RisePauses + time.Duration(b.RiseTries)*(f.HeldBack+pace.Turn+pace.Write),
		Manual:     p.Spec.Rollback.Manual,
		BackEvery:  b.LongestPause + pace.Turn,
		Each:       pace.Write,
		Calls:      f.ReadCalls + f.WriteCalls,
		CallTries:  max(1, f.CallTries),
		CallWaits:  f.CallWaits,
		BackTries:  max(1, f.BackTries),
	}
}
