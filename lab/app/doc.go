// Package app is the application under test: a small HTTP service that says
// which side and which pod answered, with a latency and with faults on demand. It
// can be told to ask a database for each request.
//
// It promises that it shuts down as a good service does (unready at once, still
// answering for a while, then draining within a bound) unless it was told to be
// a bad one, and that the same seed gives the same faults in the same order of requests.
// Whether it is ready never depends on the database. It never listens outside of loopback
// and never talks to anybody else by itself.
package app
