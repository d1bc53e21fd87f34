package analyze

import (
	"slices"
	"time"

	"watari.dev/verdict"
)

// Recording is what was counted, in the order in which a migration saw it.
type Recording struct {
	Name     string    // what it is of, for sentences: a migration, a file, a server
	Services []Service // Interval.Service is an index into it
	Turns    []Turn    // by time; empty where they are read from a journal, each time that they are wanted
	Marks    []Mark    // by time
	Rises    []Rise    // by time; empty where nobody has taken them down
	LeftOut  []LeftOut // what is not in Turns, and why
	Coarse   []Coarse  // what is there in less detail than it was counted, by time

	stream *turns
}

// Service is one stream of counts of a recording.
type Service struct {
	Name   string
	Slow   []time.Duration // edges of latency of which it counts the requests above
	Events []string        // names of Counts.Events
	Full   bool            // it has whole histograms of latency
}

// Turn is what was seen at one moment.
type Turn struct {
	At        time.Time
	Intervals []verdict.Interval
}

// Mark is something that happened to the evidence. It comes after the turns of
// its moment.
type Mark struct {
	At   time.Time
	Kind MarkKind
}

// MarkKind says what a Mark is.
type MarkKind string

// The kinds of marks.
const (
	Began  MarkKind = "began"  // the target could have users from here on
	Anew   MarkKind = "anew"   // an operator had the evidence begin anew
	Resume MarkKind = "resume" // an operator went on; the evidence begins anew if it spoke against the target
)

// LeftOut counts what could not be used for one reason.
type LeftOut struct {
	Why   string `json:"why"`
	Count int    `json:"count"`
}

// began makes sure that r says when the target could first have users: if nothing
// does, then where its first share or its first request is.
func (r *Recording) began() {
	if slices.ContainsFunc(r.Marks, func(m Mark) bool { return m.Kind == Began }) {
		return
	}
	for _, turn := range r.Turns {
		if at := firstUse(turn); !at.IsZero() {
			r.Marks = append([]Mark{{At: at, Kind: Began}}, r.Marks...)
			return
		}
	}
}

// leave counts something that is left out.
func (r *Recording) leave(why string, n int) { r.LeftOut = leaving(r.LeftOut, why, n) }

func leaving(out []LeftOut, why string, n int) []LeftOut {
	if n <= 0 {
		return out
	}
	for i := range out {
		if out[i].Why == why {
			out[i].Count += n
			return out
		}
	}
	return append(out, LeftOut{why, n})
}

// Settings returns cfg with the services and metrics of the recording in place of
// its own. What cfg says of a service or metric of the same name is kept.
func (r *Recording) Settings(cfg verdict.Config) verdict.Config {
	services := make([]verdict.Service, len(r.Services))
	for i, s := range r.Services {
		at := slices.IndexFunc(cfg.Services, func(c verdict.Service) bool { return c.Name == s.Name })
		if at < 0 && len(cfg.Services) == 1 && len(r.Services) == 1 {
			at = 0
		}
		out := verdict.Service{Name: s.Name}
		if at >= 0 {
			out = cfg.Services[at]
			out.Name = s.Name
		}
		out.Metrics = metricsOf(s, out.Metrics)
		services[i] = out
	}
	cfg.Services = services
	return cfg.WithDefaults()
}

// metricsOf returns what can be tested of a service: errors always, what its
// settings ask for if it is counted, and what is counted beside.
func metricsOf(s Service, asked []verdict.Metric) []verdict.Metric {
	out := []verdict.Metric{{Name: "errors", Kind: verdict.Errors}}
	for _, m := range asked {
		switch event := slices.Index(s.Events, m.Name); {
		case m.Kind == verdict.Errors:
			out[0] = m
		case (m.Kind == verdict.Latency || m.Kind == verdict.Slower) && s.Full:
			out = append(out, m)
		case m.Kind == verdict.Events && event >= 0:
			m.Event = event
			out = append(out, m)
		}
	}
	if s.Full && len(asked) == 0 {
		out = append(out, verdict.Metric{Name: "p99", Kind: verdict.Latency, Quantile: .99})
	}
	for _, edge := range s.Slow {
		out = append(out, verdict.Metric{Name: "over " + edge.String(), Kind: verdict.Latency, Edge: edge})
	}
	for i, name := range s.Events {
		if name != "" && !slices.ContainsFunc(out, func(m verdict.Metric) bool { return m.Name == name }) {
			out = append(out, verdict.Metric{Name: name, Kind: verdict.Events, Event: i})
		}
	}
	return out
}
