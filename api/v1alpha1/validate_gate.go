package v1alpha1

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func checkGate(ps *problems, path *field.Path, s *MigrationSpec) {
	checkThresholds(ps, path.Child("thresholds"), s)
	checkAnalysis(ps, path.Child("analysis"), s)
	unused := len(s.Signals) == 0 && len(stepsWithoutApproval(s.Steps)) == 0
	if unused && !reflect.DeepEqual(s.Gate.Thresholds.defaulted(), Thresholds{}.defaulted()) {
		ps.add(path.Child("thresholds"), "there is nothing to hold against the thresholds: add signals, or remove the thresholds")
	}
	if unused && !reflect.DeepEqual(s.Gate.Analysis.defaulted(), Analysis{}.defaulted()) {
		ps.add(path.Child("analysis"), "there is nothing to compare: add signals, or remove the analysis")
	}
}

func checkThresholds(ps *problems, path *field.Path, s *MigrationSpec) {
	t := &s.Gate.Thresholds
	checkPositive(ps, path.Child("maxP99"), t.MaxP99)
	checkPositive(ps, path.Child("window"), t.Window)
	checkLeast(ps, path.Child("minRequests"), t.MinRequests, "without requests nothing is known; write at least 1")
	checkRatio(ps, path.Child("maxErrorRatio"), t.MaxErrorRatio)
	if t.MaxP99 != nil && len(s.Signals) > 0 && !hasLatency(s.Signals) {
		ps.add(path.Child("maxP99"), "no signal counts latency: add latency to a signal, or remove the limit")
	}
}

func checkRatio(ps *problems, path *field.Path, r *Ratio) {
	if r != nil && (*r < 0 || *r > wholeRatio) {
		ps.add(path, "%s is not between 0 %% and 100 %%", r)
	}
}

func checkLeast(ps *problems, path *field.Path, n *int32, advice string) {
	if n != nil && *n < 1 {
		ps.add(path, "%d is below 1: %s", *n, advice)
	}
}

func checkAnalysis(ps *problems, path *field.Path, s *MigrationSpec) {
	a := &s.Gate.Analysis
	checkChance(ps, path.Child("alpha"), a.Alpha)
	checkChance(ps, path.Child("promotionAlpha"), a.PromotionAlpha)
	checkRatio(ps, path.Child("tolerance", "difference"), a.Tolerance.Difference)
	checkRatio(ps, path.Child("splitTolerance"), a.SplitTolerance)
	for _, f := range []struct {
		at    *field.Path
		value *Factor
	}{{path.Child("tolerance", "ratio"), a.Tolerance.Ratio}, {path.Child("dispersion"), a.Dispersion}} {
		if f.value != nil && *f.value < Factor(wholeRatio) {
			ps.add(f.at, "%s is below 100 %%: write at least 100%%", f.value)
		}
	}
	checkLeast(ps, path.Child("minRequests"), a.MinRequests, "without requests nothing is known; write at least 1")
	checkLeast(ps, path.Child("harmBudget"), a.HarmBudget, "an adaptive ramp must be allowed to lose something; write at least 1, or ramp: fixed")
	checkWord(ps, path.Child("ramp"), a.Ramp)
	checkWord(ps, path.Child("evidence"), a.Evidence)
	if a.Ramp == RampAdaptive && a.Evidence == EvidenceOptional {
		ps.add(path.Child("evidence"), "an adaptive ramp goes on by evidence: write required, or ramp: fixed")
	}
	checkErrorAnalysis(ps, path.Child("errors"), s)
	checkLatencyAnalysis(ps, path.Child("latency"), &a.Latency)
	checkLatencyCounted(ps, path.Child("latency"), s)
	checkWeights(ps, path.Child("weights"), s)
}

// checkChance reports a chance that promises nothing, or that nothing keeps.
func checkChance(ps *problems, path *field.Path, r *Ratio) {
	if r != nil && (*r <= 0 || *r > wholeRatio/2) {
		ps.add(path, "%s is not above 0 %% and at most 50 %%: write a small chance such as 1%%", r)
	}
}

func checkErrorAnalysis(ps *problems, path *field.Path, s *MigrationSpec) {
	e := &s.Gate.Analysis.Errors
	checkWord(ps, path.Child("form"), e.Form)
	checkPositive(ps, path.Child("unit"), e.Unit)
	checkPositive(ps, path.Child("longestUnit"), e.LongestUnit)
	unit := orElse(e.Unit, DefaultUnit)
	if longest := orElse(e.LongestUnit, max(DefaultLongestUnit, unit)); longest < unit && longest > 0 {
		ps.add(path.Child("longestUnit"), "%s is shorter than the unit (%s): make it at least that long", readable(longest), readable(unit))
	}
	if r := e.SLO; r != nil && (*r < wholeRatio/2 || *r >= wholeRatio) {
		ps.add(path.Child("slo"), "%s is not between 50 %% and 100 %%: write the part of the requests that must succeed, such as 99.9%%", r)
	}
	for i, step := range s.Steps {
		if e.Unit != nil && len(s.Signals) > 0 && e.Form != "product" && e.Form != "steady" && e.Form != "limit" && step.Hold.Duration > 0 && step.Hold.Duration < unit {
			ps.add(path.Child("unit"), "%s is longer than the hold of step %d (%s), which would end before anything is observed: hold longer, or make the unit shorter",
				readable(unit), i+1, readable(step.Hold.Duration))
		}
	}
}

func checkLatencyAnalysis(ps *problems, path *field.Path, l *LatencyAnalysis) {
	for i, edge := range []LatencyEdge{l.P50, l.P99} {
		name := []string{"p50", "p99"}[i]
		if edge == "" || edge == LatencyOfSource || edge == LatencyOff {
			continue
		}
		if d, err := parseDuration(string(edge)); err != nil || d <= 0 {
			ps.add(path.Child(name), "%q is not known: write source, off or a latency such as 300ms", string(edge))
		}
	}
	checkLatencies(ps, path.Child("edges"), l.Edges, 5)
	checkPositive(ps, path.Child("slowerThan"), l.SlowerThan)
}

// checkLatencyCounted reports latencies that are written and that nobody counts. That
// of the source is what a default compares with, where there is one.
func checkLatencyCounted(ps *problems, path *field.Path, s *MigrationSpec) {
	if len(s.Signals) == 0 || hasLatency(s.Signals) {
		return
	}
	const advice = "no signal counts latency: add latency to a signal (latencies to cloudWatch), or remove the field"
	l := &s.Gate.Analysis.Latency
	for i, edge := range []LatencyEdge{l.P50, l.P99} {
		if _, err := parseDuration(string(edge)); err == nil {
			ps.add(path.Child([]string{"p50", "p99"}[i]), advice)
		}
	}
	if len(l.Edges) > 0 {
		ps.add(path.Child("edges"), advice)
	}
	if l.SlowerThan != nil {
		ps.add(path.Child("slowerThan"), advice)
	}
}

// checkLatencies checks a list of latencies that are written as text.
func checkLatencies(ps *problems, path *field.Path, edges []string, most int) {
	checkCount(ps, path, len(edges), most, "latencies")
	seen := map[time.Duration]bool{}
	for i, text := range edges {
		d, err := parseDuration(text)
		switch {
		case err != nil:
			ps.add(path.Index(i), "%s", err)
		case d <= 0:
			ps.add(path.Index(i), "%s is not above zero: write a latency such as 300ms", readable(d))
		case seen[d]:
			ps.add(path.Index(i), "%s is there twice: remove one", readable(d))
		}
		seen[d] = true
	}
}

// checkWeights reports names that nothing has, which would weigh nothing.
func checkWeights(ps *problems, path *field.Path, s *MigrationSpec) {
	w := &s.Gate.Analysis.Weights
	var routes []string
	for _, r := range s.Routes {
		routes = append(routes, r.Name)
	}
	for _, group := range []struct {
		at      *field.Path
		weights map[string]int32
		known   []string
		advice  string
	}{
		{path.Child("routes"), w.Routes, routes, "no route has this name"},
		{path.Child("services"), w.Services, serviceNames(s.Signals), "no signal has this service"},
		{path.Child("metrics"), w.Metrics, metricNames(s), "nothing of this name is compared"},
	} {
		for _, name := range slices.Sorted(maps.Keys(group.weights)) {
			switch {
			case !slices.Contains(group.known, name):
				ps.add(group.at.Key(name), "%s; %s", group.advice, choice(name, group.known))
			case group.weights[name] < 1:
				ps.add(group.at.Key(name), "%d is below 1: write a whole number such as 2", group.weights[name])
			}
		}
	}
}

func serviceNames(signals []Signal) (names []string) {
	for _, s := range signals {
		if s.Service != "" && !slices.Contains(names, s.Service) {
			names = append(names, s.Service)
		}
	}
	return names
}

func metricNames(s *MigrationSpec) []string {
	names := append([]string{"errors", "p50", "p99"}, s.Gate.Analysis.Latency.Edges...)
	if s.Gate.Analysis.Latency.SlowerThan != nil {
		names = append(names, "slowerThan")
	}
	for _, signal := range s.Signals {
		if c := signal.counters(); c != nil {
			for _, e := range c.Events {
				names = append(names, e.Name)
			}
		}
	}
	return names
}

func checkRollback(ps *problems, path *field.Path, r *Rollback) {
	checkWord(ps, path.Child("mode"), r.Mode)
	checkPositive(ps, path.Child("unknownAfter"), r.UnknownAfter)
	at, o := path.Child("onUnknown"), &r.OnUnknown
	if o.All != "" {
		checkWord(ps, at, o.All)
	}
	kinds := []struct {
		name string
		do   Reaction
	}{
		{"noTraffic", o.NoTraffic}, {"noTargetData", o.NoTargetData}, {"noSourceData", o.NoSourceData}, {"noData", o.NoData},
		{"unreachable", o.Unreachable}, {"silentTarget", o.SilentTarget}, {"clockSkew", o.ClockSkew}, {"sampleRatio", Reaction(o.SampleRatio)},
	}
	if o.All == "" {
		checkWord(ps, at.Child("sampleRatio"), o.SampleRatio)
		checkWord(ps, at.Child("noLatency"), o.NoLatency)
	}
	for _, k := range kinds {
		if o.All == "" && k.name != "sampleRatio" {
			checkWord(ps, at.Child(k.name), k.do)
		}
	}
	// What a default says is no contradiction: a manual rollback asks an operator.
	if r.Mode == RollbackManual && o.All == ReactionRollback {
		ps.add(at, "mode manual never takes traffic back by itself: write hold, or mode: automatic")
	}
}
