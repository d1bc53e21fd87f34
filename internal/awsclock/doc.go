// Package awsclock tells a clock that is off from keys that are wrong, for every
// client of AWS. A refusal that is about the time of a signature becomes a
// Refusal, which says how far the clocks are apart. The SDK corrects its
// signatures by the Date of an answer; this package decides which Date it may
// believe: only one of AWS itself, and only after a refusal. It never sets a
// clock and makes no call by itself.
package awsclock
