package prometheus

import (
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"watari.dev/internal/bounded"
	"watari.dev/signal"
)

// Over returns a source that asks what it wants to know of api, such as one that
// remembers answers, and counts as any other does. It is for the past: no scrape is
// waited for. name is what messages call the server, lookback and timeout are as in
// Config.
func Over(api v1.API, name string, lookback, timeout time.Duration) signal.Source {
	return &Source{url: name, api: api, client: bounded.Client(nil, answers.Within(timeout)), lookback: lookback, timeout: timeout}
}
