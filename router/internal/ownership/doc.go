// Package ownership remembers for drivers who else writes a lever's weights. To
// ask costs API calls, owners change by hand, and nobody who takes traffic back
// waits for the answer: what was found is believed for some minutes, and a lever
// that is being taken back is not asked about at all.
package ownership
