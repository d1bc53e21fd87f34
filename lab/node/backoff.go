//go:build linux

package node

import "time"

// The back-off of a crashing container: at once, then from one second doubling to a minute.
// These are the kubelet's figures under ReduceDefaultCrashLoopBackOffDecay
// (KEP-4603); the older ones, ten seconds to five minutes, are too slow for a lab.
const (
	firstBackOff = time.Second
	maxBackOff   = time.Minute
	// A container that ran for twice the longest back-off starts afresh, as
	// in the kubelet.
	backOffReset = 2 * maxBackOff
)

// The wait before something is tried again that the outside may repair: a missing
// ConfigMap, an unknown image, an API server that does not answer.
const (
	firstRetry = 200 * time.Millisecond
	maxRetry   = 10 * time.Second
)

// restartDelay is how long to wait before the restart that follows so many
// quick failures in a row; failures counts from 1.
func restartDelay(failures int) time.Duration {
	if failures <= 1 {
		return 0
	}
	return doubled(firstBackOff, maxBackOff, failures-2)
}

// retryDelay is how long to wait after the given number of tries; tries counts from 1.
func retryDelay(tries int) time.Duration {
	return doubled(firstRetry, maxRetry, tries-1)
}

// doubled returns first times two to the power of times, at most limit.
func doubled(first, limit time.Duration, times int) time.Duration {
	d := first
	for range times {
		if d *= 2; d >= limit {
			return limit
		}
	}
	return d
}
