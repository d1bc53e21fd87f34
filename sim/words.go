package sim

import (
	"fmt"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// Words tells a plan to people, in lines of at most about a hundred columns.
func (p Plan) Words() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("seed", "%d", p.Seed)
	for i, step := range p.Spec.Steps {
		line(first(i, "steps"), "%s", stepWords(step))
	}
	line("gate", "%s", p.gateWords())
	line("rollback", "%s", rollbackWords(p.Spec))
	for i, l := range p.Levers {
		line(first(i, "routes"), "%s", leverWords(p.Spec.Routes[i], l))
	}
	if p.Account.Rate > 0 {
		line("account", "%g calls a second, %g at once", p.Account.Rate, p.Account.Burst)
	}
	for i, s := range p.Signals {
		line(first(i, "signals"), "%s", signalWords(s))
	}
	line("users", "%s", p.userWords())
	line("people", "%s", peopleWords(p.People))
	if len(p.Faults) == 0 {
		line("faults", "none")
	}
	for i, f := range p.Faults {
		line(first(i, "faults"), "%s", f.String())
	}
	return b.String()
}

// first is the name of a list on its first line only.
func first(i int, name string) string {
	if i > 0 {
		return ""
	}
	return name
}

// listed joins what is not empty.
func listed(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, ", ")
}

// when returns text if it holds.
func when(holds bool, format string, args ...any) string {
	if !holds {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func stepWords(s engine.StepSpec) string {
	return listed(fmt.Sprintf("%s for %s", s.Share, s.Hold), when(s.Approval, "then approval"))
}

func (p Plan) gateWords() string {
	g := p.Spec.Gate
	if !g.Signals {
		return "nobody looks at signals"
	}
	compared := ""
	if a := g.Analysis; a != nil {
		compared = fmt.Sprintf("compared (%s form)", a.Form)
		if len(a.Services) > 1 {
			compared += fmt.Sprintf(" for %d services", len(a.Services))
		}
		for _, s := range a.Services {
			if len(s.Metrics) > 1 {
				compared += ", also by latency"
				break
			}
		}
	}
	return listed(
		when(g.MaxErrorRatio < 1, "at most %s errors", traffic.Share(g.MaxErrorRatio*10000)),
		when(g.MaxP99 > 0, "p99 at most %s", g.MaxP99),
		fmt.Sprintf("at least %d requests in %s", g.MinRequests, g.Window), "looks every "+g.Interval.String(), compared,
	)
}

func rollbackWords(s engine.Spec) string {
	by := "automatic"
	if s.Rollback.Manual {
		by = "by an operator"
	}
	var kinds []string
	for _, why := range []engine.Why{engine.NoTargetData, engine.Silent, engine.Missplit} {
		if do, set := s.Rollback.Kinds[why]; set {
			kinds = append(kinds, fmt.Sprintf("%s: %s", why, do))
		}
	}
	return listed(
		by, fmt.Sprintf("not knowing for %s: %s", s.Rollback.UnknownAfter, s.Rollback.OnUnknown), strings.Join(kinds, ", "),
		when(s.OnDrift == engine.DriftReasserts, "somebody else's raise is written back"), when(s.Deadline > 0, "deadline %s", s.Deadline),
	)
}

func leverWords(r engine.RouteSpec, l Lever) string {
	names := "one thing"
	switch {
	case l.Names > 0 && l.Atomic:
		names = fmt.Sprintf("%d names in one call", l.Names)
	case l.Names > 0:
		names = fmt.Sprintf("%d names one after the other", l.Names)
	}
	return listed(
		r.Name+": "+names, fmt.Sprintf("weights to %d", l.MaxWeight), when(l.Compares, "compares versions itself"),
		when(l.Propagation > 0, "used within %s", l.Propagation), when(l.Cached > 0, "cached for %s", l.Cached),
		when(l.Forever > 0, "%g %% of its users never look again", 100*l.Forever), when(l.Latency > 0, "a call takes up to %s", l.Latency),
		when(r.LookEvery > 0, "read at most every %s", r.LookEvery),
	)
}

func signalWords(s Signal) string {
	name := "counts in the clusters"
	if s.Balancer {
		name = "counts before the clusters"
	}
	return listed(when(s.Service != "", "%s", s.Service), name, when(s.Every > 0, "looks every %s", s.Every), when(s.Delay > 0, "%s late", s.Delay))
}

func (p Plan) userWords() string {
	u := p.Users
	return listed(
		fmt.Sprintf("%g requests a second of each service", u.Rate), when(u.SourceFails > 0, "the source fails %g %% of them", 100*u.SourceFails),
		when(u.TargetFails > 0, "the target fails %g %%", 100*u.TargetFails), when(u.TargetSlow, "the target is slow"),
		when(u.Warming > 0, "the target is slow for %s whenever it gets more", u.Warming),
	)
}

func peopleWords(p People) string {
	found := "resume what they find paused"
	if p.Rollback {
		found = "take back what they find paused"
	}
	return listed(
		fmt.Sprintf("start it again after %s", max(p.Restart, 500*time.Millisecond)), fmt.Sprintf("answer after %s", p.Answer), found,
		when(p.TakeOver, "take the lease over"),
	)
}
