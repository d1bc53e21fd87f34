package elbv2

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"watari.dev/lab/alb"
)

// snapshot is the model in the words of the data plane.
func (m model) snapshot() alb.Config {
	var conf alb.Config
	for _, g := range slices.SortedFunc(maps.Values(m.TargetGroups), func(a, b targetGroup) int { return cmp.Compare(a.Number, b.Number) }) {
		conf.TargetGroups = append(conf.TargetGroups, snapshotGroup(g))
	}
	for _, l := range slices.SortedFunc(maps.Values(m.Listeners), func(a, b listener) int { return cmp.Compare(a.Number, b.Number) }) {
		conf.Listeners = append(conf.Listeners, m.snapshotListener(l)...)
	}
	return conf
}

func snapshotGroup(g targetGroup) alb.TargetGroup {
	low, high, _ := parseMatcher(g.HealthCheck.Matcher)
	group := alb.TargetGroup{
		ARN: g.ARN, Name: g.Name, DeregistrationDelay: seconds(g.Attributes["deregistration_delay.timeout_seconds"]),
		HealthCheck: alb.HealthCheck{
			Path:               g.HealthCheck.Path,
			Interval:           time.Duration(g.HealthCheck.IntervalSeconds) * time.Second,
			Timeout:            time.Duration(g.HealthCheck.TimeoutSeconds) * time.Second,
			HealthyThreshold:   g.HealthCheck.HealthyThreshold,
			UnhealthyThreshold: g.HealthCheck.UnhealthyThreshold,
			MatcherLow:         low,
			MatcherHigh:        high,
		},
	}
	for _, t := range g.Targets {
		group.Targets = append(group.Targets, alb.Target(t))
	}
	return group
}

// snapshotListener is one entry for each node address of the load balancer.
func (m model) snapshotListener(l listener) []alb.Listener {
	lb := m.balancerOf(l.ARN)
	one := alb.Listener{
		ARN: l.ARN, LoadBalancer: lb.Name, Port: l.Port, Default: snapshotAction(l.Actions),
		IdleTimeout: seconds(lb.Attributes["idle_timeout.timeout_seconds"]),
	}
	for _, r := range m.rulesOf(l.ARN) {
		if r.isDefault() {
			continue
		}
		rule := alb.Rule{ARN: r.ARN, Priority: r.Priority, Action: snapshotAction(r.Actions)}
		for _, c := range r.Conditions {
			if c.Field == "host-header" {
				rule.Hosts = c.Values
			} else {
				rule.Paths = c.Values
			}
		}
		one.Rules = append(one.Rules, rule)
	}
	var all []alb.Listener
	for _, addr := range lb.Addresses {
		one.Bind = netip.AddrPortFrom(addr, uint16(l.LocalPort)).String()
		all = append(all, one)
	}
	return all
}

func snapshotAction(actions []ruleAction) alb.Action {
	a := actions[0] // decideActions lets exactly one through
	if f := a.FixedResponseConfig; f != nil {
		status, _ := strconv.Atoi(f.StatusCode) // decideFixedResponse lets only digits through
		fixed := alb.FixedResponse{Status: status}
		overlay(&fixed.ContentType, f.ContentType)
		overlay(&fixed.Body, f.MessageBody)
		return alb.Action{Fixed: &fixed}
	}
	var action alb.Action
	for _, g := range a.ForwardConfig.TargetGroups {
		action.Forward = append(action.Forward, alb.WeightedGroup{TargetGroupARN: g.TargetGroupArn, Weight: *g.Weight})
	}
	if s := a.ForwardConfig.TargetGroupStickinessConfig; *s.Enabled {
		action.Stickiness = alb.Stickiness{Enabled: true, Duration: time.Duration(*s.DurationSeconds) * time.Second}
	}
	return action
}

// seconds reads an attribute whose value was checked when it was set.
func seconds(text string) time.Duration {
	n, _ := strconv.Atoi(text)
	return time.Duration(n) * time.Second
}

// privilegedOffset moves the ports that only root may open.
const privilegedOffset = 20000

// pickPort finds where a listener really listens: on its own port if an
// ordinary user may open it, else 20000 above, else where the kernel says. All
// addresses of the load balancer get the same port. Taken ports belong to
// listeners that the data plane may not have opened yet. The answer is 0 if
// there is no port.
func pickPort(addrs []netip.Addr, port int, taken []int) int {
	if port < 1024 {
		port += privilegedOffset
	}
	for range 10 {
		if got, ok := portFree(addrs, port); ok && !slices.Contains(taken, got) {
			return got
		}
		port = 0
	}
	return 0
}

// portFree tries a port on all addresses; port 0 lets the kernel choose.
func portFree(addrs []netip.Addr, port int) (int, bool) {
	for _, addr := range addrs {
		l, err := net.Listen("tcp", netip.AddrPortFrom(addr, uint16(port)).String())
		if err != nil {
			return 0, false
		}
		defer l.Close()
		port = l.Addr().(*net.TCPAddr).Port
	}
	return port, true
}

// Endpoint tells where a listener can be reached on this machine.
type Endpoint struct {
	LoadBalancer string   `json:"loadBalancer"` // ARN
	DNSName      string   `json:"dnsName"`
	Port         int      `json:"port"`      // as users know it
	Addresses    []string `json:"addresses"` // host:port on loopback, one per zone
}

// Endpoints lists every listener that the data plane has, by its ARN.
func (s *Service) Endpoints() map[string]Endpoint {
	s.mu.Lock()
	m := s.served
	s.mu.Unlock()
	endpoints := make(map[string]Endpoint, len(m.Listeners))
	for _, l := range m.Listeners {
		lb := m.balancerOf(l.ARN)
		e := Endpoint{LoadBalancer: lb.ARN, DNSName: lb.DNSName, Port: l.Port}
		for _, addr := range lb.Addresses {
			e.Addresses = append(e.Addresses, netip.AddrPortFrom(addr, uint16(l.LocalPort)).String())
		}
		endpoints[l.ARN] = e
	}
	return endpoints
}

// Name is what the DNS knows about one load balancer.
type Name struct {
	DNSName   string // without the trailing dot
	Addresses []netip.Addr
	Healthy   bool // as Route 53 judges it for EvaluateTargetHealth
}

// Names lists the load balancers that the data plane has. A load balancer is
// healthy if each of its target groups has a healthy target; a group without
// targets is unhealthy (Route 53 Developer Guide, "Values specific for alias
// records", Evaluate target health).
func (s *Service) Names() []Name {
	s.mu.Lock()
	m := s.served
	s.mu.Unlock()
	sick := make(map[string]bool)
	for group, balancers := range m.groupUsers() {
		healthy := slices.ContainsFunc(s.opts.Plane.Health(group), func(h alb.Health) bool { return h.State == alb.Healthy })
		for _, arn := range balancers {
			sick[arn] = sick[arn] || !healthy
		}
	}
	var names []Name
	for _, lb := range slices.SortedFunc(maps.Values(m.LoadBalancers), func(a, b loadBalancer) int { return cmp.Compare(a.Number, b.Number) }) {
		names = append(names, Name{DNSName: lb.DNSName, Addresses: lb.Addresses, Healthy: !sick[lb.ARN]})
	}
	return names
}

// Hosts says how many targets of a group that a load balancer uses are healthy.
type Hosts struct {
	LoadBalancer, TargetGroup string // ARNs
	Healthy, Unhealthy        int    // draining and unused targets are neither
}

// Hosts counts the targets of every group that has any and that a load balancer
// of the data plane forwards to, by any weight.
func (s *Service) Hosts() []Hosts {
	s.mu.Lock()
	m := s.served
	s.mu.Unlock()
	var all []Hosts
	for group, balancers := range m.groupUsers() {
		one := Hosts{TargetGroup: group}
		for _, h := range s.opts.Plane.Health(group) {
			switch h.State {
			case alb.Healthy:
				one.Healthy++
			case alb.Initial, alb.Unhealthy:
				one.Unhealthy++
			}
		}
		if one.Healthy+one.Unhealthy == 0 {
			continue
		}
		for _, one.LoadBalancer = range balancers {
			all = append(all, one)
		}
	}
	return all
}

// HasName says whether a load balancer of the control plane has the DNS name,
// which may begin with dualstack and may end with a dot.
func (s *Service) HasName(name string) bool {
	name = strings.TrimPrefix(strings.TrimSuffix(strings.ToLower(name), "."), "dualstack.")
	for _, lb := range s.current().LoadBalancers {
		if strings.ToLower(lb.DNSName) == name {
			return true
		}
	}
	return false
}
