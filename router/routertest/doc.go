// Package routertest is the contract of router.Driver as a test suite: what the
// engine relies on, whatever the data plane is. A driver's own tests call Run
// with a harness around the driver and its data plane, real or emulated. The
// suite looks at the truth behind the driver's back and believes no receipt.
// It never sleeps: time moves only by the harness.
package routertest
