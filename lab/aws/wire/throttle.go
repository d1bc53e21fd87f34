package wire

import (
	"fmt"
	"sync"
	"time"
)

// Rate is a token bucket's size and the tokens that come back each second.
type Rate struct {
	Burst     float64 `json:"burst"`     // requests, at least 1
	PerSecond float64 `json:"perSecond"` // requests per second, above 0
}

// Validate refuses a rate that would let nothing through.
func (r Rate) Validate() error {
	if r.Burst < 1 || r.PerSecond <= 0 {
		return fmt.Errorf("burst %v and %v per second: burst must be at least 1 and the refill above 0", r.Burst, r.PerSecond)
	}
	return nil
}

// Buckets holds one token bucket per throttle group.
type Buckets struct {
	mu      sync.Mutex
	rates   map[string]Rate
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// NewBuckets starts with full buckets. A group without a rate is unlimited.
func NewBuckets(rates map[string]Rate) *Buckets {
	return &Buckets{rates: rates, buckets: make(map[string]*bucket)}
}

// Take takes one token of the group and says whether there was one.
func (b *Buckets) Take(group string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	rate, limited := b.rates[group]
	if !limited {
		return true
	}
	have, ok := b.buckets[group]
	if !ok {
		have = &bucket{tokens: rate.Burst, at: now}
		b.buckets[group] = have
	}
	if elapsed := now.Sub(have.at); elapsed > 0 {
		have.tokens = min(rate.Burst, have.tokens+elapsed.Seconds()*rate.PerSecond)
		have.at = now
	}
	if have.tokens < 1 {
		return false
	}
	have.tokens--
	return true
}
