package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"watari.dev/internal/outlet"
	"watari.dev/internal/printable"
)

// streams are what a command that moves traffic writes to. Whoever reads them may
// be slow, stall or be gone: nothing of that reaches the command.
type streams struct {
	out, errs io.Writer                // let no control character through, and wait for nobody
	draw      func(frame outlet.Frame) // shows a frame where out goes
	terminal  *os.File                 // that out is shown on; nil if it is none
	remarks   chan string              // for the journal: what became of those who read
}

// How long a command that ends waits for its readers: for one that stalls, and for
// one that is slow.
const (
	farewell     = time.Second
	longFarewell = 10 * time.Second
)

// unhindered runs a command that moves traffic, so that nothing that anybody reads
// can hold it up or end it. missed writes what is said in the place of lines that
// nobody was shown; nil is a sentence.
func unhindered(cmd *cobra.Command, missed func(int, []byte) []byte, do func(*streams) error) error {
	below, errsBelow := printable.Below(cmd.OutOrStdout()), printable.Below(cmd.ErrOrStderr())
	s := &streams{remarks: make(chan string, 8), terminal: terminalOf(below)}
	out := outlet.New(below, outlet.Options{Missed: missed, OnFailure: s.unread()})
	errs := outlet.New(errsBelow, outlet.Options{OnFailure: s.unread()})
	if same(s.terminal, terminalOf(errsBelow)) {
		errs = out // a frame must know what was written below it
	}
	s.out, s.errs, s.draw = printable.NewWriter(out), printable.NewWriter(errs), out.Draw
	standIn := func() {}
	if errsBelow == io.Writer(os.Stderr) {
		standIn = divert(s.errs)
	}
	cmd.SetOut(s.out)
	cmd.SetErr(s.errs)
	logTo(s.errs)
	s.heed()
	err := do(s)
	standIn()
	out.Flush(farewell, longFarewell)
	errs.Flush(farewell, longFarewell)
	return err
}

// sayLast writes what there is to say after a command has ended, and waits for the
// reader no longer than the command itself.
func sayLast(to io.Writer, text string) {
	_, _ = io.WriteString(to, text) // who cannot be told cannot be told that either
	if o, is := printable.Below(to).(*outlet.Outlet); is {
		o.Flush(farewell, longFarewell)
	}
}

// terminalOf returns the terminal that w is; nil if it is none.
func terminalOf(w io.Writer) *os.File {
	if f, is := w.(*os.File); is && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

func same(a, b *os.File) bool {
	if a == nil || b == nil {
		return false
	}
	one, err := a.Stat()
	other, err2 := b.Stat()
	return err == nil && err2 == nil && os.SameFile(one, other)
}

// remark says something in the journal, unless too much waits for it already.
func (s *streams) remark(text string) {
	select {
	case s.remarks <- text:
	default:
	}
}

// unread says once that what is written reaches nobody.
func (s *streams) unread() func(error) {
	var once sync.Once
	return func(err error) {
		once.Do(func() {
			s.remark("what this process says cannot be written any more (" + reason(err) + "); it goes on without")
		})
	}
}

// reason leaves of an error of a file what went wrong with it.
func reason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Path + ": " + path.Err.Error()
	}
	return err.Error()
}

// heed keeps the signals that a terminal or a reader sends when it goes away from
// ending or stopping this process, for as long as it lives. A handler, unlike a
// signal that is ignored, is not handed down to the programs that it starts.
// SIGTTOU is sent for each try to write from the background where the terminal says
// so (stty tostop), and only who ignores it may write; SIGTTIN is its like for
// reading (termios(3), "tostop").
func (s *streams) heed() {
	signal.Ignore(syscall.SIGTTOU, syscall.SIGTTIN)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGPIPE, syscall.SIGHUP)
	go func() {
		told := false
		for got := range signals {
			if got == syscall.SIGHUP && !told {
				told = true
				s.remark("its terminal was closed, or somebody has sent SIGHUP; it goes on; to stop watching: kill -INT " + strconv.Itoa(os.Getpid()))
			}
		}
	}()
}

// divert puts a pipe in the place of this process's standard error output, which is
// emptied into to at once: libraries and the programs that they start, such as one
// that brings credentials, write there by themselves and would wait for its reader.
// What a program that crashes says is not diverted. The function that is returned
// undoes it.
func divert(to io.Writer) func() {
	r, w, err := os.Pipe()
	if err != nil {
		return func() {} // without file descriptors there are greater troubles
	}
	own, logged, done := os.Stderr, log.Writer(), make(chan struct{})
	os.Stderr = w
	log.SetOutput(to)
	go func() {
		defer close(done)
		defer r.Close()
		empty(r, to)
	}()
	return func() {
		os.Stderr = own
		log.SetOutput(logged)
		w.Close()
		select {
		case <-done:
		case <-time.After(prompt): // a program that still runs holds it open
		}
	}
}

// prompt is how soon text that does not end a line is shown, as a question is that
// somebody is to answer.
const prompt = 100 * time.Millisecond

// empty hands what comes out of a pipe to a writer, in whole lines as far as there
// are.
func empty(r *os.File, to io.Writer) {
	buffer, n := make([]byte, 64<<10), 0
	for {
		var until time.Time
		if n > 0 {
			until = time.Now().Add(prompt)
		}
		_ = r.SetReadDeadline(until) // where there is none, the rest comes with the next line
		got, err := r.Read(buffer[n:])
		n += got
		whole := bytes.LastIndexByte(buffer[:n], '\n') + 1
		if err != nil || n == len(buffer) {
			whole = n
		}
		if whole > 0 {
			_, _ = to.Write(buffer[:whole])
			n = copy(buffer, buffer[whole:n])
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
