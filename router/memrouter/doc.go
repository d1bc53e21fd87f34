// Package memrouter is a data plane in memory behind the router interface: for
// tests of everything that uses routers, and for simulations. It keeps the
// contract of routertest, its features, delays and faults are what the caller
// says, and its time is the caller's clock. It never sleeps and starts no
// goroutine.
package memrouter
