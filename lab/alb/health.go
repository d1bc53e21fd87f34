package alb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// Reason codes of the Elastic Load Balancing API ("API Reference:
// TargetHealth").
const (
	reasonRegistering     = "Elb.RegistrationInProgress"
	reasonInitialChecking = "Elb.InitialHealthChecking"
	reasonCodeMismatch    = "Target.ResponseCodeMismatch"
	reasonTimeout         = "Target.Timeout"
	reasonFailed          = "Target.FailedHealthChecks"
	reasonNotInUse        = "Target.NotInUse"
	reasonDeregistering   = "Target.DeregistrationInProgress"
)

// healthState is what is known of one target and the run of equal results
// that led there.
type healthState struct {
	state       State
	reason      string
	description string
	passes      int
	failures    int
}

func registering() healthState {
	return healthState{state: Initial, reason: reasonRegistering, description: "Target registration is in progress"}
}

func unused() healthState {
	return healthState{state: Unused, reason: reasonNotInUse,
		description: "Target group is not configured to receive traffic from the load balancer"}
}

// result is the outcome of one health check.
type result struct {
	ok          bool
	reason      string
	description string
}

// decideHealth says what a target is after one more result. A new target is
// healthy after its first passed check; only an unhealthy one has to pass the
// healthy threshold ("Health checks for Application Load Balancer target
// groups").
func decideHealth(h healthState, res result, hc HealthCheck) healthState {
	if res.ok {
		h.passes, h.failures = h.passes+1, 0
		if h.state == Initial || h.passes >= hc.HealthyThreshold {
			h.state, h.reason, h.description = Healthy, "", ""
		}
		return h
	}
	h.passes, h.failures = 0, h.failures+1
	switch {
	case h.state == Unhealthy || h.failures >= hc.UnhealthyThreshold:
		h.state, h.reason, h.description = Unhealthy, res.reason, res.description
	case h.state == Initial:
		h.reason, h.description = reasonInitialChecking, "Initial health checks in progress"
	}
	return h
}

// prober asks targets for their health, on a new connection each time.
type prober struct{ dial dialFunc }

// maxProbeBody bounds what is read of a health check's answer.
const maxProbeBody = 64 << 10

func (p prober) check(ctx context.Context, addr string, hc HealthCheck) result {
	ctx, cancel := context.WithTimeout(ctx, hc.Timeout)
	defer cancel()
	status, err := p.get(ctx, addr, hc.Path)
	switch {
	case err != nil:
		return decideFailure(errors.Join(err, ctx.Err()))
	case status < hc.MatcherLow || status > hc.MatcherHigh:
		return result{reason: reasonCodeMismatch, description: fmt.Sprintf("Health checks failed with these codes: [%d]", status)}
	}
	return result{ok: true}
}

// get returns the status of GET path. It is over when ctx is.
func (p prober) get(ctx context.Context, addr, path string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	req.Close = true
	conn, err := p.dial(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := req.Write(conn); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProbeBody))
	return resp.StatusCode, err
}

func decideFailure(err error) result {
	if isTimeout(err) {
		return result{reason: reasonTimeout, description: "Request timed out"}
	}
	return result{reason: reasonFailed, description: "Health checks failed"}
}

// isTimeout reports whether err says that time ran out.
func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
