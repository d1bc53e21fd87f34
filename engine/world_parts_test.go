package engine

import (
	"time"

	"watari.dev/traffic"
)

// badName is the one of a lever's two names that can break.
const badName = "api.example.com"

// left is what cannot be moved of a lever.
func (l *lever) left() []Part {
	switch l.bad {
	case "refused":
		return []Part{{Name: badName, Why: "its health check is gone", Share: l.badShare, Known: true}}
	case "deleted":
		return []Part{{Name: badName, Why: "the zone has no record of that name", Known: true}}
	default:
		return []Part{{Why: "there is no such rule", Known: true}}
	}
}

// showBad makes a reading that of a lever with a bad name.
func (l *lever) showBad(seen *RouteSeen) {
	if l.bad == "" {
		return
	}
	f := &seen.Found.Value
	f.Parts, f.Low, f.High = 2, l.share, l.share
	if l.bad == "deleted" {
		f.Parts, seen.Broken = 1, l.left()
		return
	}
	if l.badShare != l.share {
		f.Low, f.High = min(l.share, l.badShare), max(l.share, l.badShare)
		seen.Shares = map[string]traffic.Share{badName: l.badShare, "shop.example.com": l.share}
	}
}

// spoil breaks a lever, or mends it: what was broken has the share that it had then.
func (l *lever) spoil(now time.Time, how string) {
	if how != "" {
		l.bad, l.badShare = how, l.share
		return
	}
	was := l.bad
	if l.bad = ""; was != "" && was != "gone" {
		l.hold(now, min(l.share, l.badShare), max(l.share, l.badShare), nil)
	}
}

// applyBad writes what can be written.
func (l *lever) applyBad(now time.Time, in Write, res *Result) *Result {
	res.Left = l.left()
	if l.bad == "gone" || in.Share > traffic.None || in.IfVersion != "" {
		res.Outcome, res.Err = Denied, "not in a state that the migration may change: "+res.Left[0].Why
		return res
	}
	res.Outcome, res.Changed = Partly, l.share > traffic.None
	if res.Changed {
		l.written = now
		l.hold(now, traffic.None, traffic.None, nil)
	}
	return res
}
