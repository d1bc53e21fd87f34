package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"watari.dev/lab/alb"
	"watari.dev/lab/aws/cloudwatch"
	"watari.dev/lab/aws/wire"
	"watari.dev/lab/dnsserver"
	"watari.dev/lab/podnet"
)

// stopGrace is how long calls may take to end when the emulator stops.
const stopGrace = 3 * time.Second

// Started is the content of aws.json in Config.Dir, written once everything
// listens.
type Started struct {
	Endpoint string `json:"endpoint"` // URL of the API
	DNS      string `json:"dns"`      // host:port
	PID      int    `json:"pid"`
}

// ReadStarted reads aws.json. The error is fs.ErrNotExist until the emulator
// has started for the first time.
func ReadStarted(dir string) (Started, error) {
	var s Started
	b, err := os.ReadFile(startedPath(dir))
	if err != nil {
		return s, fmt.Errorf("read where the lab's AWS listens: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read where the lab's AWS listens: %s: %w", startedPath(dir), err)
	}
	return s, nil
}

func startedPath(dir string) string { return filepath.Join(dir, "aws.json") }

// Run serves the emulator with real data planes until ctx ends. Started again
// with the same Dir it knows its resources and takes its addresses again where
// the configuration leaves the port open.
func Run(ctx context.Context, conf Config) (err error) {
	if conf.Dir == "" {
		return errors.New("run the lab's AWS: no dir: it needs an existing directory for its state")
	}
	if err := conf.Validate(); err != nil {
		return fmt.Errorf("run the lab's AWS: %w", err)
	}
	conf = conf.withDefaults()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})).With("component", "aws")

	before, err := ReadStarted(conf.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the addresses of the last run are not known", "error", err)
	}
	accessLog, err := os.OpenFile(filepath.Join(conf.Dir, "alb-access.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("run the lab's AWS: %w", err)
	}
	defer func() { err = errors.Join(err, accessLog.Close()) }()
	numbers := cloudwatch.NewRecorder()
	links, err := newLinks(conf.Networks)
	if err != nil {
		return fmt.Errorf("run the lab's AWS: %w", err)
	}
	balancer := alb.New(alb.Options{AccessLog: accessLog, Seed: conf.Seed, Logger: log, Observe: numbers.Observe, Dial: links.through(podnet.DialContext)})
	defer balancer.Close()
	defer links.close() // before the balancer, whose requests may hang
	names, err := listenAgain(conf.DNSListen, before.DNS, func(addr string) (*dnsserver.Server, error) { return dnsserver.New(addr, conf.Seed) })
	if err != nil {
		return fmt.Errorf("run the lab's AWS: %w", err)
	}
	defer func() { err = errors.Join(err, names.Close()) }()
	dnsAddr := names.Addr().String()

	server, err := New(conf, Planes{Balancer: balancer, DNS: names, DNSAddr: dnsAddr, Metrics: balancer.Metrics(), Links: links, Numbers: numbers}, log)
	if err != nil {
		return fmt.Errorf("run the lab's AWS: %w", err)
	}
	listener, err := listenAgain(conf.Listen, hostPort(before.Endpoint), func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) })
	if err != nil {
		return fmt.Errorf("run the lab's AWS: %w", err)
	}
	started := Started{Endpoint: "http://" + listener.Addr().String(), DNS: dnsAddr, PID: os.Getpid()}
	if err := wire.WriteJSON(startedPath(conf.Dir), started); err != nil {
		return errors.Join(fmt.Errorf("run the lab's AWS: %w", err), listener.Close())
	}
	log.Info("the lab's AWS is ready", "endpoint", started.Endpoint, "dns", started.DNS)
	return serve(ctx, listener, server, log)
}

// serve answers until ctx ends, then lets running calls end.
func serve(ctx context.Context, listener net.Listener, server *Server, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	defer running.Wait()
	defer cancel()

	api := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	running.Go(func() { failed <- api.Serve(listener) })
	select {
	case err := <-failed:
		return fmt.Errorf("serve the lab's AWS: %w", err)
	case <-ctx.Done():
	}
	stopping, stop := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer stop()
	if err := api.Shutdown(stopping); err != nil {
		log.Warn("calls were cut off", "error", err)
		return api.Close()
	}
	return nil
}

// listenAgain prefers the address of the last run if the wanted one leaves the
// port open, so that clients find a restarted emulator.
func listenAgain[T any](wanted, before string, listen func(string) (T, error)) (T, error) {
	want, err := netip.ParseAddrPort(wanted)
	if last, lastErr := netip.ParseAddrPort(before); err == nil && want.Port() == 0 && lastErr == nil && last.Addr() == want.Addr() {
		if got, err := listen(before); err == nil {
			return got, nil
		}
	}
	return listen(wanted)
}

// hostPort is what follows the scheme of a URL without a path.
func hostPort(endpoint string) string {
	const scheme = "http://"
	if len(endpoint) < len(scheme) {
		return ""
	}
	return endpoint[len(scheme):]
}
