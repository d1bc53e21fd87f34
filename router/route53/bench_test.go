package route53

import (
	"fmt"
	"testing"
	"time"

	"watari.dev/router"
	"watari.dev/traffic"
)

// BenchmarkCallsPerStep walks a migration of 1 %, 10 %, 50 % and 100 % over and
// over and reports the API calls of one step: reading the route, writing the
// share (which reads again), and asking every 30 s until it has settled.
func BenchmarkCallsPerStep(b *testing.B) {
	for _, names := range []int{1, 10, 500} {
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			f, r := zoneOf(names, 99, 0)
			d := driverOver(f)
			total, steps := tally{}, 0
			for b.Loop() {
				for _, share := range []traffic.Share{100, 1000, 5000, traffic.All} {
					before := f.tally()
					step(b, d, f, r, share)
					total.add(f.tally(), before)
					steps++
				}
				step(b, d, f, r, traffic.None)
			}
			b.ReportMetric(float64(total.lists+total.writes+total.asked)/float64(steps), "calls/step")
			b.ReportMetric(float64(total.lists)/float64(steps), "list/step")
			b.ReportMetric(float64(total.writes)/float64(steps), "change/step")
			b.ReportMetric(float64(total.asked)/float64(steps), "getchange/step")
		})
	}
}

// tally counts calls by what they do.
type tally struct{ lists, writes, asked int }

func (f *fakeRoute53) tally() tally {
	f.mu.Lock()
	defer f.mu.Unlock()
	return tally{f.lists, f.writes, f.asked}
}

func (t *tally) add(after, before tally) {
	t.lists += after.lists - before.lists
	t.writes += after.writes - before.writes
	t.asked += after.asked - before.asked
}

func step(b *testing.B, d *Driver, f *fakeRoute53, r router.Ref, share traffic.Share) {
	b.Helper()
	s, err := d.Read(b.Context(), r)
	if err != nil {
		b.Fatal(err)
	}
	receipt, err := d.Write(b.Context(), router.Change{ID: share.String(), Route: r, Share: share, IfVersion: s.Version})
	if err != nil {
		b.Fatal(err)
	}
	for {
		f.clock.Advance(30 * time.Second)
		s, err := d.Settled(b.Context(), receipt)
		if err != nil {
			b.Fatal(err)
		}
		if s.Done {
			return
		}
	}
}
