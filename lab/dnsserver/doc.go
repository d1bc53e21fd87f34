// Package dnsserver is the data plane of the lab's Route 53: an authoritative
// DNS server on loopback that answers weighted records, aliases and plain
// records as the Route 53 Developer Guide documents it.
//
// It promises that an applied set of zones is what the next query sees, and
// that the same seed and the same queries give the same answers. It never
// recurses, never caches and never leaves loopback.
package dnsserver
