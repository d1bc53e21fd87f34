// Package alb is the data plane of the lab's Application Load Balancer: real
// HTTP/1.1 listeners on loopback that choose a target group by weight for each
// request, balance over its healthy targets, check health, drain, keep clients
// sticky and answer 502, 503 and 504 as AWS documents it.
//
// It promises that an applied Config is used by the very next request and that
// no running request is lost by applying one. It never sends a request twice,
// never fails over from one group to another, and never leaves loopback.
package alb
