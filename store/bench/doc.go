// Package bench measures what remembering a migration costs: it lets the runner watch
// a share in virtual time, on the product's store on a real disk, and measures what is
// written, how long it takes to read, and whether who reads delays who writes. Levers
// and signals are made up and always answer at once. It is no part of the product.
package bench
