package analyze

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// TestReplayFindsTheVeryTurn compares with asking after each turn.
func TestReplayFindsTheVeryTurn(t *testing.T) {
	r := morning(.2)
	r.Services[0].Full = false   // errors alone: what is slow is never proven in this hour
	for i := 700; i < 800; i++ { // and for a while requests are split as nobody wants
		in := &r.Turns[i].Intervals[0]
		in.Target.Value.Requests *= 2
		in.Target.Value.Errors /= 2
	}
	for len(r.Turns) < 3*mostLooks { // so many that not all are looked at
		last := r.Turns[len(r.Turns)-1].Intervals[0]
		last.From = traffic.BySide[time.Time]{Source: last.To, Target: last.To}
		last.To = last.To.Add(3 * time.Second)
		last.Source.At, last.Target.At = last.To, last.To
		r.add(last)
	}
	cfg := r.Settings(verdict.Config{}.WithDefaults())
	got := Replay(r, cfg)

	test := verdict.Prepare(cfg)
	s := test.New()
	test.Start(&s, r.Marks[0].At)
	enough, fired, alarm := map[int]time.Time{}, time.Time{}, map[int]time.Time{}
	first := func(m map[int]time.Time, step int, at time.Time) {
		if m[step].IsZero() {
			m[step] = at
		}
	}
	for i := range r.Turns {
		turn := &r.Turns[i]
		feed(test, &s, turn)
		v := test.Verdict(&s)
		step := turn.Intervals[0].Step
		if v.Good.Enough {
			first(enough, step, turn.At)
		}
		if v.Split.Alarm {
			first(alarm, step, turn.At)
		}
		if v.Degraded && fired.IsZero() {
			fired = turn.At
		}
	}
	if fired.IsZero() || len(alarm) == 0 || len(enough) == 0 {
		t.Fatalf("this recording shows too little: %v, %v, %v", fired, alarm, enough)
	}
	if !got.Rollbacks[0].At.Equal(fired) {
		t.Errorf("fell at %s, want %s", got.Rollbacks[0].At, fired)
	}
	if len(got.Alarms) != len(alarm) || !got.Alarms[0].At.Equal(alarm[2]) {
		t.Errorf("alarms %+v, want %v", got.Alarms, alarm)
	}
	for _, step := range got.Steps {
		want := enough[step.Number]
		if (step.Enough == nil) != want.IsZero() || step.Enough != nil && !step.Enough.Equal(want) {
			t.Errorf("step %d proven at %v, want %v", step.Number, step.Enough, want)
		}
	}
	if len(got.Points) > 2*mostLooks || len(got.Points) < mostLooks/2 {
		t.Errorf("%d points of %d turns", len(got.Points), len(r.Turns))
	}
}

// TestAnOperatorGoesOn has the evidence begin anew, and find the same again.
func TestAnOperatorGoesOn(t *testing.T) {
	r := morning(.3)
	once := replayed(r)
	if len(once.Rollbacks) != 1 {
		t.Fatalf("%+v", once.Rollbacks)
	}
	r.Marks = append(r.Marks, Mark{once.Rollbacks[0].At, Resume})
	if got := replayed(r); len(got.Rollbacks) != 2 || !got.Rollbacks[1].At.After(got.Rollbacks[0].At) {
		t.Errorf("%+v", got.Rollbacks)
	}
	r = morning(.001)
	before := replayed(r)
	r.Marks = append(r.Marks, Mark{r.Turns[500].At, Resume})
	if got := replayed(r); got.LogE != before.LogE {
		t.Error("who resumes without a verdict forgets nothing")
	}
}

// TestBandsHoldTheQuantile: the counted quantile lies within its band, and more
// requests never widen it.
func TestBandsHoldTheQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := traffic.Histogram{Edges: []time.Duration{10, 20, 50, 100}, Buckets: rapid.SliceOfN(rapid.Int64Range(0, 5000), 5, 5).Draw(t, "buckets")}
		q := rapid.SampledFrom([]float64{.5, .99}).Draw(t, "q")
		l := lagOf(h, q, .01)
		if h.Count() == 0 {
			if l != (Lag{}) {
				t.Fatalf("%+v of nothing", l)
			}
			return
		}
		if l.Low > l.At || l.High >= 0 && l.High < l.At {
			t.Fatalf("%v at %v: %+v", h, q, l)
		}
		double := lagOf(h.Plus(h), q, .01)
		if double.Low < l.Low || l.High >= 0 && (double.High < 0 || double.High > l.High) {
			t.Fatalf("twice as many: %+v, before %+v", double, l)
		}
	})
}

func TestOneIn(t *testing.T) {
	for want, logE := range map[string]float64{
		"nothing": -3, "1 in 1.1": .0954, "1 in 3.4": 1.2238, "1 in 9.9": 2.29, "1 in 10": 2.302586, "1 in 100": -math.Log(.01), "1 in 130": 4.88,
		"1 in 3,400": 8.14, "less than 1 in 1,000,000,000,000": 100,
	} {
		if got := OneIn(logE); got != want {
			t.Errorf("%v is %q, want %q", logE, got, want)
		}
	}
}

// BenchmarkReplayOfADay replays a day of seconds.
func BenchmarkReplayOfADay(b *testing.B) {
	r := Recording{Services: []Service{{}}}
	for i := range 86400 {
		at := dawn.Add(time.Duration(i+1) * time.Second)
		from := at.Add(-time.Second)
		c := func(n, bad int64) traffic.Reading[traffic.Counts] {
			return traffic.KnownAt(traffic.Counts{Requests: n, Errors: bad}, at)
		}
		r.add(verdict.Interval{
			To: at, From: traffic.BySide[time.Time]{Source: from, Target: from}, Intended: 500, Step: 1,
			Source: c(190, int64(i%5/4)), Target: c(10, int64(i%97/96)),
		})
	}
	r.began()
	cfg := r.Settings(verdict.Config{}.WithDefaults())
	for b.Loop() {
		Replay(r, cfg)
	}
}
