package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

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
	spells := s.spells(Throttled, Denied, SignedOut, ClockOff, ReadError, StaleRead)
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
		case SignedOut:
			say(true, "expired")
		case ClockOff:
			say(true, "clock-off")
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
