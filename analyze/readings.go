package analyze

import (
	"slices"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Readings is what a source of counts said of one service in the past, interval by
// interval.
type Readings struct {
	Service Service
	From    time.Time // of the first interval
	Every   time.Duration
	Source  []Reading // of each interval
	Target  []Reading // of each, or empty where the target was not asked for
}

// Reading is what one side answered from From to the end of its interval. From is
// where the side's last known reading ended.
type Reading struct {
	From time.Time
	traffic.Reading[traffic.Counts]
}

// Counted makes a recording of what was counted of each service over the same
// intervals. shares says what the target got; without it nobody knows.
func Counted(name string, all []Readings, shares []Rise) Recording {
	out := Recording{Name: name}
	most := 0
	for _, r := range all {
		out.Services = append(out.Services, r.Service)
		most = max(most, len(r.Source), len(r.Target))
	}
	for k := range most {
		for i, r := range all {
			if k >= len(r.Source) && k >= len(r.Target) {
				continue
			}
			to := r.From.Add(time.Duration(k+1) * r.Every)
			in := verdict.Interval{Service: i, To: to, From: traffic.BySide[time.Time]{Source: r.From, Target: r.From}}
			if k < len(r.Source) {
				in.From.Source, in.Source = r.Source[k].From, r.Source[k].Reading
			}
			if k < len(r.Target) {
				in.From.Target, in.Target = r.Target[k].From, r.Target[k].Reading
			}
			place(&in, shares)
			out.add(in)
		}
	}
	if len(all) > 0 {
		out.Rises = slices.DeleteFunc(slices.Clone(shares), func(s Rise) bool { return s.At.Before(all[0].From) })
	}
	out.began()
	return out
}

// place says which share an interval belongs to: that of its end, and no hold where
// it changed in between.
func place(in *verdict.Interval, shares []Rise) {
	from := in.From.Source
	if in.From.Target.Before(from) {
		from = in.From.Target
	}
	for i, s := range shares {
		if !s.At.Before(in.To) {
			return
		}
		in.Intended, in.Step = s.To, i+1
		if s.To <= traffic.None || from.Before(s.At) {
			in.Step = 0
		}
	}
}
