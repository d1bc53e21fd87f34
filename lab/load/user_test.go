package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestFreshUsersKeepTheTTL(t *testing.T) {
	one, two, port := listenBoth(t)
	serveSide(t, one, Source)
	two.Close()
	for _, c := range []struct {
		ttl       int
		questions int
	}{{3600, 1}, {0, 20}} {
		ns := serveDNS(t, fmt.Sprintf("shop. %d IN A 127.0.0.1", c.ttl))
		r := run(t, Config{URL: "http://shop/", Resolver: ns.addr, Port: port, Rate: 400, Duration: 50 * time.Millisecond, Users: 1})
		if r.Total.OK[Source] != 20 || ns.questions() != c.questions {
			t.Errorf("TTL %d: %d answered, %d questions; want 20 and %d", c.ttl, r.Total.OK[Source], ns.questions(), c.questions)
		}
	}
}

func TestWhoFollowsADNSChange(t *testing.T) {
	one, two, port := listenBoth(t)
	source := serveSide(t, one, Source)
	serveSide(t, two, Target)
	ns := serveDNS(t, "shop. 0 IN A 127.0.0.1")
	g, err := New(Config{URL: "http://shop/", Resolver: ns.addr, Port: port, Rate: 1, Users: 1, Clients: Mix{Fresh: 1, KeepAlive: 1, Forever: 1}})
	if err != nil {
		t.Fatal(err)
	}
	// One request of each kind at a time: a second one at the same time would
	// open a second connection, rightly, and follow.
	all := func(want ...Class) {
		t.Helper()
		for i, kind := range kinds {
			if a := g.users[kind][0].do(deadline(t), &g.plan); a.class != want[i] {
				t.Errorf("%s: %+v, want %+v", kind, a, want[i])
			}
		}
	}
	onSource, onTarget := Class{Side: Source}, Class{Side: Target}
	all(onSource, onSource, onSource)

	ns.set(dns.RcodeSuccess, "shop. 0 IN A 127.0.0.2")
	all(onTarget, onSource, onSource) // fresh users follow, open connections stay

	kept, stuck := g.users[KeepAlive][0], g.users[Forever][0]
	connections := []*conn{kept.idle[0], stuck.idle[0]}
	source.CloseClientConnections() // the source still listens
	for _, c := range connections {
		eventually(t, "the close arrives", func() bool { return !alive(c.Conn) })
	}
	all(onTarget, onTarget, onSource) // keep-alive users follow now; others come back to the address they know

	source.Close() // which is dead now, and they do not ask for another
	eventually(t, "the close arrives", func() bool { return !alive(stuck.idle[0].Conn) })
	all(onTarget, onTarget, Class{Cause: ConnectRefused})
	kept.closeIdle()
}

func TestForeverUsersResolveWhenTheLoadStarts(t *testing.T) {
	one, two, port := listenBoth(t)
	serveSide(t, one, Source)
	serveSide(t, two, Target)
	ns := serveDNS(t, "shop. 0 IN A 127.0.0.1")
	g, end := begin(t, Config{URL: "http://shop/", Resolver: ns.addr, Port: port, Rate: 300, Users: 3, Clients: Mix{Forever: 1}})
	eventually(t, "the first answer", func() bool { return g.Snapshot().Total.OKs() > 0 })
	ns.set(dns.RcodeSuccess, "shop. 0 IN A 127.0.0.2")
	before := g.Snapshot().Total.Sent
	eventually(t, "more requests of all users", func() bool { return g.Snapshot().Total.Sent > before+30 })
	if r := end(); r.Total.OK[Source] != r.Total.Sent || ns.questions() != 3 {
		t.Errorf("%+v with %d questions; want all on the source and 3", r.Total, ns.questions())
	}
}

func TestSeveralAddressesTakeTurns(t *testing.T) {
	one, two, port := listenBoth(t)
	serveSide(t, one, Source)
	serveSide(t, two, Target)
	ns := serveDNS(t, "shop. 60 IN A 127.0.0.1", "shop. 60 IN A 127.0.0.2")
	r := run(t, Config{URL: "http://shop/", Resolver: ns.addr, Port: port, Rate: 400, Duration: 50 * time.Millisecond, Users: 1})
	if r.Total.OK[Source] != 10 || r.Total.OK[Target] != 10 {
		t.Errorf("%v, want 10 each", r.Total.OK)
	}
}

func TestKeepAliveReusesAndFreshDoesNot(t *testing.T) {
	for _, c := range []struct {
		mix   Mix
		conns int
	}{{Mix{KeepAlive: 1}, 1}, {Mix{Fresh: 1}, 10}} {
		var mu sync.Mutex
		opened := 0
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			if s == http.StateNew {
				opened++
			}
		}
		srv.Start()
		defer srv.Close()
		g, err := New(Config{URL: srv.URL, Rate: 1, Users: 1, Clients: c.mix})
		if err != nil {
			t.Fatal(err)
		}
		for _, users := range g.users {
			for range 10 { // one after the other: a busy connection cannot be reused
				if a := users[0].do(deadline(t), &g.plan); !a.class.OK() {
					t.Fatal(a.err)
				}
			}
			users[0].closeIdle()
		}
		if opened != c.conns {
			t.Errorf("%+v opened %d connections for 10 requests, want %d", c.mix, opened, c.conns)
		}
	}
}

// serveDying answers the first request of each connection, and breaks the
// connection when a second one comes.
func serveDying(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				_, _ = http.ReadRequest(in)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
	return "http://" + ln.Addr().String()
}

func TestADeadConnectionIsAFailureUnlessRetryIsAskedFor(t *testing.T) {
	for _, retry := range []bool{false, true} {
		g, err := New(Config{URL: serveDying(t), Rate: 1, Users: 1, Clients: Mix{KeepAlive: 1}, RetryDead: retry})
		if err != nil {
			t.Fatal(err)
		}
		u := g.users[KeepAlive][0]
		if a := u.do(deadline(t), &g.plan); !a.class.OK() {
			t.Fatal(a.err)
		}
		a := u.do(deadline(t), &g.plan)
		if retry && (!a.class.OK() || a.retries != 1) {
			t.Errorf("with retry: %+v", a)
		}
		if !retry && (a.class.Cause != EOF || a.retries != 0) {
			t.Errorf("without retry: %+v", a)
		}
		u.closeIdle()
	}
}

func TestAConnectionClosedWhileIdleIsNotUsed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	g, err := New(Config{URL: srv.URL, Rate: 1, Users: 1, Clients: Mix{KeepAlive: 1}})
	if err != nil {
		t.Fatal(err)
	}
	u := g.users[KeepAlive][0]
	for range 3 {
		if a := u.do(deadline(t), &g.plan); !a.class.OK() {
			t.Fatalf("%+v", a)
		}
		kept := u.idle[0].Conn
		srv.CloseClientConnections()
		eventually(t, "the close arrives", func() bool { return !alive(kept) })
	}
	u.closeIdle()
}

func TestIdleConnectionsAreBoundedAndAge(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	g, err := New(Config{URL: srv.URL, Rate: 1, Users: 1, Clients: Mix{KeepAlive: 1}})
	if err != nil {
		t.Fatal(err)
	}
	u := g.users[KeepAlive][0]
	now := time.Now()
	for range maxIdle + 2 {
		c, err := u.connect(deadline(t), false)
		if err != nil {
			t.Fatal(err)
		}
		u.giveBack(c, now)
	}
	if len(u.idle) != maxIdle {
		t.Errorf("%d idle connections, want %d", len(u.idle), maxIdle)
	}
	c := u.takeIdle(now.Add(idleLimit - time.Second))
	if c == nil {
		t.Fatal("a young connection is not reused")
	}
	c.Close()
	if u.takeIdle(now.Add(idleLimit)) != nil || len(u.idle) != 0 {
		t.Error("an old connection is reused or kept")
	}
}
