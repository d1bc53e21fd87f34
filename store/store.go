// Package store remembers a migration: its record with a revision, its journal,
// the commands of operators, and who runs it. Stores live in directories of
// their own and all pass storetest. A store knows nothing of what a record means;
// it promises that what Save returned is still there after a crash, that nobody
// overwrites what he has not read, and that one holder at a time has the lease.
package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// The kinds of failure that callers act on.
var (
	ErrNotFound = errors.New("no such migration is remembered")
	ErrConflict = errors.New("saved by somebody else since it was read")
	ErrLocked   = errors.New("run by somebody else") // wrapped by *LockedError
	ErrLost     = errors.New("lease lost")           // wrapped by *LockedError when the other holder is known
	ErrNewer    = errors.New("written by a newer watari")
)

// Revision tells two saves apart. Zero means that nothing was saved yet.
type Revision int64

// Record is everything that the next process must know to go on, as JSON:
// Spec the resolved plan including the routes' references, Status the engine's.
// What Load returns means the same JSON as what was saved; white space is not
// kept, and what was empty is null.
type Record struct {
	Spec   json.RawMessage `json:"spec"`
	Status json.RawMessage `json:"status"`
}

// Entry is one line of the journal: an observation that changed something, a
// decision with its reason, or an effect with its receipt.
type Entry struct {
	At   time.Time       `json:"at"`
	Kind string          `json:"kind"`           // observation, decision, effect, command, note, counts
	Text string          `json:"text"`           // a calm sentence; empty for Counts
	Data json.RawMessage `json:"data,omitempty"` // what the sentence was made of
}

// Counts is the kind of the entries that hold what was counted, one for each
// look: for those who analyse, not for those who read.
const Counts = "counts"

// LeftOut is the kind of the entries that stand for others which a store has
// dropped to keep its journal within a bound. Their Data is a Dropped.
const LeftOut = "left out"

// Dropped says what a LeftOut entry stands for.
type Dropped struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Lines int       `json:"lines"`
}

// Command is what an operator wants, handed to whoever runs the migration.
type Command struct {
	ID   string    `json:"id"`   // unique; a command is consumed once
	Kind string    `json:"kind"` // pause, resume, approve, rollback, retry
	By   string    `json:"by"`   // user@host, as the command itself says: information only
	At   time.Time `json:"at"`
	Note string    `json:"note,omitempty"`

	// Author is who gave it, as the store has seen when it read it: on files the owner
	// of the command's file. It is not part of what is submitted.
	Author string `json:"-"`

	// What its operator was shown, so that it counts for nothing else.
	Attempt   int   `json:"attempt,omitempty"`
	Step      int   `json:"step,omitempty"` // counted from 1
	Situation int64 `json:"situation,omitempty"`

	Without string `json:"without,omitempty"` // of a rollback: the names and routes that it is done without once they are found to be gone, separated by commas
}

// Signed names who gave a command: its author, and what it says itself where that is
// something else.
func (c Command) Signed() string {
	says := fmt.Sprintf("%.100s", c.By)
	if quoted := strconv.Quote(says); quoted != `"`+says+`"` { // nobody writes such a name
		says = quoted
	}
	switch {
	case c.Author == "" || c.Author == c.By:
		return says
	case c.By == "":
		return c.Author
	default:
		return c.Author + ", says by: " + says
	}
}

// RefusedError says why one command is not obeyed: nobody is trusted for saying who
// they are.
type RefusedError struct{ Err error }

// Error implements error.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

// Compare orders commands by age, those of one instant by ID.
func (c Command) Compare(d Command) int {
	return cmp.Or(c.At.Compare(d.At), cmp.Compare(c.ID, d.ID))
}

// Holder says who runs a migration.
type Holder struct {
	ID    string    `json:"id"` // unique per process start
	User  string    `json:"user"`
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// String names the holder as messages do.
func (h Holder) String() string {
	return fmt.Sprintf("%s@%s, process %d, since %s", h.User, h.Host, h.PID, h.Since.Format("15:04:05"))
}

// LockedError says who holds the lease. It wraps ErrLocked or ErrLost.
type LockedError struct {
	Key     Key
	Holder  Holder
	Expires time.Time // when the lease ends if its holder is dead
	Dead    bool      // the holder is known to be gone: same host and no such process
	Kind    error
}

// Error implements error.
func (e *LockedError) Error() string {
	text := fmt.Sprintf("migration %s: %v: %s", e.Key, e.Kind, e.Holder)
	if e.Dead {
		return text + "; that process is gone, run again with --take-over to go on from here"
	}
	return text + fmt.Sprintf("; if it is dead its lease ends at %s, after that run again", e.Expires.Format("15:04:05"))
}

// Unwrap returns Kind.
func (e *LockedError) Unwrap() error { return e.Kind }

// Lease is the right to save and to act, until it ends.
type Lease interface {
	// Renew extends the lease by the ttl it was acquired with, counted from now;
	// ErrLost if somebody else has taken it since, or if it was released. A lease
	// that ran out and that nobody took is renewed.
	Renew(ctx context.Context) error
	// Expires is when the lease ends unless it is renewed. Nothing may be
	// applied after that.
	Expires() time.Time
	// Release gives the lease back at once. Releasing a lease that is lost or
	// released changes nothing and is no error.
	Release(ctx context.Context) error
}

// Store remembers migrations. A key that Validate refuses is an error of every
// method.
type Store interface {
	// Load returns the record and its revision; ErrNotFound if there is none.
	Load(ctx context.Context, key Key) (Record, Revision, error)
	// Save replaces the record if its revision still is prev (0: must not exist),
	// and appends entries to the journal. The entries are durable before the
	// record is.
	Save(ctx context.Context, key Key, prev Revision, next Record, entries ...Entry) (Revision, error)
	// Append adds to the journal without touching the record. It may come before
	// the first Save.
	Append(ctx context.Context, key Key, entries ...Entry) error
	// Journal reads all entries in order, one at a time; ErrNotFound if nothing was
	// saved or appended. An error ends it. It takes no lock and changes nothing: who
	// reads, however slowly, delays nobody who writes. Every entry that was
	// acknowledged before the reading began comes once, as far as the store keeps it;
	// of what is appended meanwhile a beginning may come. An entry that cannot be read
	// is reported in its place as one of kind note.
	Journal(ctx context.Context, key Key) iter.Seq2[Entry, error]
	// List returns the keys of all migrations, sorted.
	List(ctx context.Context) ([]Key, error)

	// Submit hands a command to whoever runs the migration; ErrNotFound if there
	// is no record. Submitting an ID that is still waiting changes nothing: the
	// first one stays. It needs no lease.
	Submit(ctx context.Context, key Key, c Command) error
	// Commands returns those not yet discarded, oldest first (At, then ID); none
	// for a migration that is not remembered. Each has its Author. Commands that cannot
	// be read, and those of authors who are not trusted, are errors beside the others,
	// joined (errors.Join), a *RefusedError each: a damaged or foreign one must not hide
	// a rollback.
	Commands(ctx context.Context, key Key) ([]Command, error)
	// Discard removes commands that a saved status has consumed. An ID that is
	// not there is no error.
	Discard(ctx context.Context, key Key, ids ...string) error

	// Acquire takes the lease for ttl, before the first Save too. A live lease of
	// another holder gives a *LockedError; takeOver takes it all the same if its
	// holder is known to be dead. An expired lease is free. A holder who acquires
	// again gets a new lease and loses the one before.
	Acquire(ctx context.Context, key Key, holder Holder, ttl time.Duration, takeOver bool) (Lease, error)
	// Holder returns who holds a live lease, and false if nobody does.
	Holder(ctx context.Context, key Key) (Holder, time.Time, bool, error)
}
