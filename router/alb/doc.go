// Package alb moves traffic between two target groups of an Application Load
// Balancer: by the forward action of a listener rule, or of a listener's default
// action. It replaces the whole list of actions, because that is all AWS offers,
// and keeps everything in it that is not the migration's two weights: other
// groups, stickiness, authentication, order. AWS has no compare-and-swap here:
// the driver reads right before it writes and once more after it; what somebody
// else writes in the time of one call between is overwritten and then found.
package alb
