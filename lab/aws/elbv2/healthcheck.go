package elbv2

import (
	"strconv"
	"strings"

	"watari.dev/lab/aws/wire"
)

// healthCheck of a target group, over HTTP on the traffic port.
type healthCheck struct {
	Path               string
	IntervalSeconds    int
	TimeoutSeconds     int
	HealthyThreshold   int
	UnhealthyThreshold int
	Matcher            string // "200" or "200-299"
}

// healthCheckDefaults are those of a target group of type ip ("Health checks
// for Application Load Balancer target groups").
var healthCheckDefaults = healthCheck{Path: "/", IntervalSeconds: 30, TimeoutSeconds: 5, HealthyThreshold: 5, UnhealthyThreshold: 2, Matcher: "200"}

type healthCheckInput struct {
	HealthCheckEnabled         *bool
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckPath            *string
	HealthCheckIntervalSeconds *int
	HealthCheckTimeoutSeconds  *int
	HealthyThresholdCount      *int
	UnhealthyThresholdCount    *int
	Matcher                    *struct{ HttpCode string }
}

// decideHealthCheck overlays what was given on what there is and checks it
// (API reference, CreateTargetGroup).
func decideHealthCheck(check healthCheck, in healthCheckInput) (healthCheck, *wire.Error) {
	overlay(&check.Path, in.HealthCheckPath)
	overlay(&check.IntervalSeconds, in.HealthCheckIntervalSeconds)
	overlay(&check.TimeoutSeconds, in.HealthCheckTimeoutSeconds)
	overlay(&check.HealthyThreshold, in.HealthyThresholdCount)
	overlay(&check.UnhealthyThreshold, in.UnhealthyThresholdCount)
	if in.Matcher != nil {
		check.Matcher = in.Matcher.HttpCode
	}
	invalid := func(format string, args ...any) (healthCheck, *wire.Error) {
		return check, wire.Errorf("ValidationError", format, args...)
	}
	switch {
	case in.HealthCheckEnabled != nil && !*in.HealthCheckEnabled:
		return invalid("Health check enabled must be true for target groups with target type 'ip'")
	case in.HealthCheckProtocol != "" && in.HealthCheckProtocol != "HTTP":
		return invalid("Health check protocol '%s' is not served by this emulator; it serves HTTP", in.HealthCheckProtocol)
	case in.HealthCheckPort != "" && in.HealthCheckPort != "traffic-port":
		return invalid("Health check port '%s' is not served by this emulator; it serves traffic-port", in.HealthCheckPort)
	case !strings.HasPrefix(check.Path, "/") || len(check.Path) > 1024:
		return invalid("Health check path '%s' must start with a '/' and have at most 1024 characters", check.Path)
	case check.IntervalSeconds < 5 || check.IntervalSeconds > 300:
		return invalid("Health check interval must be between 5 and 300 seconds")
	case check.TimeoutSeconds < 2 || check.TimeoutSeconds > 120:
		return invalid("Health check timeout must be between 2 and 120 seconds")
	case check.TimeoutSeconds >= check.IntervalSeconds:
		return invalid("Health check interval must be greater than the timeout.")
	case check.HealthyThreshold < 2 || check.HealthyThreshold > 10:
		return invalid("Health check healthy threshold must be between 2 and 10")
	case check.UnhealthyThreshold < 2 || check.UnhealthyThreshold > 10:
		return invalid("Health check unhealthy threshold must be between 2 and 10")
	}
	if _, _, ok := parseMatcher(check.Matcher); !ok {
		return invalid("Health check matcher HTTP code '%s' must be one code or one range within 200-499", check.Matcher)
	}
	return check, nil
}

func overlay[T any](value *T, given *T) {
	if given != nil {
		*value = *given
	}
}

// parseMatcher reads "200" or "200-299". AWS also takes a list of codes, which
// the data plane has no place for.
func parseMatcher(text string) (low, high int, ok bool) {
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	low, lowErr := strconv.Atoi(from)
	high, highErr := strconv.Atoi(to)
	return low, high, lowErr == nil && highErr == nil && low >= 200 && high <= 499 && low <= high
}
