package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// asking is how asking the database ended; the label "result" of
// app_database_requests_total.
type asking string

const (
	answered    asking = "answered"
	failed      asking = "failed"      // it answered with an error
	timedOut    asking = "timed_out"   // it did not answer in time
	unreachable asking = "unreachable" // it could not be asked, or its answer broke off
)

// askings are all ways, so that their counters exist from the beginning.
var askings = []asking{answered, failed, timedOut, unreachable}

// decideAnswer returns the status code for a user.
func decideAnswer(a asking) int {
	switch a {
	case answered:
		return http.StatusOK
	case timedOut:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

// databaseClient asks the database, once for each request to a user.
type databaseClient struct {
	url     string
	timeout time.Duration
	client  *http.Client
}

// newDatabase returns nil if there is none. Proxies of the environment are not
// for it: it is on loopback.
func newDatabase(cfg Config) *databaseClient {
	if cfg.Database == "" {
		return nil
	}
	return &databaseClient{url: cfg.Database, timeout: cfg.DatabaseTimeout, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64, // what one pod has under way at the lab's rates, and some more
		IdleConnTimeout:     30 * time.Second,
	}}}
}

// ask asks once, within the timeout. The error says why the user gets no good
// answer; it is nil only with answered.
func (d *databaseClient) ask(ctx context.Context) (asking, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	status, err := d.get(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut, fmt.Errorf("ask the database: no answer within %s", d.timeout)
	case err != nil:
		return unreachable, fmt.Errorf("ask the database: %w", err)
	case status != http.StatusOK:
		return failed, fmt.Errorf("ask the database: it answered %d %s", status, http.StatusText(status))
	}
	return answered, nil
}

// get sends the question, reads the answer to its end and returns its status.
func (d *databaseClient) get(ctx context.Context) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return 0, err
	}
	res, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// close gives the idle connections up; nil has none.
func (d *databaseClient) close() {
	if d != nil {
		d.client.CloseIdleConnections()
	}
}
