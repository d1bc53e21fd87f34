package alb

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Defaults of the Elastic Load Balancing API, used where a Config says zero
// (Application Load Balancer guide, "Health checks for your target groups" and
// "Connection idle timeout").
const (
	defaultIdleTimeout        = 60 * time.Second
	defaultHealthInterval     = 30 * time.Second
	defaultHealthTimeout      = 5 * time.Second
	defaultHealthyThreshold   = 5
	defaultUnhealthyThreshold = 2
	defaultMatcher            = 200
	maxWeight                 = 999
)

// withDefaults fills in what the API would have filled in.
func (hc HealthCheck) withDefaults() HealthCheck {
	hc.Path = cmp.Or(hc.Path, "/")
	hc.Interval = cmp.Or(hc.Interval, defaultHealthInterval)
	hc.Timeout = cmp.Or(hc.Timeout, defaultHealthTimeout)
	hc.HealthyThreshold = cmp.Or(hc.HealthyThreshold, defaultHealthyThreshold)
	hc.UnhealthyThreshold = cmp.Or(hc.UnhealthyThreshold, defaultUnhealthyThreshold)
	hc.MatcherLow = cmp.Or(hc.MatcherLow, defaultMatcher)
	hc.MatcherHigh = cmp.Or(hc.MatcherHigh, hc.MatcherLow)
	return hc
}

// validate reports everything in the configuration that cannot be served.
func (c Config) validate() error {
	var errs []error
	groups := make(map[string]bool, len(c.TargetGroups))
	for _, g := range c.TargetGroups {
		if g.ARN == "" || groups[g.ARN] {
			errs = append(errs, fmt.Errorf("target group %q: its ARN is empty or taken", g.ARN))
		}
		groups[g.ARN] = true
		seen := make(map[netip.AddrPort]bool, len(g.Targets))
		for _, t := range g.Targets {
			if !t.Addr.IsValid() || seen[t.Addr] {
				errs = append(errs, fmt.Errorf("target group %s: target %s is invalid or listed twice", g.Name, t.Addr))
			}
			seen[t.Addr] = true
		}
	}
	binds := make(map[string]bool, len(c.Listeners))
	for _, l := range c.Listeners {
		errs = append(errs, l.validate(groups)...)
		if ap, err := netip.ParseAddrPort(l.Bind); err == nil && ap.Port() != 0 && binds[l.Bind] {
			errs = append(errs, fmt.Errorf("listener %s: %s is taken by another listener", l.ARN, l.Bind))
		}
		binds[l.Bind] = true
	}
	return errors.Join(errs...)
}

func (l Listener) validate(groups map[string]bool) []error {
	var errs []error
	ap, err := netip.ParseAddrPort(l.Bind)
	if err != nil || !ap.Addr().IsLoopback() {
		errs = append(errs, fmt.Errorf("listener %s: %q is not a loopback host:port", l.ARN, l.Bind))
	}
	errs = append(errs, l.Default.validate("listener "+l.ARN, groups)...)
	for _, r := range l.Rules {
		errs = append(errs, r.Action.validate("rule "+r.ARN, groups)...)
	}
	if !slices.IsSortedFunc(l.Rules, func(a, b Rule) int { return cmp.Compare(a.Priority, b.Priority) }) {
		errs = append(errs, fmt.Errorf("listener %s: its rules are not in ascending priority", l.ARN))
	}
	return errs
}

func (a Action) validate(where string, groups map[string]bool) []error {
	var errs []error
	if (a.Fixed == nil) == (len(a.Forward) == 0) {
		errs = append(errs, fmt.Errorf("%s: its action must be either a forward or a fixed response", where))
	}
	for _, w := range a.Forward {
		if !groups[w.TargetGroupARN] {
			errs = append(errs, fmt.Errorf("%s: target group %s does not exist", where, w.TargetGroupARN))
		}
		if w.Weight < 0 || w.Weight > maxWeight {
			errs = append(errs, fmt.Errorf("%s: weight %d is outside of 0..%d", where, w.Weight, maxWeight))
		}
	}
	return errs
}
