package runner

import (
	"fmt"
	"time"

	"watari.dev/traffic"
)

// mostSkew is how far the clock of whoever counted may be from ours. Windows are of
// our clock: what was counted in them by one that is further off belongs to another
// share of the migration, or to another step, and is no evidence of this one.
const mostSkew = time.Minute

// ofOurTime returns the reading, or why it says nothing of its window. It is asked
// for again from the end of the last one that did.
func ofOurTime(r traffic.Reading[traffic.Counts]) traffic.Reading[traffic.Counts] {
	counts, known := r.Get()
	if !known || counts.Skew.Abs() <= mostSkew {
		return r
	}
	where := "behind"
	if counts.Skew < 0 {
		where = "ahead of"
	}
	return traffic.FailedAt[traffic.Counts](fmt.Errorf("this machine's clock is %s %s that of who counts: what was counted is of another time: set it: chronyc makestep, or timedatectl set-ntp true",
		counts.Skew.Abs().Round(time.Second), where), r.At)
}
