package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// faulty serves each connection by one way of failing, in turn, and counts
// what it did.
type faulty struct {
	ln net.Listener

	mu   sync.Mutex
	did  map[Class]int64
	next int
	all  sync.WaitGroup
}

var ways = []Class{
	{Side: Source},
	{Side: Target},
	{Cause: HTTP4xx, Code: 429, Side: Target},
	{Cause: HTTP5xx, Code: 500, Side: Source},
	{Cause: HTTP5xx, Code: 502, Side: Balancer},
	{Cause: Reset},
	{Cause: EOF},
	{Cause: Timeout},
	{Cause: Other},
}

func serveFaulty(t *testing.T) *faulty {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{ln: ln, did: map[Class]int64{}}
	f.all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f.all.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() { ln.Close(); f.all.Wait() })
	return f
}

func (f *faulty) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		return
	}
	f.mu.Lock()
	way := ways[f.next%len(ways)]
	f.next++
	half := f.next%2 == 0
	f.did[way]++
	f.mu.Unlock()
	switch {
	case way.Cause == Reset:
		_ = conn.(*net.TCPConn).SetLinger(0)
	case way.Cause == EOF && half:
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Watari-Side: source\r\nContent-Length: 100\r\n\r\ntoo short")
	case way.Cause == EOF:
	case way.Cause == Timeout:
		io.Copy(io.Discard, conn) // until the user gives up
	case way.Cause == Other:
		io.WriteString(conn, "this is not HTTP\r\n\r\n")
	case way.Side == Balancer:
		fmt.Fprintf(conn, "HTTP/1.1 %d x\r\nServer: awselb/2.0\r\nContent-Length: 0\r\n\r\n", way.Code)
	default:
		fmt.Fprintf(conn, "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 %d x\r\n%s: %s\r\nX-Watari-Pod: p1\r\nContent-Length: 2\r\n\r\nok", max(way.Code, 200), headerSide, way.Side)
	}
}

func TestEveryRequestIsAccountedFor(t *testing.T) {
	f := serveFaulty(t)
	var log bytes.Buffer
	r := run(t, Config{
		URL: "http://" + f.ln.Addr().String() + "/", Rate: 900, Duration: 500 * time.Millisecond, Timeout: 300 * time.Millisecond,
		Arrivals: Poisson, Seed: 3, Log: &log, Clients: Mix{Fresh: 2, KeepAlive: 1, Forever: 1},
	})
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	got := map[Class]int64{}
	for side, n := range r.Total.OK {
		got[Class{Side: side}] = n
	}
	for _, failed := range r.Total.Failed {
		got[failed.Class] = failed.Count
	}
	for _, way := range ways {
		if got[way] != f.did[way] || got[way] == 0 {
			t.Errorf("%+v: %d counted, %d happened", way, got[way], f.did[way])
		}
		delete(got, way)
	}
	if len(got) != 0 || r.Total.InFlight != 0 || r.Total.Retries != 0 {
		t.Errorf("also counted: %v, %d in flight, %d retries", got, r.Total.InFlight, r.Total.Retries)
	}
	for _, kind := range kinds {
		if r.Total.Clients[kind].Sent == 0 {
			t.Errorf("no request of %s", kind)
		}
	}

	lines := int64(0)
	for dec := json.NewDecoder(&log); ; lines++ {
		var entry line
		if err := dec.Decode(&entry); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got[entry.Class]++
		if entry.Class == (Class{Side: Target}) && (entry.Pod != "p1" || entry.Addr != f.ln.Addr().String() || entry.Latency <= 0) {
			t.Errorf("log line %+v", entry)
		}
	}
	if lines != r.Total.Sent {
		t.Errorf("%d lines in the log for %d requests", lines, r.Total.Sent)
	}
	for _, way := range ways {
		if got[way] != f.did[way] {
			t.Errorf("log: %+v %d times, happened %d times", way, got[way], f.did[way])
		}
	}
}

func TestRefusedAndUnresolved(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close() // nobody listens there now
	r := run(t, Config{URL: "http://" + ln.Addr().String() + "/", Rate: 200, Duration: 50 * time.Millisecond})
	if r.Total.Sent != 10 || len(r.Total.Failed) != 1 || r.Total.Failed[0] != (Failures{Class{Cause: ConnectRefused}, 10}) {
		t.Errorf("nobody listens: %+v", r.Total)
	}
	ns := serveDNS(t, "another. 60 IN A 127.0.0.1")
	r = run(t, Config{URL: "http://shop/", Resolver: ns.addr, Rate: 200, Duration: 50 * time.Millisecond, Clients: Mix{Fresh: 1, KeepAlive: 1, Forever: 1}, Users: 2})
	if r.Total.Sent != 10 || len(r.Total.Failed) != 1 || r.Total.Failed[0] != (Failures{Class{Cause: DNS}, 10}) {
		t.Errorf("no such name: %+v", r.Total)
	}
}

func TestTheLoopIsOpen(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	g, end := begin(t, Config{URL: srv.URL, Rate: 200, Duration: 250 * time.Millisecond, Clients: Mix{Fresh: 1, KeepAlive: 1}})
	eventually(t, "all requests are sent although none is answered", func() bool { return g.Snapshot().Total.InFlight == 50 })
	stuck := time.Now()
	close(release)
	r := end()
	if r.Total.Sent != 50 || r.Total.OK[Unknown] != 50 {
		t.Errorf("%+v, want 50 sent and answered", r.Total)
	}
	if least := stuck.Sub(r.Started); r.Total.Latency[Unknown].Max < least {
		t.Errorf("the first request waited for %s at least, its latency is %s", least, r.Total.Latency[Unknown].Max)
	}
}

func TestOverloadIsSaidNotHidden(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	g, end := begin(t, Config{URL: srv.URL, Rate: 1000, Duration: 30 * time.Millisecond, Workers: 3})
	eventually(t, "all requests are sent", func() bool { return g.Snapshot().Total.Sent == 30 })
	close(release)
	r := end()
	if r.Total.OK[Unknown] != 3 || len(r.Total.Failed) != 1 || r.Total.Failed[0] != (Failures{Class{Cause: Overload}, 27}) {
		t.Errorf("%+v, want 3 answered and 27 without a worker", r.Total)
	}
}

func TestSegmentsAreExactWhileTheLoadRuns(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(headerSide, "source") }))
	defer srv.Close()
	g, end := begin(t, Config{URL: srv.URL, Rate: 500})
	for _, name := range []string{"step 1", "step 2"} {
		before := g.Snapshot().Total.Sent
		eventually(t, "more requests", func() bool { return g.Snapshot().Total.Sent > before+20 })
		if err := g.Mark(name); err != nil {
			t.Fatal(err)
		}
	}
	r := end()
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	if len(r.Segments) != 3 || r.Segments[0].Tally.Sent <= 20 || r.Segments[1].Tally.Sent <= 20 {
		t.Errorf("segments %+v", r.Segments)
	}
	if later := g.Snapshot(); later.Elapsed != r.Elapsed {
		t.Error("the time goes on after the end")
	}
	if err := g.Run(t.Context()); !errors.Is(err, ErrRunTwice) {
		t.Errorf("running twice: %v", err)
	}
}

func TestResultSurvivesJSON(t *testing.T) {
	f := serveFaulty(t)
	want := run(t, Config{URL: "http://" + f.ln.Addr().String() + "/", Rate: 500, Duration: 50 * time.Millisecond, Timeout: 100 * time.Millisecond})
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Result
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(got); err != nil || !bytes.Equal(text, again) {
		t.Errorf("%v\n%s\n%s", err, text, again)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
}

func TestAFullDiskIsSaidOnce(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	g, err := New(Config{URL: srv.URL, Rate: 100, Duration: 50 * time.Millisecond, Log: fullDisk{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); !errors.Is(err, errFull) {
		t.Errorf("Run: %v, want the log's error", err)
	}
	if r := g.Snapshot(); r.Total.OK[Unknown] != 5 {
		t.Errorf("the account suffered: %+v", r.Total)
	}
}

var errFull = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }
