// Package load is the lab's users: it sends requests to one URL at a given rate,
// whatever becomes of them, and accounts for each one exactly.
//
// It promises an open loop (a slow or dead service does not lower the rate and
// is not flattered: latency counts from the moment a request was meant to be
// sent), that every request sent ends in exactly one class, and that a failure stays
// a failure: nothing is retried behind its back. It never dials anything
// outside of 127.0.0.0/8, and its memory does not grow with time.
//
// # The users
//
// Each simulated user has a DNS cache of its own, as devices in life have: with
// a shared one all users of a weighted name would change sides together once
// per TTL. There are three kinds. Fresh resolves within the TTL and opens a
// connection for each request. KeepAlive holds connections and resolves only when
// it opens one. Forever resolves once when the load starts and keeps that address
// for good, as some virtual machines' default does.
package load
