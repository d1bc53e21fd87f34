package alb

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	listenerARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2"
	shopID      = "app/shop/50dc6c495c0c9188"
	sourceARN   = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/source/73e2d6bc24d8a067"
	targetARN   = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/target/09966783158cda59"
)

// quick is a health check that is over in no time.
var quick = HealthCheck{Path: "/healthz", Interval: 10 * time.Millisecond, Timeout: time.Second, HealthyThreshold: 2, UnhealthyThreshold: 2}

// rig is a balancer on a real loopback socket with what the tests look at.
type rig struct {
	*testing.T
	b      *Balancer
	log    *syncBuffer
	client *http.Client
	config Config
}

func newRig(t *testing.T, config Config) *rig {
	t.Helper()
	log := &syncBuffer{}
	r := &rig{T: t, log: log, b: New(Options{AccessLog: log, Seed: 1}), client: newClient()}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		r.b.Close()
	})
	r.apply(config)
	return r
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}, Timeout: 20 * time.Second}
}

func (r *rig) apply(c Config) {
	r.Helper()
	r.config = c
	if err := r.b.Apply(c); err != nil {
		r.Fatal(err)
	}
}

// applyHealthy applies and waits until all targets are healthy.
func (r *rig) applyHealthy(c Config) {
	r.Helper()
	r.apply(c)
	for _, g := range c.TargetGroups {
		for _, t := range g.Targets {
			r.await(g.ARN, t.Addr, Healthy)
		}
	}
}

func newHealthyRig(t *testing.T, c Config) *rig {
	t.Helper()
	r := newRig(t, c)
	r.applyHealthy(c)
	return r
}

func (r *rig) health(arn string, addr netip.AddrPort) Health {
	for _, h := range r.b.Health(arn) {
		if h.Target.Addr == addr {
			return h
		}
	}
	return Health{}
}

// await polls until a target has a state; "" means that it is gone.
func (r *rig) await(arn string, addr netip.AddrPort, want State) {
	r.Helper()
	eventually(r.T, fmt.Sprintf("target %s is %q", addr, want), func() bool { return r.health(arn, addr).State == want })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after 10 s still not: %s", what)
		}
		time.Sleep(2 * time.Millisecond) // between two polls
	}
}

func (r *rig) addr() string { return r.b.Addrs(listenerARN)[0].String() }
func (r *rig) url() string  { return "http://" + r.addr() }

// get returns status and body of GET path.
func (r *rig) get(path string) (int, string) {
	r.Helper()
	resp, err := r.client.Get(r.url() + path)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// raw sends bytes and returns everything that comes back until the balancer
// closes.
func (r *rig) raw(request string) string {
	r.Helper()
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		r.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, request)
	answer, err := io.ReadAll(conn)
	if err != nil {
		r.Fatal(err)
	}
	return string(answer)
}

// lines waits for n access log lines and returns all.
func (r *rig) lines(n int) []string {
	r.Helper()
	eventually(r.T, fmt.Sprintf("%d lines in the access log", n), func() bool { return len(r.log.lines()) >= n })
	return r.log.lines()
}

// backend is a target that says who it is; its health check passes.
func backend(t *testing.T, answer http.HandlerFunc) Target {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/", answer)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return Target{Addr: netip.MustParseAddrPort(server.Listener.Addr().String()), Zone: "eu-west-1a"}
}

func says(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
}

// rawBackend hands every connection that is not a health check to serve,
// together with the bytes of its first request.
func rawBackend(t *testing.T, serve func(conn *net.TCPConn, request string)) Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(15 * time.Second))
				request := readRequestHead(conn)
				if strings.HasPrefix(request, "GET /healthz ") {
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
					return
				}
				if request != "" {
					serve(conn.(*net.TCPConn), request)
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return Target{Addr: netip.MustParseAddrPort(ln.Addr().String())}
}

func readRequestHead(conn net.Conn) string {
	var head []byte
	var b [1]byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := conn.Read(b[:]); err != nil {
			return ""
		}
		head = append(head, b[0])
	}
	return string(head)
}

// oneListener is a listener whose default action has the given weights of
// source and target.
func oneListener(groups []TargetGroup, weights ...int) Config {
	l := Listener{ARN: listenerARN, LoadBalancer: "shop", Bind: "127.0.0.1:0"}
	for i, w := range weights {
		l.Default.Forward = append(l.Default.Forward, WeightedGroup{groups[i].ARN, w})
	}
	return Config{Listeners: []Listener{l}, TargetGroups: groups}
}

func source(targets ...Target) TargetGroup {
	return TargetGroup{ARN: sourceARN, Name: "source", HealthCheck: quick, Targets: targets}
}

func destination(targets ...Target) TargetGroup {
	return TargetGroup{ARN: targetARN, Name: "target", HealthCheck: quick, Targets: targets}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.FieldsFunc(s.b.String(), func(r rune) bool { return r == '\n' })
}

// memNet is a network of pipes, so that whole exchanges run in virtual time.
type memNet struct {
	mu        sync.Mutex
	listeners map[string]chan net.Conn
}

func newMemNet() *memNet { return &memNet{listeners: make(map[string]chan net.Conn)} }

func (m *memNet) queue(addr string) chan net.Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners[addr] == nil {
		m.listeners[addr] = make(chan net.Conn)
	}
	return m.listeners[addr]
}

// dial waits until somebody accepts, as a full backlog does.
func (m *memNet) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case m.queue(addr) <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memNet) listen(_ context.Context, _, addr string) (net.Listener, error) {
	return &memListener{queue: m.queue(addr), addr: addr, closed: make(chan struct{})}, nil
}

type memListener struct {
	queue  chan net.Conn
	addr   string
	once   sync.Once
	closed chan struct{}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memListener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.addr))
}

// refused is an address on which nobody listens.
func refused(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return netip.MustParseAddrPort(ln.Addr().String())
}

// rawListener is an address that accepts into its backlog and never answers.
func rawListener(t *testing.T) Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return Target{Addr: netip.MustParseAddrPort(ln.Addr().String())}
}
