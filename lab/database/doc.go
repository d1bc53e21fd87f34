// Package database is what the application under test asks before it answers: a
// small service of HTTP on loopback that stands behind both sides of a migration, and
// fails for both of them when it fails.
//
// It promises to answer at once unless it was told to fail, to be slow or to hang,
// that this can be changed while it runs, and that the same seed gives the same
// faults in the same order of requests. It keeps no data, never listens outside
// of loopback and never talks to anybody by itself.
package database
