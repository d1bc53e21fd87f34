package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
