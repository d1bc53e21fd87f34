// Package paced keeps an account's API calls for what matters most: taking
// traffic back. It wraps the drivers of one account. After a throttled operation
// it sends nothing that is not urgent until a back-off has passed, and while a
// route is being taken back the others wait. It never waits itself: what is held
// back gives router.ErrHeldBack at once, with the moment to ask again, and
// nothing is held back for longer than LongestHold. It has no timer, goroutine
// or chance of its own; its time is the caller's clock.
package paced
