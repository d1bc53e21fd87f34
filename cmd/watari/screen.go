package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/internal/outlet"
	"watari.dev/internal/printable"
	"watari.dev/router/metered"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/view"
)

// beatEvery is how often a plain log says that somebody is still watching.
const beatEvery = 10 * time.Second

// screen shows turns: as a frame that is drawn over on a terminal, as lines or
// as JSON elsewhere.
type screen struct {
	out   io.Writer
	errs  io.Writer
	draw  func(outlet.Frame) // shows a frame; nil where there is no terminal
	frame frame
	spec  engine.Spec
	watch *view.Watch
	json  bool
	live  bool
	file  string
	beat  time.Time

	totals func() metered.Totals // what the drivers did; nil if nobody counts
}

func screenFor(to *streams, spec engine.Spec, output string, files []string) *screen {
	s := &screen{out: to.out, errs: to.errs, spec: spec, watch: view.NewWatch(spec), json: output == "json", file: strings.Join(files, " -f ")}
	if to.terminal != nil && !s.json {
		s.live, s.draw, s.frame.size = true, to.draw, sizeOf(to.terminal)
	}
	return s
}

// turn shows one turn.
func (s *screen) turn(t runner.Turn) {
	lines := s.watch.Add(t)
	beat := t.At.Sub(s.beat) >= beatEvery
	if beat {
		s.beat = t.At
	}
	switch {
	case s.json:
		if err := view.JSON(s.out, t, beat); err != nil {
			printable.Fprintf(s.errs, "write the events: %v\n", err)
		}
	case s.live:
		lines := s.watch.Frame()
		s.draw(func(over bool) []byte { return s.frame.over(lines, over) })
	default:
		for _, line := range lines {
			printable.Fprintln(s.out, line)
		}
		if beat && len(lines) == 0 {
			printable.Fprintln(s.out, s.watch.Beat())
		}
	}
}

// end says how it ended and what can be done now.
func (s *screen) end(status engine.Status, err error) error {
	if err != nil && !errors.Is(err, context.Canceled) {
		return s.failed(status, err)
	}
	if s.json {
		return s.code(status, err)
	}
	if s.live {
		printable.Fprintln(s.out)
	}
	if err != nil && status.Unfinished() {
		printable.Fprintf(s.out, "Stopped trying. %s %s\n", view.Unfinished(status), view.Next(s.spec.Name, status.Phase, s.file))
		return s.code(status, err)
	}
	if err != nil {
		printable.Fprintf(s.out, "Stopped watching. The share stays at %s, and nobody watches it now. %s\n", status.Share(), view.Next(s.spec.Name, status.Phase, s.file))
		return s.code(status, err)
	}
	s.summary(status)
	s.calls()
	printable.Fprintln(s.out, view.NextOf(s.spec, status, s.file))
	return s.code(status, nil)
}

// failed adds to an error what can be done. What is remembered may be older than
// what is there: somebody else was at the levers, or the disk was full when the
// share was taken back.
func (s *screen) failed(status engine.Status, err error) error {
	switch {
	case errors.Is(err, store.ErrLost), errors.Is(err, store.ErrConflict):
		return printable.Advise(err, fmt.Sprintf("Somebody else has run it since. See where it stands: watari status %s", s.spec.Name))
	case status.Phase == "", status.Phase.Ended():
		return err
	default:
		return printable.Advise(err, fmt.Sprintf("The share that is remembered is %s, and nobody watches it now. %s", status.Share(), view.Next(s.spec.Name, status.Phase, s.file)))
	}
}

func (s *screen) summary(status engine.Status) {
	printable.Fprintln(s.out, view.Headline(s.spec, status))
	total := status.Evidence.Total
	if status.Phase == engine.RolledBack && total.Target.Requests > 0 {
		printable.Fprintf(s.out, "%s got %s requests: %s.\n", s.spec.Target, view.Count(total.Target.Requests), view.Harm(s.spec, status.Evidence))
	}
	if status.Phase == engine.Complete && total.Target.Requests > 0 {
		printable.Fprintf(s.out, "%s answered %s requests, %s of them failed.\n", s.spec.Target, view.Count(total.Target.Requests), view.Count(total.Target.Errors))
	}
}

// calls says what was asked of the levers.
func (s *screen) calls() {
	if s.totals == nil {
		return
	}
	t := s.totals()
	printable.Fprintf(s.out, "The levers were written %s and read %s by this process.\n", times(len(t.Writes)+t.Dropped), times(t.Calls["read"]))
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return view.Count(int64(n)) + " times"
}

func (s *screen) code(status engine.Status, err error) error {
	if err != nil {
		return interrupted(status)
	}
	return phaseEnd(status.Phase)
}
