package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"watari.dev/engine"
	"watari.dev/verdict"
)

// header says what the script is about.
func (s *script) header(r Result) string {
	var b strings.Builder
	if v := violation(r.Broken); v != nil {
		fmt.Fprintf(&b, "# Seed %d broke %q: %s, at %s.\n", s.plan.Seed, v.Invariant, v.Text, clock(v.At))
	} else {
		fmt.Fprintf(&b, "# Seed %d, which ended in %s.\n", s.plan.Seed, r.Phase)
	}
	var phases []string
	for _, beat := range s.story {
		if beat.phase != "" && len(phases) < 20 {
			phases = append(phases, fmt.Sprintf("%s %s", tenths(beat.at), beat.phase))
		}
	}
	fmt.Fprintf(&b, "# In the simulation: %s.\n", strings.Join(phases, ", "))
	for _, f := range s.plan.Faults {
		fmt.Fprintf(&b, "# Fault: %s.\n", f)
	}
	return b.String()
}

// spec is the script's first directive.
func (s *script) spec() string {
	var b strings.Builder
	b.WriteString(strings.Join(append([]string{"spec"}, specWords(s.plan.Spec)...), " ") + "\n")
	for _, r := range s.plan.Spec.Routes {
		fmt.Fprintf(&b, "route %s settle-within=%s\n", r.Name, r.SettleWithin)
	}
	for _, step := range s.plan.Spec.Steps {
		fmt.Fprintf(&b, "step %s %s", percent(step.Share), step.Hold)
		if step.Approval {
			b.WriteString(" approval")
		}
		b.WriteString("\n")
	}
	return b.String() + "----\n"
}

func specWords(spec engine.Spec) (out []string) {
	word := func(when bool, format string, args ...any) {
		if when {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	word(spec.Deadline > 0, "deadline=%s", spec.Deadline)
	word(spec.Rollback.Manual, "manual")
	word(spec.OnDrift == engine.DriftReasserts, "reassert")
	word(spec.Rollback.OnUnknown != engine.UnknownHolds, "on-unknown=%s", spec.Rollback.OnUnknown)
	word(true, "unknown-after=%s", spec.Rollback.UnknownAfter)
	for _, kind := range slices.Sorted(maps.Keys(spec.Rollback.Kinds)) {
		word(true, "unknown=%s:%s", strings.ReplaceAll(string(kind), " ", "-"), spec.Rollback.Kinds[kind])
	}
	gate := spec.Gate
	if !gate.Signals {
		return append(out, "no-signals")
	}
	word(gate.MaxP99 > 0, "p99=%s", gate.MaxP99)
	word(true, "min=%d", gate.MinRequests)
	word(true, "window=%s", gate.Window)
	word(true, "interval=%s", gate.Interval)
	word(gate.MaxErrorRatio < 1, "errors=%s", ratio(gate.MaxErrorRatio))
	if gate.Analysis != nil {
		out = append(out, analysisWords(*gate.Analysis)...)
	}
	return out
}

func analysisWords(a verdict.Config) []string {
	out := []string{"form=" + string(a.Form), "unit=" + a.Unit.String(), fmt.Sprintf("budget=%.0f", a.HarmBudget)}
	if a.Promote {
		out = append(out, "promote")
	}
	if len(a.Services) > 1 {
		names := make([]string, 0, len(a.Services))
		for _, service := range a.Services {
			names = append(names, service.Name)
		}
		out = append(out, "services=("+strings.Join(names, ",")+")")
	}
	if len(a.Services[0].Metrics) > 1 {
		out = append(out, "latency")
	}
	return out
}
