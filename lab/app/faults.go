package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Faults is what the application does wrong on purpose. The zero value is no
// fault at all. The ratios share out the requests: together they are at most 1,
// and the rest is answered well.
type Faults struct {
	ErrorRatio   float64  `json:"errorRatio,omitempty"`   // 0..1 of requests get StatusCode
	StatusCode   int      `json:"statusCode,omitempty"`   // 400..599; 0 means 500
	HangRatio    float64  `json:"hangRatio,omitempty"`    // 0..1 are never answered
	ResetRatio   float64  `json:"resetRatio,omitempty"`   // 0..1 have their connection reset
	ExtraLatency Duration `json:"extraLatency,omitempty"` // added to every answer
	CrashAfter   Duration `json:"crashAfter,omitempty"`   // ends the process that long after it was set
	LeakRate     int64    `json:"leakRate,omitempty"`     // bytes per second that are never given back
}

// maxLeakRate bounds a leak so that a slip of the finger does not take the
// machine down with it.
const maxLeakRate = 256 << 20

// check reports every mistake in f.
func (f Faults) check() error {
	var errs []error
	for _, r := range []struct {
		name  string
		value float64
	}{{"errorRatio", f.ErrorRatio}, {"hangRatio", f.HangRatio}, {"resetRatio", f.ResetRatio}} {
		if !(r.value >= 0 && r.value <= 1) { // written so that NaN is refused
			errs = append(errs, fmt.Errorf("app: faults: %s %v is not within 0..1", r.name, r.value))
		}
	}
	if sum := f.ErrorRatio + f.HangRatio + f.ResetRatio; sum > 1+1e-9 {
		errs = append(errs, fmt.Errorf("app: faults: the ratios add up to %v; together they can be 1 at most", sum))
	}
	if f.StatusCode != 0 && (f.StatusCode < 400 || f.StatusCode > 599) {
		errs = append(errs, fmt.Errorf("app: faults: statusCode %d is not within 400..599", f.StatusCode))
	}
	if f.ExtraLatency < 0 {
		errs = append(errs, fmt.Errorf("app: faults: extraLatency %s is negative", time.Duration(f.ExtraLatency)))
	}
	if f.CrashAfter < 0 {
		errs = append(errs, fmt.Errorf("app: faults: crashAfter %s is negative", time.Duration(f.CrashAfter)))
	}
	if f.LeakRate < 0 || f.LeakRate > maxLeakRate {
		errs = append(errs, fmt.Errorf("app: faults: leakRate %d is not within 0..%d bytes per second", f.LeakRate, maxLeakRate))
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
	reset
)

// decideOutcome shares the requests out: roll is a random number within [0,1).
func decideOutcome(f Faults, roll float64) outcome {
	for _, share := range []struct {
		ratio   float64
		outcome outcome
	}{{f.ResetRatio, reset}, {f.HangRatio, hang}, {f.ErrorRatio, fail}} {
		if roll < share.ratio {
			return share.outcome
		}
		roll -= share.ratio
	}
	return answer
}

// decideStatus returns the status code of a failed request.
func decideStatus(f Faults) int {
	if f.StatusCode == 0 {
		return http.StatusInternalServerError
	}
	return f.StatusCode
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
