// Package awscall makes one AWS call for a driver: it waits for the call's turn,
// repeats what AWS refused because of too many calls within a bound, and says
// what a failure means in the router's words. A call that modifies is repeated
// only after a refusal that certainly changed nothing, and never sent after the
// right to it has ended; the SDK's own retries are switched off, because they
// would hide a lost reply.
package awscall
