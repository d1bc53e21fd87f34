package signal_test

import (
	"math"
	"testing"
	"time"

	"watari.dev/signal"
)

func TestEdgesHaveTheUnitOfTheName(t *testing.T) {
	for name, want := range map[string]time.Duration{
		"http_request_duration_seconds_bucket":       250 * time.Second,
		"http_request_duration_seconds":              250 * time.Second,
		"latency_bucket":                             250 * time.Second,
		"items_bucket":                               250 * time.Second,
		"istio_request_duration_milliseconds_bucket": 250 * time.Millisecond,
		"http_server_duration_milliseconds":          250 * time.Millisecond,
		"response_latency_ms_bucket":                 250 * time.Millisecond,
		"rpc_microseconds_bucket":                    250 * time.Microsecond,
		"rpc_nanoseconds_bucket":                     250 * time.Nanosecond,
	} {
		if got, ok := signal.EdgeIn(name, 250); !ok || got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got, ok := signal.EdgeIn(name, math.Inf(1)); !ok || got != signal.Rest {
			t.Errorf("%s, le=+Inf: %s", name, got)
		}
	}
}
