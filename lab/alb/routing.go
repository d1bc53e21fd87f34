package alb

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// routing is what one listener does with a request. It is built once for each
// applied Config and never changed.
type routing struct {
	rules []rule
	last  action // when no rule matches
}

type rule struct {
	priority string
	hosts    []string // lower case
	paths    []string
	action   action
}

type action struct {
	groups     []weighted
	total      int // sum of the weights
	stickiness time.Duration
	fixed      *FixedResponse
}

type weighted struct {
	group  *group
	weight int
}

// socketKey tells the sockets of the balancer apart. One listener may have
// several (its node addresses), and a new listener takes over the socket of a
// deleted one at the same address. A port of zero is never the same socket.
func socketKey(l Listener) string {
	if strings.HasSuffix(l.Bind, ":0") {
		return l.Bind + " " + l.ARN
	}
	return l.Bind
}

// snapshot is the routing of all sockets by key. Requests read it in one load, so
// a change of weights is seen by all of them or by none.
type snapshot map[string]*routing

func compileRouting(l Listener, groups map[string]*group) *routing {
	r := &routing{last: compileAction(l.Default, groups)}
	for _, in := range l.Rules {
		out := rule{
			priority: strconv.Itoa(in.Priority),
			paths:    in.Paths,
			action:   compileAction(in.Action, groups),
		}
		for _, h := range in.Hosts {
			out.hosts = append(out.hosts, strings.ToLower(h))
		}
		r.rules = append(r.rules, out)
	}
	return r
}

func compileAction(in Action, groups map[string]*group) action {
	out := action{fixed: in.Fixed}
	if in.Stickiness.Enabled {
		out.stickiness = in.Stickiness.Duration
	}
	for _, w := range in.Forward {
		out.groups = append(out.groups, weighted{groups[w.TargetGroupARN], w.Weight})
		out.total += w.Weight
	}
	return out
}

// match returns the action for a request and the priority for the access log,
// "0" for the default action.
func (r *routing) match(req *http.Request) (action, string) {
	host := strings.ToLower(hostname(req.Host))
	for i := range r.rules {
		if rule := &r.rules[i]; matchesAny(rule.hosts, host) && matchesAny(rule.paths, req.URL.Path) {
			return rule.action, rule.priority
		}
	}
	return r.last, "0"
}

func hostname(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}

func matchesAny(patterns []string, s string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if matches(p, s) {
			return true
		}
	}
	return false
}

// matches compares with the wildcards of listener rules: * is any number of
// characters, ? exactly one.
func matches(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0: // let the last * take one character more
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// decideGroup chooses by weight; roll is uniform in [0, total). With all
// weights zero there is no group to choose.
func (a action) decideGroup(roll int) *group {
	for _, w := range a.groups {
		if roll < w.weight {
			return w.group
		}
		roll -= w.weight
	}
	return nil
}

// listed returns the group if the action still names it, whatever its weight.
func (a action) listed(arn string) *group {
	for _, w := range a.groups {
		if w.group.arn == arn {
			return w.group
		}
	}
	return nil
}
