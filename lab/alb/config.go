package alb

import (
	"net/netip"
	"time"
)

// Config is everything that the data plane serves. The control plane builds a
// new one after each change and hands it over whole; the data plane never
// changes it.
type Config struct {
	Listeners    []Listener
	TargetGroups []TargetGroup
}

// Listener is one HTTP listener of one load balancer.
type Listener struct {
	ARN          string
	LoadBalancer string // name, for metrics and the access log
	Bind         string // loopback host:port; every client-facing node address of the balancer listens here
	Port         int    // as users know it, for X-Forwarded-Port and the access log; 0 means the port of Bind
	Rules        []Rule // in ascending priority
	Default      Action
	IdleTimeout  time.Duration // of a client connection; AWS default 60 s
}

// Rule forwards requests that match every condition it has.
type Rule struct {
	ARN      string
	Priority int
	Hosts    []string // host-header patterns, * and ? as wildcards; empty matches all
	Paths    []string // path patterns, * and ? as wildcards; empty matches all
	Action   Action
}

// Action is a forward to weighted groups, or a fixed response if Fixed is set.
type Action struct {
	Forward    []WeightedGroup
	Stickiness Stickiness // of the group, not of the target
	Fixed      *FixedResponse
}

// WeightedGroup is one entry of a forward action.
type WeightedGroup struct {
	TargetGroupARN string
	Weight         int // 0..999
}

// Stickiness keeps a client on the group that answered first.
type Stickiness struct {
	Enabled  bool
	Duration time.Duration // 1 s .. 7 d
}

// FixedResponse answers without a target.
type FixedResponse struct {
	Status      int
	ContentType string
	Body        string
}

// TargetGroup is a set of targets with its health check and attributes.
type TargetGroup struct {
	ARN                 string
	Name                string
	DeregistrationDelay time.Duration // 0..3600 s, AWS default 300 s
	HealthCheck         HealthCheck
	Targets             []Target
}

// HealthCheck says when a target is healthy.
type HealthCheck struct {
	Path               string
	Interval           time.Duration
	Timeout            time.Duration
	HealthyThreshold   int
	UnhealthyThreshold int
	MatcherLow         int // lowest HTTP status that counts as healthy
	MatcherHigh        int
}

// Target is one registered address. A target that leaves the list is drained
// for the group's deregistration delay: no new requests, the running ones end.
type Target struct {
	Addr netip.AddrPort
	Zone string
}

// State of a target, in the words of DescribeTargetHealth.
type State string

// The target states of the Elastic Load Balancing API.
const (
	Initial   State = "initial"
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy"
	Unused    State = "unused" // its group is not used by any listener
	Draining  State = "draining"
)

// Health is the state of one target with the reason code of the API, such as
// Elb.RegistrationInProgress or Target.ResponseCodeMismatch.
type Health struct {
	Target      Target
	State       State
	Reason      string
	Description string
}
