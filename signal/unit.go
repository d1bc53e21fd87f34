package signal

import (
	"strings"
	"time"
)

// UnitOf returns what 1 is in seconds in the buckets of a metric, by its name: seconds,
// as Prometheus asks for ("Metric and label naming: base units"), unless the name ends
// otherwise, as istio_request_duration_milliseconds_bucket and response_latency_ms_bucket.
func UnitOf(metric string) float64 {
	name := strings.TrimSuffix(metric, "_bucket")
	for _, unit := range []struct {
		ending  string
		seconds float64
	}{{"_milliseconds", 1e-3}, {"_ms", 1e-3}, {"_microseconds", 1e-6}, {"_nanoseconds", 1e-9}} {
		if strings.HasSuffix(name, unit.ending) {
			return unit.seconds
		}
	}
	return 1
}

// EdgeIn returns the edge of a bucket of a metric whose le label, read as a number, is
// le; false for one that no latency has.
func EdgeIn(metric string, le float64) (time.Duration, bool) {
	return EdgeOf(le * UnitOf(metric))
}
