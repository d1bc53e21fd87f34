package engine

import (
	"cmp"
	"slices"
	"time"

	"watari.dev/traffic"
)

// answerWithin is how late counts may come and still be judged by the limits: longer
// than a source may take to answer, and the turn in which that is heard.
const answerWithin = 15 * time.Second

// keepIntervals bounds the evidence, and with it the size of the status.
const keepIntervals = 128

// Evidence is what the gate judges by.
type Evidence struct {
	Intervals []Sample                  `json:"intervals,omitempty"` // of the last Window, oldest first
	Last      traffic.BySide[SideState] `json:"last"`                // what is known of each side, of all services together
	Services  []ServiceSeen             `json:"services,omitempty"`  // and of each by itself
	Rate      float64                   `json:"rate,omitempty"`      // users of both sides per second, before everything was meant for the target
	Alone     bool                      `json:"alone,omitempty"`     // everything is meant for the target: the source need not be seen
	InStep    int64                     `json:"inStep,omitempty"`    // requests of the target since the step's share was reached
	Total     traffic.BySide[SideTotal] `json:"total"`               // of the attempt
}

// SideState is whether a side could be seen, since when it could not, and why.
type SideState struct {
	State   traffic.State `json:"state"`
	Err     string        `json:"err,omitempty"`
	Service string        `json:"service,omitempty"` // of which this is known, where there are several
	KnownAt time.Time     `json:"knownAt,omitzero"`  // end of the newest interval in which it was known
	Note    string        `json:"note,omitempty"`    // what its counts were said to be doubtful for when it was known last
}

// ServiceSeen is what was seen of one service.
type ServiceSeen struct {
	Name string                    `json:"name,omitempty"`
	Last traffic.BySide[SideState] `json:"last"`
}

// see takes over the newest interval of a service.
func (e *Evidence) see(in Interval) {
	i := slices.IndexFunc(e.Services, func(s ServiceSeen) bool { return s.Name == in.Service })
	if i < 0 {
		i, e.Services = len(e.Services), append(e.Services, ServiceSeen{Name: in.Service})
	}
	e.Services[i].Last.Source.take(in.Source, in.To)
	e.Services[i].Last.Target.take(in.Target, in.To)
}

// together makes Last of what is known of each service: what nobody sees of one,
// nobody sees of all.
func (e *Evidence) together(gate Gate, now time.Time) {
	if len(e.Services) == 0 {
		return
	}
	var source, target SideState
	for i, s := range e.Services {
		grace := gate.graceOf(s.Name)
		if i == 0 || s.Last.Source.worse(source, grace, now) {
			source = s.Last.Source
		}
		if i == 0 || s.Last.Target.worse(target, grace, now) {
			target = s.Last.Target
		}
		if len(e.Services) > 1 {
			source.Service, target.Service = cmp.Or(source.Service, s.Name), cmp.Or(target.Service, s.Name)
		}
	}
	e.Last = traffic.BySide[SideState]{Source: source, Target: target}
}

// worse reports whether less is known of s than of other. That a source has
// nothing new for a moment is as good as known.
func (s SideState) worse(other SideState, grace time.Duration, now time.Time) bool {
	rank := func(v SideState) int {
		switch {
		case v.State == traffic.Failed:
			return 2
		case v.State == traffic.Unknown && (v.KnownAt.IsZero() || now.Sub(v.KnownAt) >= grace):
			return 1
		default:
			return 0
		}
	}
	if a, b := rank(s), rank(other); a != b {
		return a > b
	}
	return s.KnownAt.Before(other.KnownAt)
}

// of names the service, where there are several.
func (s SideState) of() string {
	if s.Service == "" {
		return ""
	}
	return " of " + s.Service
}

// take takes over the newest interval.
func (s *SideState) take(r traffic.Reading[traffic.Counts], to time.Time) {
	s.State, s.Err = r.State, r.Err
	if r.State == traffic.Known {
		s.KnownAt, s.Note = to, r.Note
	}
}

// SideTotal is what one side answered during an attempt.
type SideTotal struct {
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors"`
}

// Sample is one moment's intervals of all services, reduced to what the gate
// needs.
type Sample struct {
	To           time.Time `json:"to,omitzero"`
	Source       int64     `json:"source"` // requests of the source
	SourceErrors int64     `json:"sourceErrors,omitempty"`
	Requests     int64     `json:"requests"`
	Errors       int64     `json:"errors"`
	Measured     int64     `json:"measured,omitempty"`  // of Requests, those with a latency
	Slow         float64   `json:"slow,omitempty"`      // of these, those that are surely above MaxP99
	MaybeSlow    int64     `json:"maybeSlow,omitempty"` // and those in the bucket that MaxP99 lies in
}

// absorb adds what was counted; hold is the one that is under way, or the last. An
// interval in which the target is not known adds nothing to judge by; that it was not
// known is what remains of it.
func (e *Evidence) absorb(gate Gate, counts []Interval, hold int, now time.Time) {
	for _, in := range counts {
		e.Total.Source.add(in.Source)
		e.Total.Target.add(in.Target)
		e.see(in)
	}
	e.together(gate, now)
	for _, in := range counts {
		source, sourceKnown := in.Source.Get()
		target, targetKnown := in.Target.Get()
		if !sourceKnown && !targetKnown {
			continue
		}
		if gate.Analysis == nil || hold > 0 && in.Step == hold {
			e.InStep += target.Requests
		}
		e.add(gate, sampleOf(in.To, source, target, gate.MaxP99))
	}
	// The window ends with the newest counts: those that a slow source answers late
	// would else be older than the window when they come, and never be judged.
	end := now.Add(-answerWithin)
	if n := len(e.Intervals); n > 0 && e.Intervals[n-1].To.After(end) {
		end = e.Intervals[n-1].To
	}
	e.Intervals = slices.DeleteFunc(e.Intervals, func(s Sample) bool { return end.Sub(s.To) >= gate.Window })
	if n := len(e.Intervals); !e.Alone && n > 1 {
		var users int64
		for _, s := range e.Intervals[1:] {
			users += s.Source + s.Requests
		}
		if span := e.Intervals[n-1].To.Sub(e.Intervals[0].To); span >= gate.Window/2 {
			e.Rate = float64(users) / span.Seconds()
		}
	}
}

func sampleOf(to time.Time, source, target traffic.Counts, maxP99 time.Duration) Sample {
	s := Sample{To: to, Source: source.Requests, SourceErrors: source.Errors, Requests: target.Requests, Errors: target.Errors}
	s.time(target, maxP99)
	return s
}

// Moments adds up the intervals of all services that end together. What one of
// them does not know, nobody does.
func Moments(counts []Interval) []Interval {
	var out []Interval
	for _, in := range counts {
		if n := len(out); n > 0 && out[n-1].To.Equal(in.To) {
			out[n-1].Source, out[n-1].Target = bothOf(out[n-1].Source, in.Source), bothOf(out[n-1].Target, in.Target)
			continue
		}
		out = append(out, in)
	}
	return out
}

func bothOf(a, b traffic.Reading[traffic.Counts]) traffic.Reading[traffic.Counts] {
	switch {
	case a.State == traffic.Failed || b.State == traffic.Known && a.State == traffic.Unknown:
		return a
	case b.State != traffic.Known:
		return b
	}
	return traffic.KnownAt(a.Value.Plus(b.Value), a.At)
}

// add appends a sample, or adds it to the one of the same moment. Those of a wide
// window are merged, so that their number stays bounded; a sample that is merged
// lasts until its newest part leaves the window.
func (e *Evidence) add(gate Gate, s Sample) {
	n := len(e.Intervals)
	if n > 0 && s.To.Equal(e.Intervals[n-1].To) || n > 1 && s.To.Sub(e.Intervals[n-2].To) < gate.Window/keepIntervals {
		last := &e.Intervals[n-1]
		last.To = s.To
		last.Source += s.Source
		last.SourceErrors += s.SourceErrors
		last.Requests += s.Requests
		last.Errors += s.Errors
		last.Measured += s.Measured
		last.Slow += s.Slow
		last.MaybeSlow += s.MaybeSlow
		return
	}
	e.Intervals = append(e.Intervals, s)
}

func (t *SideTotal) add(r traffic.Reading[traffic.Counts]) {
	if c, known := r.Get(); known {
		t.Requests += c.Requests
		t.Errors += c.Errors
	}
}

// usersSeen reports whether the signal saw users on either side within the
// window: without that it may be looking at the wrong thing.
func (e *Evidence) usersSeen() bool {
	for _, s := range e.Intervals {
		if s.Source+s.Requests > 0 {
			return true
		}
	}
	return false
}

// fresh reports whether every side that matters was seen a moment ago: the
// source always, the target once it may have users. A signal that has nothing
// new since then is fresh; one that cannot be read is not.
func (e *Evidence) fresh(gate Gate, exposed bool, now time.Time) bool {
	return (e.Alone || e.Last.Source.fresh(gate, now)) && (!exposed || e.Last.Target.fresh(gate, now)) && e.Last.Target.State != traffic.Failed
}

func (s SideState) fresh(gate Gate, now time.Time) bool {
	return s.State == traffic.Known || s.State == traffic.Unknown && s.recent(gate, now)
}

// recent reports whether the side was known a moment ago.
func (s SideState) recent(gate Gate, now time.Time) bool {
	return !s.KnownAt.IsZero() && now.Sub(s.KnownAt) < gate.grace()
}
