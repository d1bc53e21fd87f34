package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Script tells what happened in a run as a script for engine/testdata, whose outputs
// "go test ./engine -run Scenarios -rewrite" fills in. The script's world is a simpler
// one: it looks about once a second, its calls take no time, and its store never
// fails. What it cannot play is a comment at the time at which it happened. The run
// must have been one with Options.Trace.
func Script(plan Plan, r Result) string {
	s := &script{plan: plan, story: r.story, end: r.Took + ending}
	for _, b := range s.story {
		if b.heal {
			s.end = b.at
		}
	}
	s.stage()
	s.calls()
	s.levers()
	s.signals()
	s.users()
	s.people()
	s.processes()
	s.rest()
	last := r.Took
	if v := violation(r.Broken); v != nil {
		last = max(last, v.At)
	}
	return s.header(r) + s.spec() + s.text(last)
}

// script is a script that is being written.
type script struct {
	plan  Plan
	story []beat
	end   time.Duration // when every fault ends
	lines []line
	arms  []*arm
}

// line is a directive, or a comment, at its time.
type line struct {
	at    time.Duration
	text  string
	lasts time.Duration // time that it lets pass itself
}

func (s *script) add(at time.Duration, format string, args ...any) {
	s.lines = append(s.lines, line{at: max(0, at), text: fmt.Sprintf(format, args...)})
}

// comment tells what cannot be played.
func (s *script) comment(at time.Duration, format string, args ...any) {
	s.add(at, "# "+format, args...)
}

// stage sets what levers are like from the beginning.
func (s *script) stage() {
	s.add(0, "users %s", strings.Join(userWords(usersAt{}, s.usersAt(0, nil, 0)), " "))
	for i, l := range s.plan.Levers {
		if d := l.Propagation + l.Cached; d != 2*time.Second {
			s.add(0, "lever %s settles=%s", s.route(i), d)
		}
	}
}

func (s *script) route(i int) string { return s.plan.Spec.Routes[i].Name }

func percent(share traffic.Share) string { return strings.ReplaceAll(share.String(), " ", "") }

func ratio(part float64) string { return percent(traffic.Share(part*10000 + 0.5)) }

// spell is a time in which a condition was on.
type spell struct {
	from, to time.Duration
	fault    Fault
}

func (s spell) on(at time.Duration) bool { return s.from <= at && at < s.to }

// spells are the times of a condition that was met, oldest first.
func (s *script) spells(of ...Kind) (out []spell) {
	for _, b := range s.story {
		if b.begins == nil || !slices.Contains(of, b.begins.Kind) {
			continue
		}
		one := spell{b.at, min(b.at+b.begins.Lasts, max(s.end, b.at)), *b.begins}
		if one.to > one.from && s.met(one.fault.Kind, one.from, one.to) {
			out = append(out, one)
		}
	}
	return out
}

// met reports whether a fault was met in a time.
func (s *script) met(k Kind, from, to time.Duration) bool {
	return slices.ContainsFunc(s.story, func(b beat) bool { return b.bite && b.fault == k && from <= b.at && b.at <= to })
}

// edges are the moments at which one of several conditions begins or ends.
func edges(spells []spell) (out []time.Duration) {
	for _, one := range spells {
		out = append(out, one.from, one.to)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lastOf is when the last condition ends.
func lastOf(spells []spell) (last time.Duration) {
	for _, one := range spells {
		last = max(last, one.to)
	}
	return last
}

// arm is a number of faults of one sort that hit the next writes to a route.
type arm struct {
	at, last time.Duration
	route    string
	what     string
	n        int
}

// ahead is how long before a write a script must say what will become of it: it looks
// about once a second.
const ahead = time.Second

func (s *script) hit(b beat, what string) {
	for _, a := range s.arms {
		if a.route == b.route && a.what == what && b.at-ahead < a.last {
			a.n, a.last = a.n+1, b.at
			return
		}
	}
	s.arms = append(s.arms, &arm{at: max(0, b.at-ahead), last: b.at, route: b.route, what: what, n: 1})
}

// calls tells what hit the writes.
func (s *script) calls() {
	var sent beat
	throttling := s.spells(Throttled)
	for i, b := range s.story {
		if b.call == writeCall && !b.ended {
			sent = b
		}
		switch {
		case b.call == writeCall && b.throttled() && !slices.ContainsFunc(throttling, func(one spell) bool { return one.on(b.at) }):
			s.hit(b, "throttle") // the account's own limit
		case b.bite && sent.call == writeCall:
			sent.at = b.at
			s.hits(sent, b.fault, s.story[i:])
		}
	}
	for _, a := range s.arms {
		if strings.HasPrefix(a.what, "late-write") {
			s.add(a.at, "lever %s %s", a.route, a.what)
			continue
		}
		s.add(a.at, "lever %s %s=%d", a.route, a.what, a.n)
	}
}

// hits tells what hit one write; then is what happened from there on.
func (s *script) hits(sent beat, k Kind, then []beat) {
	switch k {
	case ReplyLost:
		s.hit(sent, "lose-reply")
	case RequestLost:
		s.hit(sent, "lose-write")
	case PartialWrite:
		s.hit(sent, "partial")
	case ServerError, LateWrite:
		after, arrived := s.arrives(sent, then)
		switch {
		case !arrived:
			s.hit(sent, "lose-write")
		case after == 0:
			s.hit(sent, "lose-reply")
		default:
			s.hit(sent, "late-write="+tenths(after).String())
		}
	}
}

// arrives reports how long after it was sent a write changed the lever.
func (s *script) arrives(sent beat, then []beat) (time.Duration, bool) {
	for _, b := range then {
		switch {
		case b.at > sent.at+latest, b.call == writeCall && !b.ended && b.route == sent.route && b.share == sent.share && b.at > sent.at:
			return 0, false
		case b.arrived && b.route == sent.route:
			return b.at - sent.at, true
		}
	}
	return 0, false
}

func tenths(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// levers tells what lasted. What is still on is said anew when something ends,
// because that ends all of it.
func (s *script) levers() {
	spells := s.spells(Throttled, Denied, ReadError, StaleRead)
	for i := range s.plan.Levers {
		var said []string
		for _, at := range edges(spells) {
			now := s.leverWords(s.route(i), spells, at)
			fresh := slices.DeleteFunc(slices.Clone(now), func(word string) bool { return slices.Contains(said, word) })
			if slices.ContainsFunc(said, func(word string) bool { return !slices.Contains(now, word) }) {
				s.add(at, "lever %s ok", s.route(i))
				fresh = now
			}
			for _, word := range fresh {
				if word == "throttle" {
					writes, _ := s.refused(s.route(i), at, lastOf(spells))
					word = fmt.Sprintf("throttle=%d", writes)
				}
				s.add(at, "lever %s %s", s.route(i), word)
			}
			said = now
		}
	}
	for _, one := range s.spells(SlowSettling) {
		for i, l := range s.plan.Levers {
			s.add(one.from, "lever %s settles=%s", s.route(i), one.to-one.from+l.Propagation+l.Cached)
			s.add(one.to, "lever %s settles=%s", s.route(i), l.Propagation+l.Cached)
		}
	}
}

// leverWords are the faults of a route that are on at a moment.
func (s *script) leverWords(route string, spells []spell, at time.Duration) (out []string) {
	say := func(is bool, word string) {
		if is && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	for _, one := range spells {
		if !one.on(at) {
			continue
		}
		switch one.fault.Kind {
		case Denied:
			say(true, "denied")
		case ReadError:
			say(true, "unreadable")
		case StaleRead:
			say(true, "stale=5s")
		default:
			writes, reads := s.refused(route, at, one.to)
			say(writes > 0, "throttle")
			say(reads > 0, "unreadable")
		}
	}
	return out
}

// refused counts the writes and reads of a route that were throttled in a time.
func (s *script) refused(route string, from, to time.Duration) (writes, reads int) {
	for _, b := range s.story {
		if b.route != route || !b.throttled() || b.at < from || b.at >= to {
			continue
		}
		if b.call == writeCall {
			writes++
		} else {
			reads++
		}
	}
	return writes, reads
}

// signals tells what can be seen. A script's signal is in one state at a time: the
// worst.
func (s *script) signals() {
	spells := s.spells(Blind, Gap, Resets, Skew)
	if !slices.ContainsFunc(s.plan.Signals, func(signal Signal) bool { return signal.Balancer }) {
		spells = append(spells, s.spells(TargetGone, SourceGone)...)
	}
	said := "ok"
	for _, at := range edges(spells) {
		if now := signalWord(spells, at); now != said && s.plan.Spec.Gate.Signals {
			s.add(at, "signal %s", now)
			said = now
		}
	}
	for _, one := range s.spells(Swallow) {
		s.add(one.from, "users swallowed")
		s.add(one.to, "users counted")
	}
}

func signalWord(spells []spell, at time.Duration) string {
	source, target, word := false, false, "ok"
	for _, one := range spells {
		if !one.on(at) {
			continue
		}
		switch one.fault.Kind {
		case Blind:
			return "unreachable"
		case Gap:
			source, target = source || one.fault.Value != 1, target || one.fault.Value != 0
		case TargetGone:
			target = true
		case SourceGone:
			source = true
		case Skew:
			word = "skewed"
		default:
			word = "restarting"
		}
	}
	switch {
	case source && target:
		return "none"
	case source:
		return "no-source"
	case target:
		return "no-target"
	}
	return word
}

// usersAt is what users meet at a moment.
type usersAt struct {
	rate           int64
	source, target string
	latency        time.Duration
}

func (s *script) usersAt(at time.Duration, spells []spell, share float64) usersAt {
	u := s.plan.Users
	rate, source, target, slow := u.Rate, u.SourceFails, u.TargetFails, u.TargetSlow
	if a := s.plan.Spec.Gate.Analysis; a != nil {
		rate *= float64(len(a.Services))
	}
	whole := rate
	for _, one := range spells {
		if !one.on(at) {
			continue
		}
		part := float64(one.fault.Value) / 10000
		switch one.fault.Kind {
		case TargetWorse:
			target = max(target, part)
		case BothFail:
			source, target = max(source, part), max(target, part)
		case PodsDie: // what is left of them is too few for its share
			if share > 1-part {
				target = max(target, 1-(1-part)/share)
			}
		case TargetGone:
			target = 1
		case SourceGone:
			source = 1
		case NoUsers:
			rate = 0
		case Burst:
			rate = 5 * whole
		default:
			slow = true
		}
	}
	out := usersAt{int64(rate), ratio(source), ratio(target), 20 * time.Millisecond}
	if slow {
		out.latency = 2 * time.Second
	}
	return out
}

// userWords says what is different from before.
func userWords(before, now usersAt) (out []string) {
	if before.rate != now.rate {
		out = append(out, fmt.Sprintf("rate=%d", now.rate))
	}
	if before.source != now.source && (before.source != "" || now.source != "0%") {
		out = append(out, "source-fails="+now.source)
	}
	if before.target != now.target && (before.target != "" || now.target != "0%") {
		out = append(out, "target-fails="+now.target)
	}
	if before.latency != now.latency && (before.latency > 0 || now.latency != 20*time.Millisecond) {
		out = append(out, "latency="+now.latency.String())
	}
	return out
}

// users tells what users do and meet. Where pods die that depends on the share.
func (s *script) users() {
	spells := s.spells(TargetWorse, TargetSlow, TargetGone, SourceGone, BothFail, PodsDie, NoUsers, Burst)
	moments := edges(spells)
	for _, b := range s.story {
		if b.arrived || b.intruder != "" {
			moments = append(moments, b.at)
		}
	}
	slices.Sort(moments)
	said := s.usersAt(0, nil, 0)
	for _, at := range slices.Compact(moments) {
		now := s.usersAt(at, spells, s.shareAt(at))
		if words := userWords(said, now); len(words) > 0 {
			s.add(at, "users %s", strings.Join(words, " "))
			said = now
		}
	}
}

// shareAt is the mean of the routes' shares at a moment, 0..1.
func (s *script) shareAt(at time.Duration) (mean float64) {
	shares := map[string]float64{}
	for _, b := range s.story {
		if b.at <= at && (b.arrived || b.intruder != "") {
			shares[b.route] = b.share.Ratio()
		}
	}
	for i := range s.plan.Levers {
		mean += shares[s.route(i)] / float64(len(s.plan.Levers))
	}
	return mean
}

// people tells what operators and others do.
func (s *script) people() {
	for _, b := range s.story {
		switch {
		case b.verb != "":
			s.add(b.at, "command %s", b.verb)
		case b.intruder != "":
			s.add(b.at, "intrude %s %s %s", b.route, percent(b.share), b.intruder)
		case b.begins != nil && b.begins.Kind == Touch:
			s.add(b.at, "touch %s", s.route(min(b.begins.Route, len(s.plan.Levers)-1)))
		}
	}
}

// processes tells how the process that runs fares.
func (s *script) processes() {
	again := max(s.plan.People.Restart, 500*time.Millisecond)
	for _, b := range s.story {
		if !b.bite {
			continue
		}
		switch {
		case b.fault == Freeze:
			s.lines = append(s.lines, line{at: b.at, text: "away " + b.lasts.String(), lasts: b.lasts})
		case b.fault == Interrupt, b.fault == TornJournal, b.fault == Kill && b.dies == anywhere:
			s.add(b.at, "kill")
			s.lines = append(s.lines, line{at: b.at, text: "away " + again.String(), lasts: again})
		case b.fault == Kill && b.dies == beforeWrite:
			s.add(b.at-ahead, "kill-after-save")
		case b.fault == Kill:
			s.add(b.at-ahead, "kill-after-write")
		}
	}
}

// told are the kinds of faults that a script can play.
var told = []Kind{
	ReplyLost, RequestLost, LateWrite, PartialWrite, ServerError, Throttled, Denied, ReadError, StaleRead, SlowSettling, Kill, Freeze, Interrupt,
	Blind, Gap, Swallow, Resets, Skew, TargetWorse, TargetSlow, TargetGone, SourceGone, BothFail, PodsDie, NoUsers, Burst, OrderPause, OrderResume,
	OrderApprove, OrderRollback, OrderRetry, OrderTwice, Raise, Lower, Reapply, Fight, Touch,
}

// rest says what a script cannot play, once for each time that it began.
func (s *script) rest() {
	for _, k := range Kinds() {
		if slices.Contains(told, k) {
			continue
		}
		last := never
		for _, b := range s.story {
			if b.bite && b.fault == k && (last == never || b.at-last > 10*time.Second) {
				s.comment(b.at, "%s: %s, which this world does not have", tenths(b.at), k)
				last = b.at
			}
		}
	}
	for _, b := range s.story {
		if b.heal {
			s.comment(b.at, "%s: every fault has ended", tenths(b.at))
		}
	}
}

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

// text is the lines in the order of their times, with the time that passes in
// between, and a while after the end.
func (s *script) text(end time.Duration) string {
	slices.SortStableFunc(s.lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	now := time.Duration(0)
	pass := func(until time.Duration) {
		if d := tenths(until - now); d > 0 {
			fmt.Fprintf(&b, "\nrun %s\n----\n", d)
			now += d
		}
	}
	for _, l := range s.lines {
		if l.at > end+latest {
			break
		}
		if !strings.HasPrefix(l.text, "#") {
			pass(l.at)
			fmt.Fprintf(&b, "\n%s\n----\n", l.text)
			now += l.lasts
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", l.text)
	}
	pass(end)
	now = 0
	pass(time.Minute)
	return b.String()
}
