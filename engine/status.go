package engine

import (
	"slices"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Phase is where a migration is.
type Phase string

// The phases. RolledBack, Complete and Failed are ends, which an operator can
// leave again with rollback or retry.
const (
	Pending            Phase = "Pending"            // nothing written yet
	Shifting           Phase = "Shifting"           // shares are on their way to the step's
	Holding            Phase = "Holding"            // the step's share is reached and watched
	WaitingForApproval Phase = "WaitingForApproval" // held long enough, an operator must say yes
	Paused             Phase = "Paused"             // nothing rises until an operator resumes
	RollingBack        Phase = "RollingBack"        // shares are on their way to 0
	Partial            Phase = "Partial"            // 0 on everything that can be written, and the rest is named and tried again
	RolledBack         Phase = "RolledBack"         // 0 on every route, settled and read back
	Soaking            Phase = "Soaking"            // everything on the target, watched
	Complete           Phase = "Complete"           // soaked, settled and read back
	Failed             Phase = "Failed"             // ended before anything was changed
)

// Ended reports whether nothing more happens without an operator.
func (p Phase) Ended() bool { return p == RolledBack || p == Complete || p == Failed }

// Status is everything that is remembered between two turns. It is saved before
// any of its intents is applied.
type Status struct {
	Phase    Phase     `json:"phase"`
	Reason   string    `json:"reason,omitempty"`   // why, in a sentence
	Since    time.Time `json:"since,omitzero"`     // when Phase was entered
	Attempt  int       `json:"attempt"`            // 1 for the first
	Step     int       `json:"step"`               // index into Spec.Steps
	Resume   Phase     `json:"resume,omitempty"`   // where Paused goes on
	Approved bool      `json:"approved,omitempty"` // an operator approved what waits now; it goes on when nothing speaks against it

	// Situation tells apart what operators are shown: it grows with each phase that is
	// entered and each finding in a pause. Commands say which one they are about.
	Situation int64 `json:"situation,omitempty"`

	Held     time.Duration `json:"held,omitempty"`   // how long the step's share was held and watched
	Reached  time.Time     `json:"reached,omitzero"` // when the step's share was settled on every route
	Started  time.Time     `json:"started,omitzero"` // when the attempt's first rise was decided; zero before
	LastTurn time.Time     `json:"lastTurn,omitzero"`

	Goal  traffic.Share `json:"goal,omitempty"`  // what an adaptive ramp chose within the step; 0 is the step's own share
	Holds int           `json:"holds,omitempty"` // number of shares that were reached, tells holds apart

	Reasserting bool `json:"reasserting,omitempty"` // the share of a hold is written again; Held goes on when it is in place

	Routes         []RouteStatus  `json:"routes"`
	Analysis       *verdict.State `json:"analysis,omitempty"`
	Evidence       Evidence       `json:"evidence"`
	Verdict        Verdict        `json:"verdict"`
	BlindPatiently bool           `json:"blindPatiently,omitempty"` // BlindAt began with what is only held for
	BurningAt      time.Time      `json:"burningAt,omitzero"`       // since when it fails more than its objective bears, and cannot be compared
	Shared         bool           `json:"shared,omitempty"`         // both sides failed when they were compared last
	Told           string         `json:"told,omitempty"`           // the verdict that was noted last
	BlindAt        time.Time      `json:"blindAt,omitzero"`         // since when the target cannot be judged; zero if it can

	Cause      string        `json:"cause,omitempty"`      // why this attempt was taken back
	Degraded   time.Time     `json:"degraded,omitzero"`    // when this attempt was found worse; zero if it was not
	Answers    []Answer      `json:"answers,omitempty"`    // of the latest commands, oldest first
	Consumed   []string      `json:"consumed,omitempty"`   // IDs of commands in a status of before there were answers
	Without    []Waiver      `json:"without,omitempty"`    // what an operator has left out of the rollback
	LiveAgreed traffic.Share `json:"liveAgreed,omitempty"` // the highest share found before the first write that an operator agreed to start from
	Sequence   int64         `json:"sequence"`             // number of writes asked for, makes their IDs unique
}

// RouteStatus is what is remembered of one route.
type RouteStatus struct {
	Name      string    `json:"name"`
	Original  *Found    `json:"original,omitempty"` // as it was before the first write
	Seen      *Found    `json:"seen,omitempty"`     // as it was last read
	Want      *Wish     `json:"want,omitempty"`     // the write that was asked for and is not known to be done
	Written   *Written  `json:"written,omitempty"`  // the last one known to be done
	Drift     *Found    `json:"drift,omitempty"`    // what somebody else made of it
	Agreed    *Found    `json:"agreed,omitempty"`   // differing parts that an operator agreed to write over; nil once something was written
	Past      []Past    `json:"past,omitempty"`     // what we wrote before Written in this attempt, oldest first
	LookAt    time.Time `json:"lookAt,omitzero"`    // when it wants to be read next
	LateUntil time.Time `json:"lateUntil,omitzero"` // until when a write whose reply was lost may still arrive
	Trouble   string    `json:"trouble,omitempty"`  // the last error, until something works
	Unread    bool      `json:"unread,omitempty"`   // it could not be read when it was looked at last
	Local     bool      `json:"local,omitempty"`    // and that was for a reason of this machine's own, which says nothing of the route
	Restored  *Restored `json:"restored,omitempty"` // what an operator has made of it since its end

	Broken  []Part `json:"broken,omitempty"`  // parts that cannot be moved, as it was read last
	Gone    bool   `json:"gone,omitempty"`    // it could not be read for that: they are all that it has
	Refused []Part `json:"refused,omitempty"` // parts that the last try to take it back could not bring to 0
	Whole   bool   `json:"whole,omitempty"`   // they are all that it has
	Again   Again  `json:"again,omitzero"`    // when they are tried again, if not all

	Reasserted int           `json:"reasserted,omitempty"` // how often it was written again in this attempt, or since an operator resumed
	OursHeld   time.Duration `json:"oursHeld,omitempty"`   // Status.Held when it was last read as written
}

// Found is a route as it was read.
type Found struct {
	Low     traffic.Share  `json:"low"`
	High    traffic.Share  `json:"high"`
	Version string         `json:"version,omitempty"`
	Weights string         `json:"weights,omitempty"` // in words
	Parts   int            `json:"parts,omitempty"`   // how many parts Low and High are of, where it has names
	Owner   *traffic.Owner `json:"owner,omitempty"`   // the surest of those who write its weights besides us
	At      time.Time      `json:"at,omitzero"`
}

// is reports whether every part of the route has exactly the share s.
func (f *Found) is(s traffic.Share) bool { return f != nil && f.Low == s && f.High == s }

// Wish is a write that was asked for.
type Wish struct {
	ID      string        `json:"id"`
	Share   traffic.Share `json:"share"`
	Low     traffic.Share `json:"low"` // lowest and highest share before it
	High    traffic.Share `json:"high"`
	Over    string        `json:"over,omitempty"` // the version that was there before it
	Asked   time.Time     `json:"asked,omitzero"`
	Tries   int           `json:"tries"`
	NextTry time.Time     `json:"nextTry,omitzero"`
	Held    bool          `json:"held,omitempty"`  // the last try was not sent; NextTry is when it can be
	Open    bool          `json:"open,omitempty"`  // a try was asked for and its result is not known yet
	Doubt   bool          `json:"doubt,omitempty"` // a try may have been carried out
}

// FoundByReading is the Note of a write whose reply was lost, and whose share was
// there when the route was read.
const FoundByReading = "found by reading back"

// Written is a write that is known to be done. Without an ID it is the state
// that the migration began with.
type Written struct {
	ID        string        `json:"id"`
	Wanted    traffic.Share `json:"wanted"`
	Share     traffic.Share `json:"share"`          // what it was rounded to
	Before    traffic.Share `json:"before"`         // highest share before it; a read may still show it for a moment
	Over      string        `json:"over,omitempty"` // the version that it replaced
	Token     string        `json:"token,omitempty"`
	Note      string        `json:"note,omitempty"`
	At        time.Time     `json:"at,omitzero"`
	Settled   bool          `json:"settled,omitempty"`
	SettledAt time.Time     `json:"settledAt,omitzero"`
	Pending   string        `json:"pending,omitempty"` // what settling waits for
	Left      []string      `json:"left,omitempty"`    // parts that it does not stand for, because they could not be written
	Due       time.Time     `json:"due,omitzero"`      // when it settles at the latest; zero if nobody knows
}

func (s Status) clone() Status {
	s.Routes = slices.Clone(s.Routes)
	for i := range s.Routes {
		r := &s.Routes[i]
		r.Restored = copied(r.Restored)
		r.Original, r.Seen, r.Want, r.Written, r.Drift = copied(r.Original), copied(r.Seen), copied(r.Want), copied(r.Written), copied(r.Drift)
		r.Agreed = copied(r.Agreed)
	}
	s.Answers, s.Without = slices.Clone(s.Answers), slices.Clone(s.Without)
	s.Evidence.Intervals = slices.Clone(s.Evidence.Intervals)
	s.Evidence.Services = slices.Clone(s.Evidence.Services)
	if s.Analysis != nil {
		a := s.Analysis.Clone()
		s.Analysis = &a
	}
	return s
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// Share returns the highest share that is on its way or in place: what the
// target may be getting.
func (s Status) Share() traffic.Share {
	high := traffic.None
	for _, r := range s.Routes {
		high = max(high, r.exposed())
	}
	return high
}

// Wanted is the share that the current step wants.
func (s Status) Wanted(spec Spec) traffic.Share {
	if len(spec.Steps) == 0 {
		return traffic.None
	}
	share := spec.Steps[min(max(s.Step, 0), len(spec.Steps)-1)].Share
	if s.Goal > traffic.None && s.Goal < share {
		return s.Goal
	}
	return share
}

func (r RouteStatus) exposed() traffic.Share {
	high := traffic.None
	if r.Written != nil {
		high = r.Written.Share
	}
	if r.Want != nil {
		high = max(high, r.Want.Share)
	}
	if r.Seen != nil {
		high = max(high, r.Seen.High)
	}
	for _, p := range slices.Concat(r.Broken, r.Refused) {
		high = max(high, p.Share)
	}
	return high
}
