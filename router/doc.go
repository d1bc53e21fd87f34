// Package router sets and reads shares: the levers of a migration behind one
// small interface, whatever data plane they belong to. Drivers live in
// directories of their own and all pass routertest. A driver never decides: it
// reads what is there, writes what it is told, keeps what is not the
// migration's, and says after each failure what was changed. It never leaves a
// route without any weight and never rounds a share up.
package router
