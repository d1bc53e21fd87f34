package load

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func checkLoopbackText(addr string) error { return checkLoopback(netip.MustParseAddr(addr)) }

// eventually polls until ok says yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 10 s", what)
}

// nameServer is a real DNS server for one name.
type nameServer struct {
	addr string

	mu    sync.Mutex
	rcode int
	rrs   []string
	asked int
	cut   bool // answer by UDP is truncated
}

func serveDNS(t *testing.T, rrs ...string) *nameServer {
	t.Helper()
	s := &nameServer{rrs: rrs}
	// The kernel's choice for UDP may be taken for TCP; then it chooses again.
	var packets net.PacketConn
	var stream net.Listener
	eventually(t, "a port for the DNS server", func() bool {
		var err error
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if stream, err = net.Listen("tcp", packets.LocalAddr().String()); err != nil {
			packets.Close()
		}
		return err == nil
	})
	s.addr = packets.LocalAddr().String()
	var running sync.WaitGroup
	t.Cleanup(running.Wait) // after all were told to end
	for _, srv := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: stream, Handler: s}} {
		up := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(up) }
		running.Go(func() {
			if err := srv.ActivateAndServe(); err != nil {
				t.Error(err)
			}
		})
		<-up
		t.Cleanup(func() {
			if err := srv.Shutdown(); err != nil {
				t.Error(err)
			}
		})
	}
	return s
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	answer := new(dns.Msg).SetRcode(q, s.rcode)
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && s.cut {
		answer.Truncated = true
	} else {
		for _, text := range s.rrs {
			if rr, err := dns.NewRR(text); err == nil && strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
				answer.Answer = append(answer.Answer, rr)
			}
		}
	}
	_ = w.WriteMsg(answer) // the asker would time out and say so
}

func (s *nameServer) set(rcode int, rrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcode, s.rrs = rcode, rrs
}

// truncate makes every answer by UDP one that has to be asked for by TCP.
func (s *nameServer) truncate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
}

func (s *nameServer) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// listenBoth listens on the same port of two loopback addresses.
func listenBoth(t *testing.T) (one, two net.Listener, port int) {
	t.Helper()
	eventually(t, "one port on two addresses", func() bool {
		var err error
		if one, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		port = one.Addr().(*net.TCPAddr).Port
		if two, err = net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(port))); err != nil {
			one.Close()
		}
		return err == nil
	})
	return one, two, port
}

// serveSide answers as one side, and may close each connection after its answer.
func serveSide(t *testing.T, ln net.Listener, side Side) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(headerSide, string(side))
	}))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// run lets a load go until its end and returns its account.
func run(t *testing.T, cfg Config) Result {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g.Snapshot()
}

// begin starts a load and returns how to end it.
func begin(t *testing.T, cfg Config) (g *Generator, end func() Result) {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	var once sync.Once
	end = func() Result {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return g.Snapshot()
	}
	t.Cleanup(func() { end() })
	return g, end
}

func TestDialNeverLeavesLoopback(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:80", "10.231.1.1:80", "[::1]:80", "0.0.0.0:80"} {
		conn, err := dial(t.Context(), netip.MustParseAddrPort(addr))
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, ErrOutside) {
			t.Errorf("dial %s: %v, want ErrOutside", addr, err)
		}
	}
	ns := serveDNS(t, "shop. 60 IN A 192.0.2.1")
	r := run(t, Config{URL: "http://shop/", Resolver: ns.addr, Rate: 100, Duration: 50 * time.Millisecond})
	if len(r.Total.Failed) != 1 || r.Total.Failed[0].Cause != Other || !strings.Contains(r.Samples[0].Detail, "192.0.2.1") {
		t.Errorf("a name outside of loopback: %+v %+v", r.Total, r.Samples)
	}
}
