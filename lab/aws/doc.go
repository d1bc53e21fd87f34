// Package aws is the lab's AWS: one HTTP endpoint that speaks the wire
// protocols of Elastic Load Balancing, Route 53, CloudWatch, STS and EKS, with a
// data plane of real load balancers and a real DNS server behind it.
//
// It promises AWS's documented validation, limits, error codes and signatures,
// and that a change reaches the data plane only after the configured delay. It
// listens on loopback only, knows one account with one key, and never talks to
// the real AWS. A new service is one directory and one line in newServices.
package aws
