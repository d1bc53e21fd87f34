package link

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo serves on loopback: what it is sent comes back.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { defer c.Close(); _, _ = io.Copy(c, c) }) // ends with the client
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

func dialer() Dial { return new(net.Dialer).DialContext }

func connect(t *testing.T, l *Link, to string) net.Conn {
	t.Helper()
	c, err := l.Through(dialer())(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// say sends a word and returns what comes back.
func say(c net.Conn, word string) (string, error) {
	if _, err := c.Write([]byte(word)); err != nil {
		return "", err
	}
	back := make([]byte, len(word))
	_, err := io.ReadFull(c, back)
	return string(back), err
}

func wantEcho(t *testing.T, c net.Conn, word string) {
	t.Helper()
	if got, err := say(c, word); err != nil || got != word {
		t.Errorf("said %q, got %q, %v", word, got, err)
	}
}

// eventually polls until ok or a deadline that only a broken program reaches.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after 10 s: %s", what)
		}
	}
}

func TestHanging(t *testing.T) {
	l, to := New(), echo(t)
	c := connect(t, l, to)
	wantEcho(t, c, "before")

	l.Set(Hanging)
	if l.State() != Hanging {
		t.Errorf("it is %s", l.State())
	}
	answered := make(chan error, 1)
	go func() {
		got, err := say(c, "meanwhile")
		if err == nil && got != "meanwhile" {
			err = errors.New(got)
		}
		answered <- err
	}()
	opened := make(chan error, 1)
	go func() {
		fresh, err := l.Through(dialer())(t.Context(), "tcp", to)
		if err == nil {
			_, err = say(fresh, "fresh")
			fresh.Close()
		}
		opened <- err
	}()
	eventually(t, "both connections meet the cut", func() bool { return l.Met() == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Through(dialer())(ctx, "tcp", to); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a new connection while it hangs: %v", err)
	}
	select {
	case err := <-answered:
		t.Errorf("it was answered while the link hung: %v", err)
	case err := <-opened:
		t.Errorf("it was opened while the link hung: %v", err)
	default:
	}
	l.Set(Whole)
	if err := <-answered; err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := <-opened; err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if got := l.Met(); got != 3 {
		t.Errorf("%d connections met the cut, want 3", got)
	}
}

// An answer that is on its way when the link is cut arrives after the end.
func TestAnswerOnItsWay(t *testing.T) {
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	l := New()
	entered := make(chan struct{}, 2)
	c := l.Wrap(noticed{near, entered})
	t.Cleanup(func() { c.Close() })
	type read struct {
		text string
		err  error
	}
	got := make(chan read)
	receive := func() {
		p := make([]byte, 3)
		n, err := c.Read(p)
		got <- read{string(p[:n]), err}
	}
	go receive()
	<-entered
	l.Set(Hanging)
	if _, err := far.Write([]byte("yes")); err != nil { // the read that waits takes it, and holds it
		t.Fatal(err)
	}
	eventually(t, "the answer is held", func() bool { return l.Met() == 1 })
	if err := c.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if r := <-got; !errors.Is(r.err, os.ErrDeadlineExceeded) {
		t.Errorf("out of time: %+v", r)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	l.Set(Whole)
	go receive()
	if r := <-got; r.text != "yes" || r.err != nil {
		t.Errorf("afterwards: %+v, want what was held", r)
	}
}

// noticed says when somebody reads.
type noticed struct {
	net.Conn
	entered chan<- struct{}
}

func (n noticed) Read(p []byte) (int, error) {
	n.entered <- struct{}{}
	return n.Conn.Read(p)
}

// Deadlines and closing work while it hangs.
func TestLeavingWhileItHangs(t *testing.T) {
	for name, leave := range map[string]func(net.Conn) error{
		"deadline":      func(c net.Conn) error { return c.SetDeadline(time.Now().Add(5 * time.Millisecond)) },
		"past deadline": func(c net.Conn) error { return c.SetDeadline(time.Now().Add(-time.Hour)) },
		"moved deadline": func(c net.Conn) error {
			return errors.Join(c.SetDeadline(time.Now().Add(time.Hour)), c.SetDeadline(time.Now()))
		},
		"close": net.Conn.Close,
	} {
		t.Run(name, func(t *testing.T) {
			l := New()
			c := connect(t, l, echo(t))
			l.Set(Hanging)
			done := make(chan error, 2)
			go func() { _, err := c.Read(make([]byte, 1)); done <- err }()
			go func() { _, err := c.Write([]byte("x")); done <- err }()
			eventually(t, "it meets the cut", func() bool { return l.Met() == 1 })
			if err := leave(c); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

func TestBroken(t *testing.T) {
	l, to := New(), echo(t)
	c := connect(t, l, to)
	wantEcho(t, c, "before")
	l.Set(Hanging)
	waiting := make(chan error, 1)
	go func() { _, err := c.Read(make([]byte, 1)); waiting <- err }()
	eventually(t, "it meets the cut", func() bool { return l.Met() == 1 })
	l.Set(Broken)
	if err := <-waiting; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("in flight: %v, want a reset", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("later: %v, want a reset", err)
	}
	if _, err := l.Through(dialer())(t.Context(), "tcp", to); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("new: %v, want it refused", err)
	}
	l.Set(Whole)
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the end: %v; what was reset stays so", err)
	}
	wantEcho(t, connect(t, l, to), "after")
}

func startRelay(t *testing.T, l *Link, to string) string {
	t.Helper()
	r, err := StartRelay(t.Context(), l, "127.0.0.1:0", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r.Addr().String()
}

func TestRelay(t *testing.T) {
	l := New()
	at := startRelay(t, l, echo(t))
	c := connect(t, New(), at)
	wantEcho(t, c, "before")

	l.Set(Hanging)
	fresh := connect(t, New(), at) // the kernel accepts it
	for name, c := range map[string]net.Conn{"in flight": c, "new": fresh} {
		if err := c.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := say(c, "lost?"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s, while it hangs: %v", name, err)
		}
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	l.Set(Whole)
	for name, c := range map[string]net.Conn{"in flight": c, "new": fresh} {
		back := make([]byte, len("lost?"))
		if _, err := io.ReadFull(c, back); err != nil || string(back) != "lost?" {
			t.Errorf("%s, afterwards: %q, %v", name, back, err)
		}
		wantEcho(t, c, "after")
	}

	l.Set(Broken)
	if _, err := say(c, "x"); !isReset(err) {
		t.Errorf("in flight, while it is broken: %v, want a reset", err)
	}
	if err := attempt(at); !isReset(err) {
		t.Errorf("new, while it is broken: %v, want a reset", err)
	}
	l.Set(Whole)
	wantEcho(t, connect(t, New(), at), "after")
}

// Nobody behind it is a reset, and an end of one side is an end of both.
func TestRelayEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := startRelay(t, New(), l.Addr().String())
	c := connect(t, New(), at)
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	far.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the other end closed: %v", err)
	}
	l.Close()
	if err := attempt(at); !isReset(err) {
		t.Errorf("nobody there: %v, want a reset", err)
	}
}

// attempt opens a connection and uses it once.
func attempt(at string) error {
	c, err := net.Dial("tcp", at)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = say(c, "x")
	return err
}

// isReset says whether the other end sent a RST; a write after one is EPIPE.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
