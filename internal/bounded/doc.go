// Package bounded reads what comes from outside: answers over HTTP, files,
// streams and lines. Each has a bound that is known before it is read, after it
// was unpacked. What is longer is refused with an *Error that says what it was,
// who sent it, the bound and what to do; nothing is cut off silently. A server
// that sends its client elsewhere is refused with a *RedirectError. No other
// package makes an HTTP client or reads to an end that somebody else decides.
package bounded
