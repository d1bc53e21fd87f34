package runner

import (
	"encoding/json"
	"log/slog"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/signal"
	"watari.dev/store"
)

// Config is one migration with everything it needs from the world.
type Config struct {
	Key    store.Key
	Spec   engine.Spec
	Record json.RawMessage // the plan as it is stored, opaque to the runner; another process builds its own Config from it
	Routes map[string]Route
	// Signals may be empty, as it is for a rollback that needs the router alone.
	// Several services add up; if one of them does not know a side, nobody does.
	// Several signals of one service say the same in other words: the first one
	// that knows both sides counts, for each interval anew.
	Signals []Signal
	Store   store.Store
	Holder  store.Holder
	// TakeOver takes the lease of a holder that is known to be dead without
	// waiting for its end.
	TakeOver bool
	// Orders are commands that do not come through the store, because there it may
	// be full or damaged.
	Orders []engine.Command
	// RollbackOnly ends the run where it would do anything but carry out Orders and
	// roll back: a process that came for that never runs a migration forwards.
	RollbackOnly bool
	// OnTurn is called after each turn, from the loop itself, which waits for it: it
	// must not wait for whoever is shown the turn. Nil is allowed.
	OnTurn func(Turn)
	// Remarks are sentences for the journal about the process itself, such as that
	// nobody reads what it says any more; nil is none.
	Remarks <-chan string
	Log     *slog.Logger // nil discards; must not wait for whoever reads it
	Clock   Clock        // nil is the machine's
	// Codec is how a status is written for the store; nil is JSON.
	Codec Codec
	// Step decides; nil is engine.Step. A simulation puts a broken one here, to see
	// that it is found out.
	Step func(engine.Spec, engine.Status, engine.Observation, time.Time) (engine.Status, []engine.Intent)

	Lease    time.Duration // default 15 s
	Deadline time.Duration // of one read, settle or count; default 5 s
	Write    time.Duration // of one write, bounds what a dying runner still does; default 12 s
}

// Codec turns a status into the JSON that a store keeps, and back.
type Codec interface {
	Encode(engine.Status) (json.RawMessage, error)
	Decode(json.RawMessage) (engine.Status, error)
}

// plain is the codec of the product: the status as JSON.
type plain struct{}

func (plain) Encode(s engine.Status) (json.RawMessage, error) { return json.Marshal(s) }

func (plain) Decode(b json.RawMessage) (s engine.Status, err error) { return s, json.Unmarshal(b, &s) }

// Route is one lever with its driver.
type Route struct {
	Ref    router.Ref
	Driver router.Driver
	// Patience is how long one look at it may take, if longer than
	// Config.Deadline: a lever of many names needs many API calls.
	Patience time.Duration
}

// Signal is one source with what to ask of it.
type Signal struct {
	Service string // whose requests it counts
	Source  signal.Source
	Query   signal.Query
	Every   time.Duration // how often it has something new; 0 is each time it is asked
}

// Turn is what one turn saw and decided, for those who watch.
type Turn struct {
	At      time.Time
	Status  engine.Status
	Seen    engine.Observation
	Notes   []engine.Note
	Effects []Effect // of the writes of this turn
}

// Effect is one write with what became of it.
type Effect struct {
	Write   engine.Write    `json:"write"`
	Result  engine.Result   `json:"result"`
	Receipt *router.Receipt `json:"receipt,omitempty"`
	Took    time.Duration   `json:"took"`
}

// defaults of Config. The lease is three times the longest wait of a turn
// without writes; a write is bounded below it so that a runner which lost its
// lease has also stopped writing when the lease ends.
const (
	defaultLease    = 15 * time.Second
	defaultDeadline = 5 * time.Second
	defaultWrite    = 12 * time.Second
	pollCommands    = 250 * time.Millisecond // how soon an operator's command is seen
)

func (c Config) withDefaults() Config {
	if c.Lease <= 0 {
		c.Lease = defaultLease
	}
	if c.Deadline <= 0 {
		c.Deadline = defaultDeadline
	}
	if c.Write <= 0 {
		c.Write = defaultWrite
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = machine{}
	}
	if c.Codec == nil {
		c.Codec = plain{}
	}
	if c.Step == nil {
		c.Step = engine.Step
	}
	if c.OnTurn == nil {
		c.OnTurn = func(Turn) {}
	}
	return c
}
