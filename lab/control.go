//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"watari.dev/lab/fault"
)

// faultsPath is where the supervisor's control serves faults.
const faultsPath = "/faults"

// control serves a holder of faults on loopback.
type control struct {
	server  *http.Server
	address string
	serving sync.WaitGroup
}

// startControl serves until close. The handler is set by serve, so that the address
// is known before there is anything to control.
func startControl(ctx context.Context) (*control, net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("serve the control of the lab: %w", err)
	}
	return &control{address: listener.Addr().String()}, listener, nil
}

// serve begins to answer those who show the token.
func (c *control) serve(listener net.Listener, token string, h fault.Holder, log *slog.Logger) {
	c.server = &http.Server{Handler: fault.Handler(faultsPath, token, h), ReadHeaderTimeout: 10 * time.Second}
	c.serving.Go(func() {
		if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the control of the lab has ended", "error", err)
		}
	})
}

// close cuts off whoever still asks.
func (c *control) close() error {
	err := c.server.Close()
	c.serving.Wait()
	return err
}
