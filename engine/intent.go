package engine

import (
	"time"

	"watari.dev/traffic"
)

// Intent is something to do: a Write, a Note or a Wake.
type Intent interface{ intent() }

// Write asks for a share on a route. It may be repeated after a crash; its ID
// makes that harmless.
type Write struct {
	ID        string        `json:"id"`
	Route     string        `json:"route"`
	Share     traffic.Share `json:"share"`
	IfVersion string        `json:"ifVersion,omitempty"` // empty: whatever is there, which only taking back may
	Urgent    bool          `json:"urgent,omitempty"`    // takes a share back; goes first in every line
}

// Note is a line of the journal.
type Note struct {
	Kind  string `json:"kind"` // phase, write, route, verdict, command
	Route string `json:"route,omitempty"`
	Text  string `json:"text"`
}

// Wake asks for the next turn at At at the latest, with the routes in Look read.
type Wake struct {
	At   time.Time `json:"at,omitzero"`
	Look []string  `json:"look,omitempty"`
}

func (Write) intent() {}
func (Note) intent()  {}
func (Wake) intent()  {}
