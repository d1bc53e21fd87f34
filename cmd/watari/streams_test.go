package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"watari.dev/internal/outlet"
)

// page is a writer that may be read while somebody writes.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *page) shows() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// TestErrorOutputOfOthersIsDiverted: what libraries and the programs that they start
// write to the standard error output goes the same way as the command's own, in the
// same order, and a question is not held back until its line ends.
func TestErrorOutputOfOthersIsDiverted(t *testing.T) {
	var shown page
	out := outlet.New(&shown, outlet.Options{})
	own := os.Stderr
	undo := divert(out)
	fmt.Fprintln(os.Stderr, "a library")
	program := exec.Command("sh", "-c", "echo a program >&2; printf 'code: ' >&2")
	program.Stderr = os.Stderr
	if err := program.Run(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(shown.shows(), "code: "); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the question is not shown: %q", shown.shows())
		}
	}
	log.Print("a logger")
	fmt.Fprint(os.Stderr, "the end")
	undo()
	if !out.Flush(farewell, longFarewell) || os.Stderr != own {
		t.Errorf("not undone")
	}
	got := shown.shows()
	for _, want := range []string{"a library\na program\ncode: ", "a logger\n", "the end"} {
		if !strings.Contains(got, want) {
			t.Errorf("shown is %q, it lacks %q", got, want)
		}
	}
}

// TestAProgramIsNotHeldUp: a program that says more than any pipe holds ends, and so
// does whoever waits for it, while nobody reads.
func TestAProgramIsNotHeldUp(t *testing.T) {
	reader := make(chan struct{})
	out := outlet.New(blocked{reader}, outlet.Options{})
	undo := divert(out)
	program := exec.Command("sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo 'the credentials are not here, and this is said again and again without any need' >&2; i=$((i+1)); done")
	program.Stderr = os.Stderr
	ended := make(chan error, 1)
	go func() { ended <- program.Run() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a program that somebody waits for is held up by a reader")
		_ = program.Process.Kill()
	}
	undo()
	close(reader)
	if !out.Flush(farewell, longFarewell) {
		t.Error("somebody reads, and not all is written")
	}
}

// blocked is a writer that nobody reads until its channel is closed.
type blocked struct{ until chan struct{} }

func (b blocked) Write(p []byte) (int, error) {
	<-b.until
	return len(p), nil
}
