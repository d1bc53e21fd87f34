package engine

import (
	"slices"
	"time"

	"watari.dev/traffic"
)

// TakenOver returns a remembered status as a process goes by it that begins at now:
// what the one before saw is not what this one sees, and nobody watched in between.
// Where the clock was set back meanwhile, everything happened that much earlier.
func (s Status) TakenOver(now time.Time) Status {
	s = s.clone()
	if ahead := s.LastTurn.Sub(now); !s.LastTurn.IsZero() && ahead > 0 {
		s.earlier(ahead)
	}
	s.LastTurn, s.BlindAt, s.BurningAt = time.Time{}, time.Time{}, time.Time{}
	unseen := SideState{Err: "this process has not asked yet"}
	s.Evidence.Last = traffic.BySide[SideState]{Source: unseen, Target: unseen}
	s.Evidence.Services = nil
	for i := range s.Routes {
		s.Routes[i].Unread, s.Routes[i].Trouble = true, ""
	}
	return s
}

// earlier moves everything that is remembered back in time. Evidence is kept by the
// moments in which it was counted, so it begins anew.
func (s *Status) earlier(by time.Duration) {
	s.Analysis, s.Evidence.Intervals = nil, nil
	times := []*time.Time{&s.Since, &s.Reached, &s.Started, &s.LastTurn, &s.Degraded}
	for i := range s.Answers {
		times = append(times, &s.Answers[i].At)
	}
	for i := range s.Routes {
		r := &s.Routes[i]
		times = append(times, &r.LookAt, &r.LateUntil, &r.Again.Next)
		for _, f := range []*Found{r.Original, r.Seen, r.Drift, r.Agreed} {
			if f != nil {
				times = append(times, &f.At)
			}
		}
		if w := r.Want; w != nil {
			times = append(times, &w.Asked, &w.NextTry)
		}
		if w := r.Written; w != nil {
			times = append(times, &w.At, &w.SettledAt, &w.Due)
		}
		r.Past = slices.Clone(r.Past)
		for j := range r.Past {
			times = append(times, &r.Past[j].At)
		}
	}
	for _, t := range times {
		if !t.IsZero() {
			*t = t.Add(-by)
		}
	}
}
