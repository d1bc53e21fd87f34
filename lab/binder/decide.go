package binder

import (
	"cmp"
	"net"
	"slices"
	"strconv"
)

// target is one address in a target group.
type target struct {
	ip   string
	port int32
}

// String is how the ConfigMap of own targets names a target; it is what AWS's controller writes.
func (t target) String() string { return net.JoinHostPort(t.ip, strconv.Itoa(int(t.port))) }

func compareTargets(a, b target) int {
	return cmp.Or(cmp.Compare(a.ip, b.ip), cmp.Compare(a.port, b.port))
}

// targets is a set.
type targets map[target]bool

func (s targets) sorted() []target {
	out := make([]target, 0, len(s))
	for t := range s {
		out = append(out, t)
	}
	slices.SortFunc(out, compareTargets)
	return out
}

// decideTargets compares the targets that a group should have with those that
// it has. registered is without those that are draining: AWS allows to register
// a draining target again, and it is then used again.
//
// With multiCluster, only targets in own are deregistered; own is nil if
// nothing is known about the past, and then none is. Without it every target
// that is not desired is deregistered, whoever put it there (AWS Load
// Balancer Controller, "TargetGroupBinding", MultiCluster Target Group).
func decideTargets(desired, registered, own targets, multiCluster bool) (register, deregister []target) {
	missing, surplus := targets{}, targets{}
	for t := range desired {
		if !registered[t] {
			missing[t] = true
		}
	}
	for t := range registered {
		if !desired[t] && (!multiCluster || own[t]) {
			surplus[t] = true
		}
	}
	return missing.sorted(), surplus.sorted()
}

// union returns the targets of both.
func union(a, b targets) targets {
	out := make(targets, len(a)+len(b))
	for t := range a {
		out[t] = true
	}
	for t := range b {
		out[t] = true
	}
	return out
}
