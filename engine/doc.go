// Package engine decides what a migration does next. Step is a pure function of
// what the user wants, what is remembered, what was observed and the time; it
// returns what to remember and what to do. It has no I/O, clock, randomness,
// context or goroutine, and it is total: every input has an answer.
//
// It keeps these promises (docs/architecture.md, Invariants): no share rises
// above its step or on anything unknown; a rollback needs nothing but the
// router; what somebody else changed is not overwritten upwards unless an
// operator resumes; Complete is said only of what has settled and been read
// back; a process that is killed anywhere and started again ends in the same
// place. One file holds one phase.
package engine
