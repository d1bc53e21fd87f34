// Package outlet is an io.Writer that never waits for its reader. What it is given
// is whole messages, such as lines or the frames of a live view; they wait within a
// bound, the oldest are dropped when there is no more room, and how many lines were
// dropped is said as soon as somebody reads again. A message is written whole or
// not at all. It knows nothing of what a message means.
package outlet
