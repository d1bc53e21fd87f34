package database

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Faults is what the database does wrong on purpose. The zero value is no fault
// at all. The ratios share out the requests: together they are at most 1, and the
// rest is answered well.
type Faults struct {
	ErrorRatio float64  `json:"errorRatio,omitempty"` // 0..1 of requests get 500
	HangRatio  float64  `json:"hangRatio,omitempty"`  // 0..1 are never answered
	Latency    Duration `json:"latency,omitempty"`    // that every answer takes
}

// check reports every mistake in f.
func (f Faults) check() error {
	var errs []error
	for _, r := range []struct {
		name  string
		value float64
	}{{"errorRatio", f.ErrorRatio}, {"hangRatio", f.HangRatio}} {
		if !(r.value >= 0 && r.value <= 1) { // written so that NaN is refused
			errs = append(errs, fmt.Errorf("database: faults: %s %v is not within 0..1", r.name, r.value))
		}
	}
	if sum := f.ErrorRatio + f.HangRatio; sum > 1+1e-9 {
		errs = append(errs, fmt.Errorf("database: faults: the ratios add up to %v; together they can be 1 at most", sum))
	}
	if f.Latency < 0 {
		errs = append(errs, fmt.Errorf("database: faults: latency %s is negative", time.Duration(f.Latency)))
	}
	return errors.Join(errs...)
}

// UnmarshalJSON refuses fields that do not exist: a fault with a misspelt name
// would otherwise be a test that tests nothing.
func (f *Faults) UnmarshalJSON(data []byte) error {
	type plain Faults // without this method
	var p plain
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return err
	}
	*f = Faults(p)
	return nil
}

// outcome is what happens to one request.
type outcome int

const (
	answer outcome = iota
	fail
	hang
)

// decideOutcome shares the requests out: roll is a random number within [0,1).
func decideOutcome(f Faults, roll float64) outcome {
	switch {
	case roll < f.HangRatio:
		return hang
	case roll < f.HangRatio+f.ErrorRatio:
		return fail
	}
	return answer
}

// Duration is a time.Duration that JSON writes as text, such as "250ms".
type Duration time.Duration

// MarshalText writes the duration as time.Duration.String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}
