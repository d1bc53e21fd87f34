package prometheus

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// dates is what the server's clock said in the answers that one Counts got.
type dates struct {
	mu    sync.Mutex
	found bool
	took  time.Duration // by the quickest answer
	ahead time.Duration // of our clock, by the same
}

type datesKey struct{}

// withDates returns a context whose requests leave their answers' dates in d.
func withDates(ctx context.Context) (context.Context, *dates) {
	d := &dates{}
	return context.WithValue(ctx, datesKey{}, d), d
}

func datesOf(ctx context.Context) *dates {
	if d, ok := ctx.Value(datesKey{}).(*dates); ok {
		return d
	}
	return &dates{}
}

// add takes an answer's date, unless a cache has kept the answer, or an earlier one
// came quicker and so says it more exactly.
func (d *dates) add(sent, answered time.Time, header http.Header) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" {
		return
	}
	took := answered.Sub(sent)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.found || took < d.took {
		d.found, d.took, d.ahead = true, took, date.Sub(sent.Add(took/2))
	}
}

// skew returns how far the server's clock is ahead of ours, in whole seconds. 0 is
// less than can be told: a date has whole seconds, and may be of any moment between
// sending the request and receiving the answer.
func (d *dates) skew() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ahead.Abs() < 2*time.Second+d.took/2 {
		return 0
	}
	return d.ahead.Round(time.Second)
}
