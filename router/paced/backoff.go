package paced

import (
	"fmt"
	"time"
)

// The bounds of a back-off.
const (
	// firstBackOff follows the first throttled operation; it doubles with each
	// further one up to longestBackOff.
	firstBackOff   = 500 * time.Millisecond
	longestBackOff = 8 * time.Second
	// calm is how long all must be well for one step back to normal; as long as the
	// longest back-off, so that one of those does not follow the other for ever.
	calm = 8 * time.Second
	// silence is how many operations in a row without a usable answer count as one
	// that was throttled.
	silence = 3
)

// backOff is a time in which nothing is sent. The next one is twice as long, but
// for each calm in which only answers come one step shorter.
type backOff struct {
	length time.Duration // of the last one; 0 is normal
	begun  time.Time
	well   time.Time // since when all is: the end of the back-off, or the last step back to normal
	why    string    // what it came after
	silent int       // operations in a row without a usable answer
}

func (b *backOff) end() time.Time { return b.begun.Add(b.length) }

// learn takes over what an operation tells that was sent at sent. What was sent
// before the back-off began tells nothing new: many operations under way at the
// same time are one back-off.
func (b *backOff) learn(a answer, sent, now time.Time) {
	known := b.length > 0 && !sent.After(b.begun)
	switch a {
	case nothing:
	case done, refused:
		b.silent = 0
		if !known {
			b.relax(now)
		}
	case throttled:
		if !known {
			b.begin("after being throttled", now)
		}
	case silent:
		if b.silent++; b.silent >= silence && !known {
			b.begin(fmt.Sprintf("after %d operations without an answer", b.silent), now)
		}
	}
}

func (b *backOff) begin(why string, now time.Time) {
	b.length = min(max(2*b.length, firstBackOff), longestBackOff)
	b.begun, b.why = now, why
	b.well = b.end()
}

// relax takes one step back to normal after a calm. What was throttled once a
// second would otherwise be so for ever.
func (b *backOff) relax(now time.Time) {
	if b.length == 0 || now.Before(b.well.Add(calm)) {
		return
	}
	b.length /= 2
	if b.length < firstBackOff {
		b.length = 0
	}
	b.well = now
}
