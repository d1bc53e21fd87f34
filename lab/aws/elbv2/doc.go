// Package elbv2 is the control plane of the lab's Application Load Balancers:
// the Elastic Load Balancing API of 2015-12-01 over the Query protocol.
//
// It promises AWS's validation, error codes, whole-list replacement of actions
// and one consistent model per call: an action happens entirely or not at all.
// It hands whole configurations to a data plane some time later and asks it for
// the health of targets. It never serves traffic itself.
package elbv2
