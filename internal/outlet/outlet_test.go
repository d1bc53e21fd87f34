package outlet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/internal/outlet"
)

// terminal is a reader that may stall, or be gone.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
	gate chan struct{} // closed: it reads
	err  error
	part int // of a message is written before err
}

func stalled() *terminal { return &terminal{gate: make(chan struct{})} }

func reading() *terminal {
	t := stalled()
	close(t.gate)
	return t
}

func (t *terminal) Write(p []byte) (int, error) {
	<-t.gate
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		t.text.Write(p[:t.part])
		return t.part, t.err
	}
	return t.text.Write(p)
}

func (t *terminal) set(err error, part int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err, t.part = err, part
}

func (t *terminal) shows() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// atOnce fails the test if f waits for anything in virtual time.
func atOnce(t *testing.T, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > 0 {
		t.Errorf("it took %s", took)
	}
}

func TestWhatIsReadIsWrittenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := reading()
		o := outlet.New(to, outlet.Options{})
		var want strings.Builder
		for i := range 2500 { // more than may wait
			fmt.Fprintf(o, "line %d\n", i)
			fmt.Fprintf(&want, "line %d\n", i)
			synctest.Wait()
		}
		if !o.Flush(time.Second, time.Minute) || to.shows() != want.String() {
			t.Errorf("written is\n%s", to.shows())
		}
	})
}

// TestAStalledReaderDelaysNobody: the oldest lines are dropped whole, and how many
// is said in their place.
func TestAStalledReaderDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := stalled()
		o := outlet.New(to, outlet.Options{Lines: 3})
		atOnce(t, func() {
			for i := range 9 {
				fmt.Fprintf(o, "line %d\n", i)
				synctest.Wait()
			}
		})
		close(to.gate)
		if !o.Flush(time.Second, time.Minute) {
			t.Error("not flushed, and it is read")
		}
		want := "line 0\n" + "5 lines were not shown, because nobody read them; the journal has everything\n" + "line 6\nline 7\nline 8\n"
		if got := to.shows(); got != want {
			t.Errorf("shown is\n%swant\n%s", got, want)
		}
	})
}

func TestBytesAreBoundToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := stalled()
		o := outlet.New(to, outlet.Options{Bytes: 20, Missed: func(n int, _ []byte) []byte { return fmt.Appendf(nil, "<%d>\n", n) }})
		for _, line := range []string{"on its way", "0123456789", "two\nlines", "abcdefghij", "klmnopqrst", strings.Repeat("larger than there is room", 9)} {
			_, _ = io.WriteString(o, line+"\n")
			synctest.Wait()
		}
		close(to.gate)
		o.Flush(time.Second, time.Minute)
		if got, want := to.shows(), "on its way\n<6>\n"; got != want {
			t.Errorf("shown is %q, want %q", got, want)
		}
	})
}

// TestAFrameReplacesTheOneBefore: of frames that were not shown yet the last one is,
// and it knows what it is drawn over when it is.
func TestAFrameReplacesTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := stalled()
		o := outlet.New(to, outlet.Options{Lines: 1})
		draw := func(name string) {
			o.Draw(func(over bool) []byte { return fmt.Appendf(nil, "[%s over %t]", name, over) })
			synctest.Wait()
		}
		atOnce(t, func() {
			for i := range 1000 {
				draw(fmt.Sprint(i))
			}
			_, _ = io.WriteString(o, "said\n")
			draw("last")
		})
		to.gate <- struct{}{} // the first one, which was under way
		synctest.Wait()
		close(to.gate)
		synctest.Wait()
		draw("next")
		o.Flush(time.Second, time.Minute)
		if got, want := to.shows(), "[0 over false]said\n[last over false][next over true]"; got != want {
			t.Errorf("shown is %q, want %q", got, want)
		}
	})
}

// TestFlushHasAnEnd: who waits for a reader that stalls waits once.
func TestFlushHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := stalled()
		o := outlet.New(to, outlet.Options{})
		if !o.Flush(time.Second, time.Minute) {
			t.Error("there is nothing to write")
		}
		_, _ = io.WriteString(o, "one\n")
		began := time.Now()
		if o.Flush(2*time.Second, time.Minute) {
			t.Error("flushed, and nobody reads")
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %s, want 2s", took)
		}
		_, _ = io.WriteString(o, "two\n")
		atOnce(t, func() { o.Flush(2*time.Second, time.Minute) })
		go func() {
			time.Sleep(time.Second)
			close(to.gate)
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if !o.Flush(2*time.Second, time.Minute) || to.shows() != "one\ntwo\n" {
			t.Errorf("shown is %q", to.shows())
		}
	})
}

// TestFlushWaitsForWhatMoves: a reader that is slow, not stalled, gets everything,
// but not for ever.
func TestFlushWaitsForWhatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := stalled()
		o := outlet.New(to, outlet.Options{})
		for i := range 5 {
			fmt.Fprintln(o, i)
		}
		go func() {
			for range 5 {
				time.Sleep(900 * time.Millisecond)
				to.gate <- struct{}{}
			}
		}()
		began := time.Now()
		if o.Flush(time.Second, 2*time.Second) || time.Since(began) != 2*time.Second {
			t.Errorf("gave up after %s, want 2s", time.Since(began))
		}
		time.Sleep(time.Second)
		if !o.Flush(time.Second, time.Minute) || to.shows() != "0\n1\n2\n3\n4\n" {
			t.Errorf("shown is %q", to.shows())
		}
	})
}

// TestNobodyReads: that nobody reads any more is told once, and again after
// somebody has; what was written in part is ended by an end of line.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, full := reading(), errors.New("no space left on device")
		var told []error
		o := outlet.New(to, outlet.Options{OnFailure: func(err error) { told = append(told, err) }, Missed: func(n int, _ []byte) []byte { return fmt.Appendf(nil, "<%d>\n", n) }})
		say := func(text string) {
			_, _ = io.WriteString(o, text)
			synctest.Wait()
		}
		say("a\n")
		to.set(full, 3)
		say("bcdef\n")
		to.set(full, 0)
		say("x\n")
		say("y\nz\n")
		to.set(nil, 0)
		say("g\n")
		to.set(full, 0)
		say("h\n")
		if got, want := to.shows(), "a\nbcd\n<4>\ng\n"; got != want {
			t.Errorf("shown is %q, want %q", got, want)
		}
		if len(told) != 2 {
			t.Errorf("told %d times: %v", len(told), told)
		}
		atOnce(t, func() {
			if !o.Flush(time.Second, time.Minute) {
				t.Error("what cannot be written is not waited for")
			}
		})
	})
}
