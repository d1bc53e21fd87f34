package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Headers of every answer to a user, for exact accounting.
const (
	HeaderSide = "X-Watari-Side"
	HeaderPod  = "X-Watari-Pod"
)

// maxFaultsBody is far above what any Faults needs.
const maxFaultsBody = 64 << 10

// Answer is the body of an answer to a user.
type Answer struct {
	Side    string `json:"side"`
	Version string `json:"version"`
	Pod     string `json:"pod"`
	N       int64  `json:"n"`               // which request of this process it was, from 1
	Error   string `json:"error,omitempty"` // why it is no good answer, if that is not a fault of its own
}

// service answers requests. It knows nothing of processes and listeners.
type service struct {
	cfg      Config
	dice     *dice
	metrics  metrics
	leak     *leak
	database *databaseClient // nil: there is none
	draining atomic.Bool
	served   atomic.Int64
	running  sync.WaitGroup // requests that have a handler
	crash    chan struct{}  // gets one value when it is time to crash

	mu         sync.Mutex
	closed     bool // no request may enter any more
	faults     Faults
	crashTimer *time.Timer
}

func newService(cfg Config) *service {
	s := &service{cfg: cfg, dice: newDice(cfg.Seed, cfg.Pod), leak: &leak{}, database: newDatabase(cfg), crash: make(chan struct{}, 1)}
	s.metrics = newMetrics(s.leak.size)
	s.metrics.announce(cfg.Side, s.database != nil)
	s.setFaults(cfg.Faults)
	return s
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /faults", s.serveFaults)
	mux.HandleFunc("POST /faults", s.serveSetFaults)
	mux.HandleFunc("/", s.serveUser)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			panic(http.ErrAbortHandler)
		}
		defer s.running.Done()
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	})
}

// enter reports whether a request may have a handler.
func (s *service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// close lets no request in any more, calls a crash off and waits for the
// handlers that still run. Their connections must be closed by then.
func (s *service) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.setFaults(Faults{})
	s.running.Wait()
	s.database.close()
}

// serveReady does not ask the database: it stands behind every pod of both sides,
// and when it fails a balancer would find no pod left to send anybody to.
func (s *service) serveReady(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// serveUser answers everything that is not one of the service's own paths.
func (s *service) serveUser(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	uniform, normal := s.dice.roll()
	faults := s.currentFaults()
	outcome := decideOutcome(faults, uniform)
	switch outcome {
	case reset:
		resetConnection(w)
		return
	case hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // returning would answer 200
	}
	if !pause(r, decideLatency(s.cfg.LatencyBase, s.cfg.LatencyJitter, time.Duration(faults.ExtraLatency), normal)) {
		panic(http.ErrAbortHandler)
	}
	code, why := decideStatus(faults), ""
	if outcome != fail {
		code, why = s.askDatabase(r)
	}
	s.writeAnswer(w, code, why)
	s.metrics.observe(s.cfg.Side, code, time.Since(start))
}

// askDatabase returns the status code for a user, and why it is no good one.
func (s *service) askDatabase(r *http.Request) (code int, why string) {
	if s.database == nil {
		return http.StatusOK, ""
	}
	ended, err := s.database.ask(r.Context())
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client left, and the database is not to blame
	}
	s.metrics.asked(s.cfg.Side, ended)
	if err != nil {
		why = err.Error()
	}
	return decideAnswer(ended), why
}

func (s *service) writeAnswer(w http.ResponseWriter, code int, why string) {
	if s.draining.Load() { // it may have begun while the request waited
		w.Header().Set("Connection", "close")
	}
	w.Header().Set(HeaderSide, s.cfg.Side)
	w.Header().Set(HeaderPod, s.cfg.Pod)
	writeJSON(w, code, Answer{Side: s.cfg.Side, Version: s.cfg.Version, Pod: s.cfg.Pod, N: s.served.Add(1), Error: why})
}

func (s *service) serveFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.currentFaults())
}

// serveSetFaults replaces all faults: what is not named is switched off.
func (s *service) serveSetFaults(w http.ResponseWriter, r *http.Request) {
	var f Faults
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFaultsBody))
	if err == nil {
		err = json.Unmarshal(body, &f)
	}
	if err == nil {
		err = f.check()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.setFaults(f)
	writeJSON(w, http.StatusOK, f)
}

func (s *service) currentFaults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// setFaults replaces the faults. A crash that was still to come is called off.
func (s *service) setFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
	if s.crashTimer != nil {
		s.crashTimer.Stop()
		s.crashTimer = nil
	}
	if f.CrashAfter > 0 {
		s.crashTimer = time.AfterFunc(time.Duration(f.CrashAfter), func() {
			select {
			case s.crash <- struct{}{}:
			default: // it is crashing already
			}
		})
	}
}

// pause waits, and reports false if the client left meanwhile.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// resetConnection makes the client see a TCP reset: closing a socket that
// lingers for no time discards what is unsent and sends RST.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // if the socket is gone already, so is the client
	}
	_ = conn.Close()
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone; there is nobody to tell
}
