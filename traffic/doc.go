// Package traffic is the vocabulary of watari: types that every room shares,
// without behaviour that could fail or touch the world. It imports the standard
// library only and never reads a clock.
//
// One word per thing:
//
//	Environment  where a service runs: a Kubernetes cluster, an ECS service, a Beanstalk environment, an EC2 group
//	source       the environment that traffic comes from
//	target       the environment that traffic goes to
//	Route        one lever that splits traffic between source and target: an ALB rule, Route 53 names
//	Share        the part of a route's traffic meant for the target, in basis points (0..10000)
//	Step         a share and how long to hold it
//	Gate         a condition for going on: thresholds, analysis, approval
//	Signal       counted requests, errors and latencies, per side
//	Verdict      what the evidence says: healthy, degraded, or not known, and why
//	Settled      no new connection can use the old weights any more
//	Owner        somebody else who writes a route's weights, by what the data plane shows
//	Intruder     somebody else who changes a weight that the migration owns
//	Straggler    a client that still reaches the source after the share became 10000
package traffic
