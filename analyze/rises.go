package analyze

import (
	"slices"
	"time"

	"watari.dev/traffic"
)

// Rise is a change of the share that the target has; a fall is one, too.
type Rise struct {
	At   time.Time     `json:"at"`
	From traffic.Share `json:"from"`
	To   traffic.Share `json:"to"`
}

// Rises makes rises of the shares that held from some times on, in any order; before is
// the one that was there before them. A share that stays the same is no rise.
func Rises(before traffic.Share, shares []Rise) (out []Rise) {
	shares = slices.Clone(shares)
	slices.SortStableFunc(shares, func(a, b Rise) int { return a.At.Compare(b.At) })
	now := before
	for _, s := range shares {
		if s.To == now {
			continue
		}
		out = append(out, Rise{At: s.At, From: now, To: s.To})
		now = s.To
	}
	return out
}

// Risen is a rise, and the evidence against the target around it.
type Risen struct {
	Rise
	Before float64 `json:"before"` // ln E when it rose
	After  float64 `json:"after"`  // the highest until the next one, or until the end
}

// Back reports whether everything was taken back.
func (r Rise) Back() bool { return r.To <= traffic.None }

// risen goes along a replay, and takes down what the evidence was.
type risen struct {
	left []Rise
	out  []Risen
}

// pass takes down the rises before a moment, at which the evidence is still logE.
func (r *risen) pass(at time.Time, logE float64) {
	for len(r.left) > 0 && r.left[0].At.Before(at) {
		r.out = append(r.out, Risen{r.left[0], logE, logE})
		r.left = r.left[1:]
	}
}

// all returns all rises; those after the last interval were made for what that one had
// shown, such as that everything is taken back.
func (r *risen) all(logE float64) []Risen {
	for _, left := range r.left {
		r.out = append(r.out, Risen{left, logE, logE})
	}
	r.left = nil
	return r.out
}

// seen takes down what the evidence has become.
func (r *risen) seen(logE float64) {
	if n := len(r.out); n > 0 {
		r.out[n-1].After = max(r.out[n-1].After, logE)
	}
}
