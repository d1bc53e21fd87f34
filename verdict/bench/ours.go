package bench

import (
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Setting is a configuration of package verdict under a name.
type Setting struct {
	Label  string
	Config verdict.Config
}

// Ours: the defaults with another form, and the defaults. The unit of Unit1s is
// lengthened where the source's errors come in bursts, as by default.
var (
	Product1s = Setting{"watari, product form", verdict.Config{Form: verdict.Product}}
	Unit1s    = Setting{"watari, unit form, 1 s", verdict.Config{Form: verdict.Unit, Unit: time.Second}}
	Unit30s   = Setting{"watari, unit form, 30 s", verdict.Config{Form: verdict.Unit}}
	Hybrid    = Setting{"watari, hybrid (default)", verdict.Config{}}
)

// Ours is package verdict, fed with one interval a second and without a promise
// of when the migration ends.
type Ours struct {
	label string
	test  *verdict.Test
	state verdict.State
	in    verdict.Interval
}

// began is when every made-up migration begins; only differences count.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// oursOf returns a constructor: the test is prepared once, and its states share
// nothing.
func oursOf(setting Setting) func() Policy {
	cfg := setting.Config
	cfg.Services = []verdict.Service{{Name: "service"}}
	test := verdict.Prepare(cfg.WithDefaults())
	return func() Policy {
		o := &Ours{label: setting.Label, test: test, state: test.New()}
		o.in.To = began
		test.Start(&o.state, began)
		return o
	}
}

// Name implements Policy.
func (o *Ours) Name() string { return o.label }

// Second implements Policy.
func (o *Ours) Second(s Second) bool {
	o.in.From = traffic.BySide[time.Time]{Source: o.in.To, Target: o.in.To}
	o.in.To = began.Add(time.Duration(s.At+1) * time.Second)
	o.in.Source = traffic.KnownAt(counts(s.Source), o.in.To)
	o.in.Target = traffic.KnownAt(counts(s.Target), o.in.To)
	o.in.Intended = traffic.Share(s.Share*float64(traffic.All) + 0.5)
	o.in.Step = s.Step
	o.test.Add(&o.state, &o.in)
	o.test.Close(&o.state)
	return o.state.Fired != nil
}

func counts(t Tally) traffic.Counts {
	return traffic.Counts{Requests: t.Requests, Errors: t.Errors}
}
