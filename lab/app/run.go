package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

var (
	// ErrCrashed is returned by Run when the fault crashAfter came true.
	ErrCrashed = errors.New("crashed on demand")
	// ErrCut is returned by Run when requests still ran at the end of
	// DrainTimeout and were cut.
	ErrCut = errors.New("requests were cut")
)

// Run serves until ctx ends, then shuts down as cfg says. It returns nil after
// a shutdown that cut no request, or one that cfg wanted bad; ErrCrashed and
// ErrCut otherwise. The process is expected to end when Run returns.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	addr := net.JoinHostPort(cfg.Bind, strconv.Itoa(cfg.Port))
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("app: listen on %s: %w; is another pod using this address?", addr, err)
	}
	return serve(ctx, cfg, ln)
}

// serve is Run on a listener, which it closes.
func serve(ctx context.Context, cfg Config, ln net.Listener) error {
	log := slog.With("pod", cfg.Pod, "side", cfg.Side)
	svc := newService(cfg)
	srv := &http.Server{Handler: svc.handler(), ReadHeaderTimeout: 30 * time.Second}

	var workers sync.WaitGroup
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	workers.Go(func() { svc.leak.run(workCtx, func() int64 { return svc.currentFaults().LeakRate }) })
	accept := make(chan error, 1)
	workers.Go(func() { accept <- srv.Serve(ln) })
	defer func() {
		_ = srv.Close() // for the ways out that did not; closing twice is harmless
		stopWork()
		workers.Wait()
		svc.close()
	}()

	log.Info("serving", "addr", ln.Addr().String(), "version", cfg.Version)
	select {
	case <-svc.crash:
		log.Error("crashing on demand")
		return ErrCrashed
	case err := <-accept:
		return fmt.Errorf("app: serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	if cfg.BadShutdown {
		log.Warn("ending at once, as told")
		return nil
	}
	return shutDown(svc, srv, log)
}

// shutDown ends as a good service does. Keep-alive is ended answer by answer,
// not by closing idle connections: http.Server.SetKeepAlivesEnabled(false) would
// do that, and a request that is under way on such a connection would be lost.
func shutDown(svc *service, srv *http.Server, log *slog.Logger) error {
	svc.draining.Store(true)
	log.Info("unready; still answering", "for", svc.cfg.LameDuck)
	lame := time.NewTimer(svc.cfg.LameDuck)
	defer lame.Stop()
	select {
	case <-lame.C:
	case <-svc.crash:
		return ErrCrashed
	}
	ctx, cancel := context.WithTimeout(context.Background(), svc.cfg.DrainTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return fmt.Errorf("app: drain within %s: %w", svc.cfg.DrainTimeout, ErrCut)
	}
	log.Info("drained")
	return nil
}
