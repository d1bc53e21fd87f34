package engine

import (
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Spec is what the user wants, resolved and complete: every default is filled
// in before it gets here.
type Spec struct {
	Name     string        `json:"name"`
	Source   string        `json:"source"` // names of the environments, for sentences
	Target   string        `json:"target"`
	Routes   []RouteSpec   `json:"routes"`
	Steps    []StepSpec    `json:"steps"` // shares rise; the last one is 100 %
	Gate     Gate          `json:"gate"`
	Rollback Rollback      `json:"rollback"`
	OnDrift  OnDrift       `json:"onDrift,omitempty"`  // what to do about somebody else's change; empty is hold
	Deadline time.Duration `json:"deadline,omitempty"` // from the first rise until the last step is reached; 0 is none
}

// RouteSpec is one lever with its bounds.
type RouteSpec struct {
	Name         string        `json:"name"`
	Granularity  traffic.Share `json:"granularity"`  // how far below the wish a written share may lie, in basis points
	SettleWithin time.Duration `json:"settleWithin"` // a route that has not settled this long after its write never will
	LookEvery    time.Duration `json:"lookEvery"`    // how often it may be read while something is awaited
}

// StepSpec is a share and how long to hold it.
type StepSpec struct {
	Share    traffic.Share `json:"share"`
	Hold     time.Duration `json:"hold"`
	Approval bool          `json:"approval,omitempty"` // an operator must approve before the migration leaves the step
}

// Gate says what the target is judged by.
type Gate struct {
	Signals bool `json:"signals"` // false: there is nothing to look at, approvals are the only gate
	// Analysis compares the target with the source; nil leaves the limits below
	// alone, which hold in any case.
	Analysis      *verdict.Config `json:"analysis,omitempty"`
	MaxErrorRatio float64         `json:"maxErrorRatio"`          // of the target's requests, 0..1; 1 is no limit
	MaxP99        time.Duration   `json:"maxP99,omitempty"`       // of the target; 0 is no limit
	MinRequests   int64           `json:"minRequests"`            // of the target in one window, below which the limits say nothing
	StepRequests  int64           `json:"stepRequests,omitempty"` // of the target in one step, before which it is not left; 0 is MinRequests
	Window        time.Duration   `json:"window"`                 // how far back requests count
	Interval      time.Duration   `json:"interval"`               // how often to evaluate
}

// least is how many requests of the target a step needs.
func (g Gate) least() int64 {
	if g.StepRequests > 0 {
		return g.StepRequests
	}
	return g.MinRequests
}

// Rollback says who takes the share back, and when.
type Rollback struct {
	Manual       bool              `json:"manual,omitempty"`       // stop and tell, instead of taking back
	OnUnknown    OnUnknown         `json:"onUnknown"`              // what to do when the target cannot be judged
	UnknownAfter time.Duration     `json:"unknownAfter,omitempty"` // how long not to know is normal
	Kinds        map[Why]OnUnknown `json:"kinds,omitempty"`        // what to do about one kind of not knowing, where that differs
}

// on returns what to do about a kind of not knowing.
func (r Rollback) on(why Why) OnUnknown {
	if do, differs := r.Kinds[why]; differs {
		return do
	}
	if why.blind() {
		return r.OnUnknown
	}
	return UnknownHolds
}

// OnUnknown is the policy for not knowing.
type OnUnknown string

// The policies: stay where we are, take everything back, or go on as if nothing
// were (which only Missplit allows).
const (
	UnknownHolds     OnUnknown = "hold"
	UnknownRollsBack OnUnknown = "rollback"
	UnknownIgnored   OnUnknown = "ignore"
)

// lookCalmly is how often routes are read while nothing is awaited: often
// enough to name an intruder while he still remembers, and 1/50 of Route 53's
// 5 requests per second (Route 53 Developer Guide, DNSLimitations).
const lookCalmly = 10 * time.Second

// maxTurn is the longest time between two turns that counts as watching, if it is
// more than two of the gate's intervals. A process that was away longer did not
// watch, and the hold does not count it.
const maxTurn = 10 * time.Second

// freshFor is how long ago a route may have been read to be as good as read in this
// turn: shorter than any two looks at a route that is looked at calmly.
const freshFor = 5 * time.Second

// readGrace is how long after an accepted write a read may still show the
// state before it: AWS control planes are eventually consistent and publish no
// bound, so this is the house's own.
const readGrace = 15 * time.Second

// lateGrace is how long after its reply was lost a write may still arrive: the
// time-out of the HTTP client that gave up, and the same again for the service
// that goes on working on it.
const lateGrace = 20 * time.Second

// riseTries is how often a write that raises a share is tried before the route
// counts as failed. With the back-off below that is about half a minute.
const riseTries = 6

// longestPause is the longest wait before a try.
const longestPause = 15 * time.Second

// heldPause is how long to wait before a write is asked for again that was not
// sent. It is no try: the store or the account is in trouble, not the route.
const heldPause = time.Second

// backOff returns how long to wait before try number tries+1: 0.5 s doubling up
// to 15 s, so that a rollback is never further than that from its next try.
func backOff(tries int) time.Duration {
	return min(500*time.Millisecond<<min(max(tries-1, 0), 5), longestPause)
}
