package cloudwatch

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// recheck is how many of the last minutes are asked for again each time. AWS says
// no time after which a number stays; others found ALB's to move for about two
// minutes (Netflix/atlas#1300, yet-another-cloudwatch-exporter#242).
const recheck = 10

// kept is how many minutes a book holds at least; older ones can be asked for
// again.
const kept = 24 * 60

// ledger is what is known of one series. It has each minute between first and
// last, without a gap.
type ledger struct {
	number int  // in the order in which series became known
	taken  span // the minutes that CloudWatch was asked for
	shown  map[minute]int64
	booked map[minute]int64 // what windows count; differs from shown where numbers grew later

	wanted minute    // the first minute that somebody needs and that is not taken
	asked  time.Time // when somebody last needed it
	pinned bool      // is asked for though nobody needs it yet

	err   error     // why the last attempt did not succeed; nil if it did
	retry time.Time // when the next attempt is due
}

// nobody is the wanted minute of a ledger of which nothing is needed.
const nobody = minute(math.MaxInt64)

func (l *ledger) covers(s span) bool {
	return !l.taken.empty() && l.taken.first <= s.first && s.last <= l.taken.last
}

// book enters what CloudWatch shows for all minutes of s, which begins not after
// the minute that follows the taken ones. A minute that is new is booked as its
// own. What a minute taken before has gained is booked in the last minute, if
// that is new: no window that was answered may change.
func (l *ledger) book(s span, values map[minute]int64) {
	before := l.taken
	fresh := before.empty() || s.last > before.last
	for m, v := range values {
		if m < s.first || m > s.last {
			continue
		}
		if before.empty() || m < before.first || m > before.last {
			l.shown[m] = v
			l.booked[m] += v
			continue
		}
		if old := l.shown[m]; fresh && v > old {
			l.booked[s.last] += v - old
			l.shown[m] = v
		}
	}
	if before.empty() {
		l.taken = s
	} else {
		l.taken = span{min(before.first, s.first), max(before.last, s.last)}
	}
	l.wanted, l.err = nobody, nil
}

// forget drops minutes before floor.
func (l *ledger) forget(floor minute) {
	if l.taken.empty() || l.taken.first >= floor {
		return
	}
	for _, m := range []map[minute]int64{l.shown, l.booked} {
		maps.DeleteFunc(m, func(at minute, _ int64) bool { return at < floor })
	}
	l.taken.first = floor
}

// book is what is known of all series. It is plain data without a clock, and not
// safe for several goroutines.
type book struct {
	ledgers map[series]*ledger
	number  int
	evident map[string]map[minute]bool // by balancer: minutes of which CloudWatch has any number
	proven  map[group]bool             // groups of which it ever had one
	skew    map[minute]time.Duration   // when the minute was first taken
}

func newBook() *book {
	return &book{
		ledgers: map[series]*ledger{}, evident: map[string]map[minute]bool{},
		proven: map[group]bool{}, skew: map[minute]time.Duration{},
	}
}

// needs lists the series that w needs now: its counts, and what tells that
// CloudWatch has a minute at all.
func (b *book) needs(w want) []series {
	all := append(w.counts(), w.group.balancerTotal())
	if b.quiet(w.group) {
		all = append(all, w.group.health())
	}
	return all
}

// quiet reports whether the last minute that was asked for showed no request of
// the group. Then its hosts must tell that CloudWatch has the minute.
func (b *book) quiet(g group) bool {
	l := b.ledgers[g.sum(requestCount)]
	if l == nil || l.taken.empty() {
		return true
	}
	_, shown := l.shown[l.taken.last]
	return !shown
}

// want remembers that somebody needs the series from first on.
func (b *book) want(all []series, first minute, now time.Time) {
	for _, s := range all {
		l := b.open(s)
		l.asked = now
		if l.taken.empty() || first < l.taken.first {
			l.wanted = min(l.wanted, first)
		}
	}
}

// open returns the ledger of a series.
func (b *book) open(s series) *ledger {
	l := b.ledgers[s]
	if l == nil {
		b.number++
		l = &ledger{number: b.number, taken: span{0, -1}, shown: map[minute]int64{}, booked: map[minute]int64{}, wanted: nobody}
		b.ledgers[s] = l
	}
	return l
}

// idle is after how long a series that nobody needs is not asked for any more.
const idle = 10 * time.Minute

// plan says what to ask for so that everything is known up to newest: which
// series, oldest first, and from which minute on.
func (b *book) plan(newest minute, now time.Time) ([]series, span) {
	first := newest
	var all []series
	for s, l := range b.ledgers {
		if !l.pinned && now.Sub(l.asked) > idle {
			delete(b.ledgers, s)
			continue
		}
		if !l.taken.empty() && l.taken.last >= newest && l.wanted >= l.taken.first || l.err != nil && now.Before(l.retry) {
			continue
		}
		all = append(all, s)
		first = min(first, l.wanted)
		if !l.taken.empty() {
			first = min(first, l.taken.last+1, newest-recheck+1)
		}
	}
	slices.SortFunc(all, func(x, y series) int { return cmp.Compare(b.ledgers[x].number, b.ledgers[y].number) })
	return all, span{first, newest}
}

// enter books what was shown of one series.
func (b *book) enter(s series, asked span, values map[minute]int64) {
	l := b.ledgers[s]
	if l == nil {
		return
	}
	l.book(asked, values)
	seen := b.evident[s.group.balancer]
	if seen == nil {
		seen = map[minute]bool{}
		b.evident[s.group.balancer] = seen
	}
	for m := range values {
		seen[m] = true
	}
	if s.group.target != "" && len(values) > 0 {
		b.proven[s.group] = true
	}
}

// tidy drops what is not needed any more: the health of groups that have
// requests, and minutes that are older than is kept and were not asked for.
func (b *book) tidy(asked span) {
	for s, l := range b.ledgers {
		if s.metric == healthyHosts && !b.quiet(s.group) {
			delete(b.ledgers, s)
			continue
		}
		l.forget(min(asked.first, asked.last-kept))
	}
	floor := min(asked.first, asked.last-kept)
	for _, seen := range b.evident {
		maps.DeleteFunc(seen, func(m minute, _ bool) bool { return m < floor })
	}
	maps.DeleteFunc(b.skew, func(m minute, _ time.Duration) bool { return m < floor })
}

// fail remembers that a series could not be read.
func (b *book) fail(s series, err error, retry time.Time) {
	if l := b.ledgers[s]; l != nil {
		l.err, l.retry = err, retry
	}
}

// answered reports whether for every series either the minutes of s are known or
// the last attempt has failed and the next one is not due.
func (b *book) answered(all []series, s span, now time.Time) bool {
	for _, one := range all {
		if l := b.ledgers[one]; l == nil || !l.covers(s) && (l.err == nil || !now.Before(l.retry)) {
			return false
		}
	}
	return true
}
