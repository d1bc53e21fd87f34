// Package sim is a world in which migrations are run to see what breaks them: the
// production engine, runner, verdict, router decorators and store logic, unchanged,
// inside of levers that lose replies, signals that go blind, processes that are
// killed between any two effects, clocks that jump, operators and intruders. Time
// is virtual and everything happens in one order, which the seed decides: the same
// seed is the same trace, byte for byte.
//
// A seed is drawn into a Plan, which is plain data: the migration, the world and the
// list of what goes wrong. Run plays it and states the invariants of
// docs/architecture.md after every event; Shrink finds the shortest part of a plan
// that still breaks one. docs/reliability.md says what is promised and has the
// figures; sim/cmd is the command that runs millions of seeds.
package sim
