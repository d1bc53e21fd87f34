package sim

import (
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// beat is something that a scenario script can tell.
type beat struct {
	at       time.Duration
	begins   *Fault
	fault    Kind
	bite     bool
	heal     bool
	verb     engine.Verb
	intruder string
	route    string
	share    traffic.Share
}

func (w *world) record(b beat) {
	if !w.tracing {
		return
	}
	b.at = w.now
	w.story = append(w.story, b)
}
