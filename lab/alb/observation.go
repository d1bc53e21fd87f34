package alb

import "time"

// Observation is what one ended request leaves for whoever counts requests, as
// CloudWatch does for a load balancer.
type Observation struct {
	At              time.Time     // when the request ended
	LoadBalancer    string        // app/name/id, as in the ARN
	TargetGroup     string        // ARN; empty if no group was chosen
	Chosen          bool          // a target was chosen, whether it answered or not
	Status          int           // that the client got; 460 if it left before
	TargetStatus    int           // that the target gave; 0 for none
	TargetTime      time.Duration // from the request's leaving to the answer's beginning; negative for none
	ConnectionError bool          // no connection to the target could be established
}

func (r *record) observation() Observation {
	conf, o := r.listener.conf(), Observation{
		At: r.finished, Chosen: r.target != nil, Status: r.elbStatus, TargetStatus: r.targetStatus,
		TargetTime: r.targetTime, ConnectionError: r.refused,
	}
	o.LoadBalancer = loadBalancerID(conf.ARN, conf.LoadBalancer)
	if r.group != nil {
		o.TargetGroup = r.group.arn
	}
	return o
}
