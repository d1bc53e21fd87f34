// Package binder does in the lab's clusters what AWS Load Balancer Controller does
// for TargetGroupBinding: it keeps the pods of a Service registered in a target
// group and tells pods, through their readiness gate, when the load balancer
// finds them healthy.
//
// It promises to treat targets of others as AWS's controller does: without
// multiClusterTargetGroup every target that is not its own is deregistered; with
// it, only those that it registered itself. It reads the load balancer at each turn and
// remembers nothing else. It never writes weights, listeners or rules.
//
// # Differences from AWS's controller
//
// The readiness gate is not injected into new pods: pod templates list the
// condition type target-health.elbv2.k8s.aws/<name of the binding> themselves. Target
// health is read anew at each turn instead of being cached for five minutes, so
// foreign targets are found sooner. Pods are watched, so that a gated pod is registered
// at once when its containers are ready instead of at the next poll. Groups have
// targets of type ip and IPv4 only.
package binder
