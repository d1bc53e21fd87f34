// Package runner is the loop around the engine: observe in parallel with
// deadlines, step, save, apply, repeat. It knows interfaces only and decides
// nothing. It never applies what it has not saved, never acts after its lease
// has ended, and never takes a missing answer for a good one. Killed anywhere,
// the next runner goes on from what the store and the data plane say.
package runner
