package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/traffic"
)

// Script tells what happened in a run as a script for engine/testdata, whose outputs
// "go test ./engine -run Scenarios -rewrite" fills in. The script's world is a simpler
// one: it looks about once a second, its calls take no time, and its store never
// fails. What it cannot play is a comment at the time at which it happened. The run
// must have been one with Options.Trace.
func Script(plan Plan, r Result) string {
	s := &script{plan: plan, story: r.story, end: r.Took + ending}
	for _, b := range s.story {
		if b.begins != nil && b.begins.Service > 0 && len(names(s.plan.Signals)) > 1 {
			s.comment(b.at, "%s: %s of one service alone, which is told of all", tenths(b.at), b.begins.Kind)
		}
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

// people tells what operators and others do.
func (s *script) people() {
	for _, b := range s.story {
		switch {
		case b.saw:
			s.add(b.at, "see")
		case b.verb != "" && b.late:
			s.add(b.at, "command %s seen", b.verb)
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
		case b.fault == Interrupt, b.fault == TornJournal, b.fault == PowerCut, b.fault == Kill && b.dies == anywhere:
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
	ReplyLost, RequestLost, LateWrite, PartialWrite, ServerError, Throttled, Denied, SignedOut, ClockOff, ReadError, StaleRead, SlowSettling, Kill, Freeze, Interrupt, PowerCut,
	Blind, Gap, Swallow, Resets, Skew, TargetWorse, TargetSlow, TargetGone, SourceGone, BothFail, PodsDie, NoUsers, Burst, OrderPause, OrderResume,
	OrderApprove, OrderRollback, OrderRetry, OrderTwice, ApprovalTwice, OrderLate, Raise, Lower, Reapply, Fight, Touch,
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
