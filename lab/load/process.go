package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// ProcessConfig is what a load needs that runs as a process of its own.
type ProcessConfig struct {
	Config
	// Control is a loopback host:port for GET /snapshot (a Result) and POST
	// /mark?name=..; empty for none.
	Control string `json:"control,omitempty"`
	// LogFile gets one line of JSON per request; empty for none.
	LogFile string `json:"logFile,omitempty"`
	// ResultFile gets the Result at the end; empty for none.
	ResultFile string `json:"resultFile,omitempty"`
}

// Run is a Generator as a process of its own.
func Run(ctx context.Context, cfg ProcessConfig) (err error) {
	if cfg.LogFile != "" {
		f, err2 := os.Create(cfg.LogFile)
		if err2 != nil {
			return fmt.Errorf("load: create the log of requests: %w", err2)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		cfg.Log = f
	}
	g, err := New(cfg.Config)
	if err != nil {
		return err
	}
	if cfg.Control != "" {
		stop, err2 := serveControl(ctx, cfg.Control, g)
		if err2 != nil {
			return err2
		}
		defer stop()
	}
	slog.Info("load: sending", "url", cfg.URL, "rate", cfg.Rate)
	err = g.Run(ctx)
	result := g.Snapshot()
	slog.Info("load: ended", "sent", result.Total.Sent, "ok", result.Total.OKs(), "failed", result.Total.Failures())
	if cfg.ResultFile != "" {
		err = errors.Join(err, writeResult(cfg.ResultFile, result))
	}
	return err
}

// serveControl answers questions about g until stop is called.
func serveControl(ctx context.Context, addr string, g *Generator) (stop func(), err error) {
	at, err := netip.ParseAddrPort(addr)
	if err == nil {
		err = checkLoopback(at.Addr())
	}
	if err != nil {
		return nil, fmt.Errorf("load: control address: %w", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("load: listen for control: %w", err)
	}
	srv := &http.Server{Handler: controlHandler(g), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("load: control ended", "err", err)
		}
	}()
	slog.Info("load: control", "addr", ln.Addr().String())
	return func() {
		_ = srv.Close() // those who ask are of no weight
		<-done
	}, nil
}

func controlHandler(g *Generator) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /snapshot", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(g.Snapshot()) // who asked may be gone
	})
	mux.HandleFunc("POST /mark", func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("name")
		if name == "" {
			http.Error(w, "load: mark: name is empty", http.StatusBadRequest)
			return
		}
		if err := g.Mark(name); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// writeResult writes the whole file or none.
func writeResult(path string, result Result) error {
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("load: encode the result: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".result-*")
	if err != nil {
		return fmt.Errorf("load: write the result: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("load: write the result to %s: %w", path, err)
	}
	return nil
}
