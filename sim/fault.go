package sim

import (
	"fmt"
	"slices"
	"time"

	"watari.dev/engine"
)

// Kind is a kind of fault.
type Kind uint8

// The kinds.
const (
	// What goes wrong with levers.
	ReplyLost Kind = iota
	RequestLost
	LateWrite
	PartialWrite
	ServerError
	Throttled
	Denied
	SignedOut
	ClockOff
	ReadError
	StaleRead
	SlowCalls
	SlowSettling
	NameRefused
	RouteGone

	// What goes wrong with the store.
	SaveBefore
	SaveAfter
	DiskFull
	TornJournal
	SlowStore
	Unreadable

	// What happens to the process.
	Kill
	Freeze
	Overslept
	Second
	Interrupt
	PowerCut
	ClockStep
	ReaderStalled

	// What goes wrong with signals.
	Blind
	Gap
	Swallow
	Resets
	Skew
	SlowData
	Untimed
	OtherBuckets

	// What happens to the environments and their users.
	TargetWorse
	TargetSlow
	TargetGone
	SourceGone
	BothFail
	PodsDie
	NoUsers
	Burst

	// What people and other controllers do.
	OrderPause
	OrderResume
	OrderApprove
	OrderRollback
	OrderRetry
	OrderTwice
	RollbackHere
	Raise
	Lower
	Reapply
	Fight
	Touch
	ForeignFile
	ApprovalTwice
	OrderLate

	kinds // how many there are
)

var kindNames = [kinds]string{
	ReplyLost:     "write done, reply lost",
	RequestLost:   "write lost",
	LateWrite:     "write applied late",
	PartialWrite:  "partial batch",
	ServerError:   "server error",
	Throttled:     "throttling storm",
	Denied:        "access denied",
	SignedOut:     "credentials expired",
	ClockOff:      "clock off",
	ReadError:     "read error",
	StaleRead:     "stale read",
	SlowCalls:     "slow calls",
	SlowSettling:  "slow propagation",
	NameRefused:   "one name refused",
	RouteGone:     "one route gone",
	SaveBefore:    "save fails before it is durable",
	SaveAfter:     "save fails after it is durable",
	DiskFull:      "disk full",
	TornJournal:   "torn journal",
	SlowStore:     "slow store",
	Unreadable:    "store unreadable",
	Kill:          "killed between effects",
	Freeze:        "frozen between effects",
	Overslept:     "lease expired, another runs, the old one wakes",
	Second:        "second run beside the first",
	Interrupt:     "interrupted",
	PowerCut:      "power cut",
	ClockStep:     "clock step",
	ReaderStalled: "reader stalled",
	Blind:         "metrics blind",
	Gap:           "gap in the metrics",
	Swallow:       "metrics silent",
	Resets:        "counters begin again",
	Skew:          "clocks of the metrics apart",
	SlowData:      "slow metrics",
	Untimed:       "latencies missing",
	OtherBuckets:  "latencies in other buckets",
	TargetWorse:   "target fails",
	TargetSlow:    "target slow",
	TargetGone:    "target's cluster gone",
	SourceGone:    "source's cluster gone",
	BothFail:      "shared outage",
	PodsDie:       "pods of the target die",
	NoUsers:       "no traffic",
	Burst:         "burst of traffic",
	OrderPause:    "operator pauses",
	OrderResume:   "operator resumes",
	OrderApprove:  "operator approves",
	OrderRollback: "operator takes back",
	OrderRetry:    "operator tries again",
	OrderTwice:    "two operators at once",
	RollbackHere:  "rollback from another terminal",
	Raise:         "intruder raises",
	Lower:         "intruder lowers",
	Reapply:       "intruder writes the original back",
	Fight:         "intruder writes again and again",
	Touch:         "intruder touches the route",
	ForeignFile:   "foreign file",
	ApprovalTwice: "approval early or twice",
	OrderLate:     "command arrives late",
}

// String names the kind.
func (k Kind) String() string { return kindNames[k] }

// MarshalText writes the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name.
func (k *Kind) UnmarshalText(text []byte) error {
	i := slices.Index(kindNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("there is no fault %q", text)
	}
	*k = Kind(i)
	return nil
}

// Kinds lists the kinds of faults in the order of the tables.
func Kinds() []Kind {
	out := make([]Kind, kinds)
	for i := range out {
		out[i] = Kind(i)
	}
	return out
}

// Phases lists the phases in the order of the tables.
func Phases() []engine.Phase {
	return []engine.Phase{
		engine.Pending, engine.Shifting, engine.Holding, engine.WaitingForApproval, engine.Soaking, engine.Paused, engine.RollingBack, engine.Partial,
		engine.RolledBack, engine.Complete, engine.Failed,
	}
}

// CanMeet reports whether a fault of a kind can be met in a phase. Where nobody
// writes no write is lost; what has ended runs no process, until an operator wants
// something.
func CanMeet(k Kind, p engine.Phase) bool {
	writes := p == engine.Shifting || p.TakingBack()
	switch k {
	case ReplyLost, RequestLost, LateWrite, PartialWrite, ServerError:
		return writes
	case Blind, Gap, Swallow, Resets, Skew, SlowData, Untimed, OtherBuckets: // nobody asks while taking back
		return !p.Ended() && !p.TakingBack()
	case OrderRollback, RollbackHere, OrderTwice, OrderPause, OrderResume, OrderApprove, OrderRetry, ApprovalTwice, OrderLate, Raise, Lower, Reapply, Touch, ForeignFile:
		return true
	default:
		return !p.Ended()
	}
}

// Fault is one thing that goes wrong: at a moment, or when a phase is entered.
type Fault struct {
	Kind  Kind          `json:"kind"`
	Phase engine.Phase  `json:"phase,omitempty"` // entered for the Nth time; empty: since the start
	Nth   int           `json:"nth,omitempty"`
	After time.Duration `json:"after"`           // that moment
	Lasts time.Duration `json:"lasts,omitempty"` // for what is a condition
	Times int           `json:"times,omitempty"` // for what hits calls: how many of them
	Route int           `json:"route,omitempty"` // which lever
	// Service is the only one whose metrics it hits, from 1 on; 0 is all of them.
	Service int `json:"service,omitempty"`
	Value   int `json:"value,omitempty"` // a share in basis points, a ratio in basis points, or a number of effects
}

// String says it in one line.
func (f Fault) String() string {
	text := f.Kind.String()
	if f.Phase != "" {
		text += fmt.Sprintf(", %s after %s no. %d", f.After, f.Phase, f.Nth)
	} else {
		text += fmt.Sprintf(" at %s", f.After)
	}
	if f.Times > 0 {
		text += fmt.Sprintf(", %d times", f.Times)
	}
	if f.Lasts > 0 {
		text += fmt.Sprintf(", for %s", f.Lasts)
	}
	if f.Service > 0 {
		text += fmt.Sprintf(", service %d", f.Service)
	}
	return text + fmt.Sprintf(" (route %d, value %d)", f.Route, f.Value)
}

// hitsMetrics are the kinds that hit what is counted, of all services or of one.
func hitsMetrics(k Kind) bool {
	return slices.Contains([]Kind{Blind, Gap, Swallow, Resets, Skew, SlowData, Untimed, OtherBuckets}, k)
}

// hitsCalls are the kinds that hit a number of calls.
func hitsCalls(k Kind) bool {
	return slices.Contains([]Kind{ReplyLost, RequestLost, LateWrite, PartialWrite, ServerError, SaveBefore, SaveAfter, TornJournal}, k)
}
