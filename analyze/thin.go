package analyze

import (
	"math/rand/v2"

	"watari.dev/verdict"
)

// thinner leaves a part of the requests of a stream.
type thinner struct {
	part   float64 // 0..1
	owed   float64 // what rounding has kept back
	chance *rand.Rand
}

// thin draws requests without putting them back: how many is fixed, how many of
// them are bad is hypergeometric.
func (t *thinner) thin(of verdict.Tally) verdict.Tally {
	want := t.part*float64(of.N) + t.owed
	n := min(int64(want), of.N)
	t.owed = want - float64(n)
	return verdict.Tally{N: n, Bad: hypergeometric(of.N, of.Bad, n, t.chance)}
}

// hypergeometric draws how many of bad requests out of all are among n. It goes
// through the smaller of the two kinds one by one, since draws and bad requests
// may change places.
func hypergeometric(all, bad, n int64, chance *rand.Rand) (found int64) {
	drawn := n
	if bad > n {
		bad, drawn = n, bad
	}
	for range bad {
		if chance.Int64N(all) < drawn {
			found++
			drawn--
		}
		all--
	}
	return found
}
