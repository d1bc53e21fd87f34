package runner

import (
	"time"

	"watari.dev/store"
)

// remarks returns what there is to say in the journal about the process itself. It
// waits for nothing.
func (r *run) remarks(now time.Time) (out []store.Entry) {
	for {
		select {
		case text := <-r.Remarks:
			out = append(out, store.Entry{At: now, Kind: "note", Text: text})
		default:
			return out
		}
	}
}
