package engine

import (
	"time"

	"watari.dev/traffic"
)

// Observation is what was seen since the last turn. A missing part is unknown.
type Observation struct {
	Routes   map[string]RouteSeen `json:"routes,omitempty"`
	Counts   []Interval           `json:"counts,omitempty"` // closed intervals, oldest first, each reported once
	Commands []Command            `json:"commands,omitempty"`
}

// RouteSeen is what was seen of one route.
type RouteSeen struct {
	Found   traffic.Reading[Found]      `json:"found"`
	Fatal   bool                        `json:"fatal,omitempty"`  // reading failed in a way that repetition does not cure
	Local   bool                        `json:"local,omitempty"`  // reading failed for a reason of this machine's own: its clock, its credentials
	Broken  []Part                      `json:"broken,omitempty"` // parts that cannot be moved, beside those of Found; of a reading that failed, all of them
	Shares  map[string]traffic.Share    `json:"-"`                // of each part of Found, where they differ
	Settled traffic.Reading[Settlement] `json:"settled"`          // of the status's Written
	Result  *Result                     `json:"result,omitempty"` // of the write that the last turn asked for
	Held    time.Time                   `json:"held,omitzero"`    // not asked until then, by our own hand; nothing is said of the route
}

// Settlement answers when no new connection can use the old weights.
type Settlement struct {
	Done    bool      `json:"done"`
	At      time.Time `json:"at,omitzero"`
	Pending string    `json:"pending,omitempty"`
}

// Outcome is what became of a write.
type Outcome string

// The outcomes. The zero value is a lost reply.
const (
	Lost     Outcome = ""         // nobody knows; read to find out
	Accepted Outcome = "accepted" // done
	Refused  Outcome = "refused"  // not done; may be tried again
	Held     Outcome = "held"     // not sent or not accepted for a reason that is no route's (our own hand, nobody signed in, a wrong clock): no try
	Denied   Outcome = "denied"   // not done, and trying again does not help
	Partly   Outcome = "partly"   // taken back but for the parts in Left, which somebody must mend
)

// Result is what the data plane said about a write.
type Result struct {
	ID      string        `json:"id"`
	Outcome Outcome       `json:"outcome"`
	Share   traffic.Share `json:"share"` // what was written, if Accepted
	Token   string        `json:"token,omitempty"`
	Note    string        `json:"note,omitempty"`
	At      time.Time     `json:"at,omitzero"`
	Err     string        `json:"err,omitempty"`
	RetryAt time.Time     `json:"retryAt,omitzero"`  // when it is worth asking again, if Held
	Left    []Part        `json:"left,omitempty"`    // the parts that were not written, if Partly or Denied
	Changed bool          `json:"changed,omitempty"` // some others were, if Partly: they had not been at 0
}

// Interval is what both sides of one service answered until To. Each side's
// begins where its last known one ended, so that nothing is lost when a side was
// not known for a while. Intervals of one moment follow each other.
type Interval struct {
	Service string                          `json:"service,omitempty"` // which of the gate's services; empty for its only one
	By      string                          `json:"by,omitempty"`      // the signal that counted
	To      time.Time                       `json:"to,omitzero"`
	From    traffic.BySide[time.Time]       `json:"from,omitzero"`
	Source  traffic.Reading[traffic.Counts] `json:"source"`
	Target  traffic.Reading[traffic.Counts] `json:"target"`

	// What Placed adds, so that an interval can be judged by itself later.
	Intended traffic.Share `json:"intended,omitempty"` // what the levers should have sent to the target
	Step     int           `json:"step,omitempty"`     // the hold in which all of it was counted; 0 while shares moved
}

// Verb is what an operator can ask for.
type Verb string

// The verbs.
const (
	Pause    Verb = "pause"
	Resume   Verb = "resume"
	Approve  Verb = "approve"
	TakeBack Verb = "rollback"
	Retry    Verb = "retry"
)

// Command is an operator's wish. Commands are deduplicated by ID. What it is about is
// filled in by Status.Bound from what the operator was shown.
type Command struct {
	ID   string    `json:"id"`
	Verb Verb      `json:"verb"`
	By   string    `json:"by"`
	At   time.Time `json:"at,omitzero"`

	Attempt   int   `json:"attempt,omitempty"`
	Step      int   `json:"step,omitempty"` // counted from 1
	Situation int64 `json:"situation,omitempty"`

	// Without names parts and routes that TakeBack is done without, once they are
	// found to be gone.
	Without []string `json:"without,omitempty"`
}
