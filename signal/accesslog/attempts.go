package accesslog

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"time"
)

// Attempts says which attempts of one request count.
type Attempts string

// The empty Attempts is FirstAttempts.
const (
	FirstAttempts Attempts = "first" // retries do not, where they can be told apart
	AllAttempts   Attempts = "all"
)

const (
	memoryOfTraces = 5 * time.Minute
	maxTraces      = 1 << 17 // in each half of the memory: 5 min of 400 requests/s, or else fewer minutes
)

// attempts remembers requests by their trace, in two halves that take turns.
type attempts struct {
	field       string // of X-Amzn-Trace-Id that has the number of the attempt
	seed        maphash.Seed
	recent, old map[uint64]int64 // when the request was created
	since       time.Time        // of recent
}

func newAttempts(field string) *attempts {
	return &attempts{field: field, seed: maphash.MakeSeed(), recent: map[uint64]int64{}}
}

// again reports whether l is a retry, and remembers it. now is when it was read.
func (a *attempts) again(l line, now time.Time) bool {
	root, attempt := traceFields(l.trace, a.field)
	if attempt > 0 {
		return attempt > 1
	}
	if len(root) == 0 {
		return false
	}
	if len(a.recent) >= maxTraces || now.Sub(a.since) >= memoryOfTraces {
		a.recent, a.old, a.since = make(map[uint64]int64, len(a.recent)/2), a.recent, now
	}
	key := a.key(root, l.request)
	earliest, seen := a.recent[key]
	if !seen {
		earliest, seen = a.old[key]
	}
	if !seen || l.created < earliest {
		a.recent[key] = l.created
		return false
	}
	a.recent[key] = earliest
	return true
}

func (a *attempts) key(root, request []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(a.seed)
	_, _ = h.Write(root)
	_ = h.WriteByte(0)
	_, _ = h.Write(request)
	return h.Sum64()
}

// traceFields returns the root of a trace, and the number in field; 0 for none.
func traceFields(trace []byte, field string) (root []byte, attempt int) {
	for part := range bytes.SplitSeq(trace, []byte(";")) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(part), []byte("="))
		switch {
		case bytes.EqualFold(name, []byte("Root")):
			root = value
		case len(name) == len(field) && bytes.EqualFold(name, []byte(field)):
			if n, err := strconv.Atoi(string(value)); err == nil && n > 0 {
				attempt = n
			}
		}
	}
	return root, attempt
}
