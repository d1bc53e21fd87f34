package verdict

import (
	"fmt"
	"math"
	"time"
)

// Rare is what a step has shown of requests that are slower than an edge and come
// rarely, so that people see what can be seen at all.
type Rare struct {
	Service string        `json:"service,omitempty"` // where there are several
	Edge    time.Duration `json:"edge"`
	Source  Tally         `json:"source"`
	Target  Tally         `json:"target"`
	Rate    float64       `json:"rate,omitempty"` // requests of the target per second; 0 if nobody knows
	Passes  float64       `json:"passes"`         // the part of the requests beyond the tolerated ratio that is let pass
	Bounds  bool          `json:"bounds,omitempty"`
}

// rare returns them, in the order of the services.
func (t *Test) rare(s *State) (out []Rare) {
	for i, service := range t.cfg.Services {
		for j := range service.Metrics {
			of, st := &service.Metrics[j], &s.Services[i]
			if of.Kind != Slower {
				continue
			}
			m := &st.Metrics[j]
			r := Rare{Edge: of.Edge, Source: m.Step.Source, Target: m.Step.Target, Passes: t.cfg.difference(of), Bounds: m.StepDoubt != Doubt{}}
			if st.Held > 0 {
				r.Rate = float64(m.Step.Target.N) / st.Held.Seconds()
			}
			if len(t.cfg.Services) > 1 {
				r.Service = service.Name
			}
			out = append(out, r)
		}
	}
	return out
}

// aMillion is how rare the example is by which power is stated.
const aMillion = 1e6

// Power says how often what befalls one request in a million comes, at a rate of
// requests per second.
func Power(rate float64) string {
	if rate <= 0 {
		return ""
	}
	every := aMillion / rate // seconds
	unit, one := "second", 1.0
	for _, u := range []struct {
		name string
		of   float64
	}{{"minute", 60}, {"hour", 3600}, {"day", 86400}, {"year", 365 * 86400}} {
		if every >= 2*u.of {
			unit, one = u.name, u.of
		}
	}
	n := max(1, math.Round(every/one))
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("one in a million comes once in %.0f %s at %s", n, unit, PerSecond(rate))
}

// PerSecond writes a rate of requests.
func PerSecond(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.2g requests/s", rate)
	}
	return fmt.Sprintf("%.0f requests/s", rate)
}

// OneIn writes a small part of the requests as "1 in 2000".
func OneIn(part float64) string {
	if part <= 0 {
		return "none"
	}
	return fmt.Sprintf("1 in %.0f", 1/part)
}
