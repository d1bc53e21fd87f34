// Package wire is what the services of the lab's AWS have in common: a verified
// call, its reply, the error shapes of the Query, REST/XML, REST/JSON and RPC v2
// CBOR protocols, token buckets, saved state and delayed hand-over to a data plane.
//
// It promises that a service sees only calls whose signature was verified, and
// that errors look as AWS documents them. It never knows a particular service.
package wire
