package router

import (
	"context"
	"strings"
	"time"

	"watari.dev/traffic"
)

// Ref names one route: plain data that can be stored, so that a rollback needs
// neither the user's file nor anybody's memory.
type Ref struct {
	Name    string   `json:"name"`              // the route's name in the migration
	Driver  string   `json:"driver"`            // alb, route53, mem
	ID      string   `json:"id"`                // what holds the weights: a rule's or listener's ARN, a hosted zone
	Names   []string `json:"names,omitempty"`   // the names in it that move together; empty where ID is the whole lever
	Type    string   `json:"type,omitempty"`    // record type, for drivers that have one
	Source  string   `json:"source"`            // the source's entry: a target group's ARN, a set identifier
	Target  string   `json:"target"`            // the target's entry
	Create  *Record  `json:"create,omitempty"`  // the permission to create the target's entry, and what it answers; nil refuses
	Convert bool     `json:"convert,omitempty"` // the permission to turn a simple record into weighted ones, and back
}

// Record is what a DNS entry answers: values with a TTL, or an alias.
type Record struct {
	Values []string      `json:"values,omitempty"`
	TTL    time.Duration `json:"ttl,omitempty"` // whole seconds; 0 takes the source's, which all entries of a name must share
	Alias  *Alias        `json:"alias,omitempty"`
}

// Alias points a DNS entry at a load balancer or at another record.
type Alias struct {
	Zone           string `json:"zone"`                     // the hosted zone of Name
	Name           string `json:"name"`                     // the DNS name that it stands for
	EvaluateHealth bool   `json:"evaluateHealth,omitempty"` // answer with the other entries while Name is unhealthy
}

// String names the route as messages do.
func (r Ref) String() string { return "route " + r.Name + " (" + r.Driver + " " + r.ID + ")" }

// Features says what one route can do and what it costs.
type Features struct {
	MaxWeight      int64         // the largest weight of the data plane; shares are fractions of two weights up to it
	Atomic         bool          // all parts of the route change in one call or none does
	CompareAndSwap bool          // the data plane itself refuses a write based on a stale read
	Propagation    time.Duration // bound from an accepted write until no new connection uses the old weights, without what clients cache or stick to
	Cached         time.Duration // how much longer clients may legitimately use the old answer: TTL, stickiness; 0 if not at all
	ReadCalls      int           // API calls of one Read
	WriteCalls     int           // API calls of one Write that succeeds at once, without the read before it
	SettleCalls    int           // API calls of one Settled
	CallRate       float64       // calls per second that all routes of the driver's account share; 0 if there is no such limit worth planning for
	CallTries      int           // how often one API call is made at most; 0 and 1 are once
	CallWaits      time.Duration // how long all waits between the tries of one call take together at most
	BackTries      int           // how often a write that takes back begins anew at most because somebody else was faster, within one Write; 0 and 1 are once
	HeldBack       time.Duration // how long an operation may be held back in favour of others before it is sent; a write that takes back never is
	GRPC           bool          // a target group of the route speaks gRPC, whose failures have HTTP status 200; false as well where nobody could say
	Limit          string        // the limit that shapes the calls, in words; empty if there is none worth a line
}

// Snapshot is what a route looks like in the data plane.
type Snapshot struct {
	Parts    []Part          `json:"parts"`              // one per name that can be moved; a lever without names has one part
	Broken   []PartProblem   `json:"broken,omitempty"`   // the names that cannot be moved
	Version  string          `json:"version"`            // changes whenever anything that a write replaces has changed
	Owners   []traffic.Owner `json:"owners,omitempty"`   // who writes the weights besides the migration, as far as the data plane tells
	Warnings []string        `json:"warnings,omitempty"` // what an operator should know, such as stickiness that outlives a weight
	At       time.Time       `json:"at"`
}

// Part is one name of a route with its weights.
type Part struct {
	Name    string        `json:"name"`
	Share   traffic.Share `json:"share"` // target weight of the two sides' sum, rounded down to a basis point
	Weights []Weight      `json:"weights"`
}

// Weight is one weighted entry of a part.
type Weight struct {
	Entry  string       `json:"entry"` // target group, set identifier
	Side   traffic.Side `json:"side"`  // NoSide for an entry that is not the migration's
	Weight int64        `json:"weight"`
}

// Low returns the lowest share of all parts.
func (s Snapshot) Low() traffic.Share {
	low := traffic.All
	for _, p := range s.Parts {
		low = min(low, p.Share)
	}
	if len(s.Parts) == 0 {
		return traffic.None
	}
	return low
}

// High returns the highest share of all parts.
func (s Snapshot) High() traffic.Share {
	high := traffic.None
	for _, p := range s.Parts {
		high = max(high, p.Share)
	}
	return high
}

// Change is one wish: bring every part of a route to Share.
type Change struct {
	ID    string        `json:"id"` // repeating a change with the same ID has the effect of doing it once
	Route Ref           `json:"route"`
	Share traffic.Share `json:"share"`
	// IfVersion is the Snapshot.Version that the wish is based on; a route that
	// has changed since gives ErrConflict. Empty writes whatever is there, which
	// only a rollback may.
	IfVersion string `json:"ifVersion,omitempty"`
	// NotAfter is when the right to write ends, by the wall clock: the end of the
	// lease of whoever asks. Nothing that modifies is sent after it, however long
	// the driver had to wait or its process was suspended. Zero is no bound.
	NotAfter time.Time `json:"notAfter,omitzero"`
}

// Receipt is what a successful write returns. It is plain data: Settled works
// with one that was stored by a process that has since died.
type Receipt struct {
	ChangeID string        `json:"changeID"`
	Route    Ref           `json:"route"`
	Share    traffic.Share `json:"share"`           // what was really written: at most Change.Share
	Token    string        `json:"token,omitempty"` // the driver's own, such as Route 53 change IDs; empty after a lost reply
	Note     string        `json:"note,omitempty"`  // visible rounding and the like, in words
	At       time.Time     `json:"at"`
}

// Settlement answers when no new connection can use the old weights.
type Settlement struct {
	Done     bool      `json:"done"`              // re-read, equal to the receipt's share, and the bound has passed
	At       time.Time `json:"at"`                // when it was, or will be at the latest; zero if not known yet
	Pending  string    `json:"pending,omitempty"` // what it waits for, in words; empty if Done
	Warnings []string  `json:"warnings,omitempty"`
}

// Driver is one data plane. All methods may be called concurrently and return
// errors that wrap one of the sentinels of this package.
type Driver interface {
	// Features describes the route; it may read the data plane.
	Features(ctx context.Context, route Ref) (Features, error)
	// Read returns the present state and never modifies anything. A part that cannot
	// be moved is named in Snapshot.Broken beside the others; only a route of which
	// no part can be moved gives an error, with the parts in Error.Left.
	Read(ctx context.Context, route Ref) (Snapshot, error)
	// Write brings the route to the change's share, rounded down to what the
	// data plane can express, and keeps every entry that is not the migration's.
	// A route that already has the share is a success whatever IfVersion says,
	// because nothing is overwritten: so a write can be repeated safely. A share
	// above 0 that would be rounded to 0 gives ErrInexact. From Change.NotAfter on
	// it gives ErrExpired and sends nothing more that modifies.
	//
	// One part that cannot be moved refuses the whole change before anything is
	// sent, unless the change takes back: of a share of 0 without a version every
	// part is written that can be, whatever becomes of the others. Error.Left then
	// names the rest, and the receipt is that of what is at 0; it is empty if
	// nothing is.
	Write(ctx context.Context, change Change) (Receipt, error)
	// Settled reports whether the written weights are the only ones in use. A
	// route that no longer has the receipt's share gives ErrConflict. A receipt
	// without a token, rebuilt after a lost reply, settles by a bound from
	// Receipt.At that is never shorter than Propagation and Cached.
	Settled(ctx context.Context, receipt Receipt) (Settlement, error)
}

// Restorer is a Driver that can undo what it had to convert before its first
// write, such as a simple record that became weighted ones.
type Restorer interface {
	// Restore puts the route back into the form it had before it was converted,
	// with everything on the side keep, and says in Receipt.Note what it did. It is
	// refused while the other side has a share, and without Ref.Convert. A route
	// that has that form already is a success. notAfter is as in Change.
	Restore(ctx context.Context, route Ref, keep traffic.Side, notAfter time.Time) (Receipt, error)
	// Restorable says what Restore would do now at each name of the route, and is
	// refused where Restore is. It changes nothing. Where some names alone are the
	// reason, Error.Left has them, and the others are returned with it.
	Restorable(ctx context.Context, route Ref, keep traffic.Side) ([]Restoration, error)
}

// Restoration is what Restore does at one name, in words.
type Restoration struct {
	Name    string   `json:"name"`
	Deletes []string `json:"deletes,omitempty"` // none where it has that form already
	Stays   string   `json:"stays"`             // what is there afterwards
}

// Ended reports whether a right to write that ends at notAfter has ended at now,
// by the wall clock alone: the monotonic one stands still while a machine is
// suspended. A zero notAfter never ends.
func Ended(notAfter, now time.Time) bool {
	return !notAfter.IsZero() && !now.Round(0).Before(notAfter.Round(0))
}

// Describe writes the weights of a snapshot as people read them.
func (s Snapshot) Describe() string {
	var b strings.Builder
	for i, p := range s.Parts {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == 3 && len(s.Parts) > 4 {
			b.WriteString("...")
			break
		}
		b.WriteString(p.Describe())
	}
	return b.String()
}
