package load

import (
	"errors"
	"fmt"
	"time"
)

// Result is the account of a load, while it runs or after.
type Result struct {
	Started  time.Time     `json:"started"`
	Elapsed  time.Duration `json:"elapsedNanos"`
	Total    Tally         `json:"total"`
	Segments []Segment     `json:"segments"` // in order of time
	Seconds  []Second      `json:"seconds"`  // the last ten minutes at most, in order
	// MaxLag is how late a request was sent at worst. If it is large, the
	// machine was too busy for this rate.
	MaxLag time.Duration `json:"maxLagNanos"`
	// Samples are the first failures of each segment, in order, for the eye.
	Samples []Sample `json:"samples,omitempty"`
}

// Tally is the account of a set of requests. Sent is always the sum of InFlight,
// OK and Failed.
type Tally struct {
	Sent     int64           `json:"sent"`
	InFlight int64           `json:"inFlight"`
	OK       map[Side]int64  `json:"ok"`
	Failed   []Failures      `json:"failed"` // sorted
	Retries  int64           `json:"retries"`
	Clients  map[Kind]Client `json:"clients"`
	// Latency is of requests answered well, from when they were meant to be sent.
	Latency map[Side]Latency `json:"latency"`
}

// Failures counts the requests that failed in one way.
type Failures struct {
	Class
	Count int64 `json:"count"`
}

// Client is the account of one kind of users.
type Client struct {
	Sent     int64          `json:"sent"`
	InFlight int64          `json:"inFlight"`
	OK       map[Side]int64 `json:"ok"`
	Failed   int64          `json:"failed"`
}

// Segment is the account of what was sent between two marks.
type Segment struct {
	Name  string    `json:"name"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to,omitzero"` // zero: it still lasts
	Tally Tally     `json:"tally"`
}

// Second is the account of what was sent within one second.
type Second struct {
	Second int64 `json:"second"` // since the start
	Sent   int64 `json:"sent"`
	Source int64 `json:"source"` // answered well
	Target int64 `json:"target"` // answered well
	Other  int64 `json:"other"`  // answered well by somebody unknown
	Failed int64 `json:"failed"`
}

// Sample is one request that failed.
type Sample struct {
	Sent    time.Time `json:"sent"`
	Segment string    `json:"segment"`
	Client  Kind      `json:"client"`
	Class
	Detail string `json:"detail,omitempty"`
}

// OKs returns how many requests were answered well.
func (t Tally) OKs() int64 { return sum(t.OK) }

// Failures returns how many requests failed.
func (t Tally) Failures() (n int64) {
	for _, f := range t.Failed {
		n += f.Count
	}
	return n
}

func sum[K comparable](counts map[K]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// Check returns an error if the account does not add up: a request that is in no
// class, or in two. It never happens, and is worth a look each time.
func (r Result) Check() error {
	errs := []error{checkTally("total", r.Total)}
	var segments Tally
	for _, s := range r.Segments {
		errs = append(errs, checkTally("segment "+s.Name, s.Tally))
		segments.Sent += s.Tally.Sent
		segments.InFlight += s.Tally.InFlight
	}
	if segments.Sent != r.Total.Sent || segments.InFlight != r.Total.InFlight {
		errs = append(errs, fmt.Errorf("load: %d sent and %d in flight, but %d and %d in all segments",
			r.Total.Sent, r.Total.InFlight, segments.Sent, segments.InFlight))
	}
	return errors.Join(errs...)
}

func checkTally(name string, t Tally) error {
	var errs []error
	if all := t.InFlight + t.OKs() + t.Failures(); t.Sent != all {
		errs = append(errs, fmt.Errorf("load: %s: %d sent, but %d accounted for", name, t.Sent, all))
	}
	var sent, answered, failed int64
	for kind, c := range t.Clients {
		if all := c.InFlight + sum(c.OK) + c.Failed; c.Sent != all {
			errs = append(errs, fmt.Errorf("load: %s: %s clients sent %d, but %d are accounted for", name, kind, c.Sent, all))
		}
		sent, answered, failed = sent+c.Sent, answered+sum(c.OK), failed+c.Failed
	}
	if sent != t.Sent || answered != t.OKs() || failed != t.Failures() {
		errs = append(errs, fmt.Errorf("load: %s: the kinds of clients do not add up to the whole", name))
	}
	return errors.Join(errs...)
}
