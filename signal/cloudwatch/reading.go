package cloudwatch

import (
	"fmt"
	"time"

	"watari.dev/traffic"
)

// decideReading makes one side's reading of what the book holds for the minutes
// of s; there is at least one.
func decideReading(b *book, w want, s span, to time.Time) traffic.Reading[traffic.Counts] {
	for _, one := range w.counts() {
		l := b.ledgers[one]
		switch {
		case l != nil && l.covers(s):
		case l != nil && l.err != nil:
			return traffic.FailedAt[traffic.Counts](l.err, to)
		default:
			return unknown("CloudWatch was asked about %s and has not answered yet", s)
		}
	}
	if !b.proven[w.group] {
		if l := b.ledgers[w.group.health()]; l != nil && l.err != nil {
			return traffic.FailedAt[traffic.Counts](l.err, to)
		}
		return unknown("CloudWatch has no number of target group %s behind load balancer %s, not even of its healthy hosts: it has no targets, or one of the names is wrong", w.group.target, w.group.balancer)
	}
	last, found := b.lastEvident(w.group.balancer, s)
	if !found {
		return unknown("CloudWatch has nothing of load balancer %s from %s: no request came, or its numbers are late", w.group.balancer, s)
	}
	return traffic.KnownAt(b.sum(w, s), last.end())
}

// lastEvident returns the last minute of s of which there is any number of the
// balancer.
func (b *book) lastEvident(balancer string, s span) (minute, bool) {
	for m := s.last; m >= s.first; m-- {
		if b.evident[balancer][m] {
			return m, true
		}
	}
	return 0, false
}

// sum adds up the minutes of s.
func (b *book) sum(w want, s span) traffic.Counts {
	var total traffic.Counts
	for m := s.first; m <= s.last; m++ {
		total = total.Plus(b.minute(w, m))
	}
	return total
}

// minute returns what was booked in one minute. What fails is part of the
// requests: CloudWatch counts connections that failed, of which one request may
// have several, so what is above is cut.
func (b *book) minute(w want, m minute) traffic.Counts {
	c := traffic.Counts{Requests: b.booked(w.group.sum(requestCount), m), Skew: b.skew[m]}
	if w.errors {
		for _, metric := range errorMetrics {
			c.Errors += b.booked(w.group.sum(metric), m)
		}
		c.Errors = min(c.Errors, c.Requests)
	}
	if n := w.buckets(); n > 0 {
		c.Latency = traffic.Histogram{Edges: w.edges, Buckets: make([]int64, n)}
		for i := range n {
			c.Latency.Buckets[i] = b.booked(w.bucket(i), m)
		}
	}
	for _, metric := range w.events {
		n := int64(0)
		if metric != "" {
			n = min(b.booked(w.group.sum(metric), m), c.Requests)
		}
		c.Events = append(c.Events, n)
	}
	return c
}

func (b *book) booked(s series, m minute) int64 { return b.ledgers[s].booked[m] }

func unknown(format string, args ...any) traffic.Reading[traffic.Counts] {
	return traffic.Reading[traffic.Counts]{Err: fmt.Sprintf(format, args...)}
}
