package database

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Config says where the database is and how it begins.
type Config struct {
	Bind   string // the loopback address to listen on
	Port   int    // 0 lets the kernel choose
	Seed   uint64 // of the faults
	Faults Faults // those it starts with
}

// Counts are the requests that were asked since the start. One that waits is in
// none of them yet, and one whose client left before its answer in none at all,
// unless it was to hang.
type Counts struct {
	Answered int64 `json:"answered"`
	Failed   int64 `json:"failed"`
	Hung     int64 `json:"hung"`
}

// Database is one that serves. GET / asks it. GET and POST /faults show and
// replace its faults, GET /counts its Counts.
type Database struct {
	server   *http.Server
	address  string
	serving  sync.WaitGroup
	requests sync.WaitGroup // those that have a handler

	mu     sync.Mutex
	closed bool // no request may enter any more
	rng    *rand.Rand
	faults Faults
	counts Counts
	err    error // that serving ended with
}

// maxFaultsBody is far above what any Faults needs.
const maxFaultsBody = 64 << 10

// Start listens and serves until Close.
func Start(ctx context.Context, cfg Config) (*Database, error) {
	if addr, err := netip.ParseAddr(cfg.Bind); err != nil || !addr.IsLoopback() {
		return nil, fmt.Errorf("database: bind address %q is not on loopback; give one within 127.0.0.0/8", cfg.Bind)
	}
	if err := cfg.Faults.check(); err != nil {
		return nil, err
	}
	at := net.JoinHostPort(cfg.Bind, strconv.Itoa(cfg.Port))
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", at)
	if err != nil {
		return nil, fmt.Errorf("database: listen on %s: %w; give another port, or 0", at, err)
	}
	d := &Database{address: ln.Addr().String(), rng: rand.New(rand.NewPCG(cfg.Seed, 0)), faults: cfg.Faults}
	d.server = &http.Server{Handler: d.handler(), ReadHeaderTimeout: 30 * time.Second}
	d.serving.Go(func() {
		if err := d.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.err = fmt.Errorf("database: serve on %s: %w", d.address, err)
		}
	})
	return d, nil
}

// URL is where it is asked, without a slash at the end.
func (d *Database) URL() string { return "http://" + d.address }

// SetFaults replaces all faults. What hangs goes on hanging.
func (d *Database) SetFaults(f Faults) error {
	if err := f.check(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = f
	return nil
}

// Counts returns what was asked so far.
func (d *Database) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Close cuts what is under way and waits until nothing of it runs. It returns why
// the database did not serve until now, if so. It may be called again.
func (d *Database) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	err := d.server.Close()
	d.serving.Wait()
	d.requests.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.err, err)
}

func (d *Database) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", d.serveQuery)
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, d.currentFaults()) })
	mux.HandleFunc("POST /faults", d.serveSetFaults)
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, d.Counts()) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.enter() {
			panic(http.ErrAbortHandler)
		}
		defer d.requests.Done()
		mux.ServeHTTP(w, r)
	})
}

// enter reports whether a request may have a handler.
func (d *Database) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.requests.Add(1)
	return true
}

// serveQuery answers a question of the application.
func (d *Database) serveQuery(w http.ResponseWriter, r *http.Request) {
	does, latency := d.decide()
	if does == hang {
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // returning would answer 200
	}
	if !pause(r.Context(), latency) {
		panic(http.ErrAbortHandler)
	}
	if does == fail {
		d.count(func(c *Counts) { c.Failed++ })
		http.Error(w, "failed on demand", http.StatusInternalServerError)
		return
	}
	d.count(func(c *Counts) { c.Answered++ })
	writeJSON(w, struct{}{})
}

// decide draws what happens to the next request. A number is drawn for each, so
// that changing a fault does not change the luck of later requests.
func (d *Database) decide() (outcome, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	does := decideOutcome(d.faults, d.rng.Float64())
	if does == hang {
		d.counts.Hung++
	}
	return does, time.Duration(d.faults.Latency)
}

func (d *Database) count(change func(*Counts)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.counts)
}

func (d *Database) currentFaults() Faults {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faults
}

// serveSetFaults replaces all faults: what is not named is switched off.
func (d *Database) serveSetFaults(w http.ResponseWriter, r *http.Request) {
	var f Faults
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFaultsBody))
	if err == nil {
		err = json.Unmarshal(body, &f)
	}
	if err == nil {
		err = d.SetFaults(f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, f)
}

// pause waits, and reports false if ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client may be gone; there is nobody to tell
}
