package elbv2

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"watari.dev/lab/aws/wire"
)

// model is everything the service knows. Entries are values that are replaced,
// never changed in place, so that a clone shares them safely.
type model struct {
	Made          int                     // numbers of identifiers given out
	Addresses     int                     // numbers of loopback addresses given out
	LoadBalancers map[string]loadBalancer // by ARN, as all maps here
	TargetGroups  map[string]targetGroup
	Listeners     map[string]listener
	Rules         map[string]rule
	Tags          map[string][]tag
}

type loadBalancer struct {
	ARN            string
	Number         int // in order of creation
	Name           string
	DNSName        string
	Scheme         string
	Subnets        []string
	SecurityGroups []string
	Created        time.Time
	Addresses      []netip.Addr // one per subnet
	Attributes     map[string]string
}

type targetGroup struct {
	ARN         string
	Number      int
	Name        string
	Port        int
	VpcID       string
	HealthCheck healthCheck
	Attributes  map[string]string
	Targets     []target
}

type target struct {
	Addr netip.AddrPort
	Zone string
}

type listener struct {
	ARN          string
	Number       int
	LoadBalancer string // ARN
	Port         int
	LocalPort    int // where the data plane listens
	Actions      []ruleAction
}

type rule struct {
	ARN        string
	Number     int
	Listener   string // ARN
	Priority   int    // 0 for the default rule, whose actions are the listener's
	Conditions []condition
	Actions    []ruleAction
}

// tag is one key and value of a resource.
type tag struct {
	Key   string
	Value string
}

func newModel() model {
	return model{
		LoadBalancers: make(map[string]loadBalancer),
		TargetGroups:  make(map[string]targetGroup),
		Listeners:     make(map[string]listener),
		Rules:         make(map[string]rule),
		Tags:          make(map[string][]tag),
	}
}

func (m model) clone() model {
	m.LoadBalancers = maps.Clone(m.LoadBalancers)
	m.TargetGroups = maps.Clone(m.TargetGroups)
	m.Listeners = maps.Clone(m.Listeners)
	m.Rules = maps.Clone(m.Rules)
	m.Tags = maps.Clone(m.Tags)
	return m
}

// balancerOf is the load balancer of a listener; every listener has one.
func (m model) balancerOf(listenerARN string) loadBalancer {
	return m.LoadBalancers[m.Listeners[listenerARN].LoadBalancer]
}

// listenersOf lists a load balancer's listeners as they were made.
func (m model) listenersOf(loadBalancerARN string) []listener {
	var found []listener
	for _, l := range m.Listeners {
		if l.LoadBalancer == loadBalancerARN {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b listener) int { return cmp.Compare(a.Number, b.Number) })
	return found
}

// rulesOf lists a listener's rules in the order they are evaluated; the
// default rule is the last.
func (m model) rulesOf(listenerARN string) []rule {
	var found []rule
	for _, r := range m.Rules {
		if r.Listener == listenerARN {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, compareRules)
	return found
}

func compareRules(a, b rule) int {
	return cmp.Or(compareBool(a.isDefault(), b.isDefault()), cmp.Compare(a.Priority, b.Priority))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

func (r rule) isDefault() bool { return r.Priority == 0 }

// actionsOf a rule; the default rule's are its listener's.
func (m model) actionsOf(r rule) []ruleAction {
	if r.isDefault() {
		return m.Listeners[r.Listener].Actions
	}
	return r.Actions
}

// groupUsers maps each target group to the load balancers that forward to it.
func (m model) groupUsers() map[string][]string {
	users := make(map[string][]string)
	for _, r := range m.Rules {
		balancer := m.Listeners[r.Listener].LoadBalancer
		for _, arn := range forwardedGroups(m.actionsOf(r)) {
			if !slices.Contains(users[arn], balancer) {
				users[arn] = append(users[arn], balancer)
			}
		}
	}
	return users
}

// number gives out the next identifier's number.
func (m *model) number() int {
	m.Made++
	return m.Made
}

func (s *Service) arn(resource string) string {
	return fmt.Sprintf("arn:%s:elasticloadbalancing:%s:%s:%s", wire.PartitionOf(s.opts.Region).Name, s.opts.Region, s.opts.Account, resource)
}

func (s *Service) hexID(number int) string { return wire.HexID(s.opts.Seed, serviceName, number) }
