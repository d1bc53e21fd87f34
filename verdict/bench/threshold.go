package bench

// The thresholds of the reference.
const (
	thresholdWindow = 30   // seconds
	thresholdRatio  = 0.01 // errors per request that are allowed
	thresholdFewest = 50   // requests, below which nothing is concluded
	thresholdEarly  = 3    // errors that do not wait for that many requests
)

// Threshold is a plain threshold over a sliding window, as our own engine judges
// by where a migration asks for thresholds (package engine, gate.go): more errors
// than 1 % of the requests of the last 30 s, with at least 50 requests or 3
// errors.
type Threshold struct {
	last [thresholdWindow]Tally
	sum  Tally
}

// NewThreshold returns the policy with an empty window.
func NewThreshold() *Threshold { return &Threshold{} }

// Name implements Policy.
func (*Threshold) Name() string { return "plain threshold (1 % in 30 s, at least 50 requests)" }

// Second implements Policy.
func (t *Threshold) Second(s Second) bool {
	old := &t.last[s.At%thresholdWindow]
	t.sum.Requests -= old.Requests
	t.sum.Errors -= old.Errors
	*old = s.Target
	t.sum.add(s.Target)
	enough := t.sum.Requests >= thresholdFewest || t.sum.Errors >= thresholdEarly
	return enough && float64(t.sum.Errors) > thresholdRatio*float64(max(t.sum.Requests, thresholdFewest))
}
