package datadog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	// maxCells is how many cells one request asks for. Datadog answers on a coarser grid
	// above a number of points that its pages have given as 350 and as 1500
	// (docs.datadoghq.com/dashboards/functions/rollup).
	maxCells  = 300
	maxAlive  = 100
	maxWindow = maxCells - 2*maxAlive

	maxTogether = 24              // expressions in one request
	asksFor     = 3 * time.Minute // how long an expression is read and remembered after it was last asked for, or 3 cells
	knownFor    = time.Minute     // how long a refusal or an absence is believed
)

// wish is an expression that somebody asks for again and again.
type wish struct {
	expression
	from int64 // the first cell that is asked for
	at   time.Time
}

// verdict is Datadog's no to an expression.
type verdict struct {
	words string
	at    time.Time
}

// refusal is a mistake in an expression, which no repetition cures.
type refusal struct{ words string }

// Error says what is wrong with which expression.
func (r *refusal) Error() string { return r.words }

// pause is until when nothing is asked, and why.
type pause struct {
	until time.Time
	why   string
}

// flight is one request with all who wait for it.
type flight struct {
	done chan struct{}
	err  error // set before done is closed
}

// ask is what a flight reads: the cells from..to of all expressions, and what the
// metrics are.
type ask struct {
	expressions []expression
	metrics     []string
	from, to    int64
}

// ensure reads what is not known yet of the cells from..to. Of all callers one asks;
// the others wait for the answer. A caller that cannot wait leaves, and the answer is
// there when it comes back.
func (s *Source) ensure(ctx context.Context, expressions []expression, from, to int64) error {
	from -= s.grid.span(s.grid.alive)
	for asked := false; ; {
		f, mine, err := s.board(expressions, from, to, asked)
		if f == nil {
			return err
		}
		asked = asked || mine
		select {
		case <-f.done:
		case <-ctx.Done():
			return fmt.Errorf("%s has not answered yet: %w", s.name, context.Cause(ctx))
		}
		if f.err != nil {
			return f.err
		}
	}
}

// board returns the flight to wait for, and whether it began for this caller; none if
// all is known, or if nothing can be asked now. Who has asked once does not ask again.
func (s *Source) board(expressions []expression, from, to int64, asked bool) (f *flight, mine bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.wish(expressions, from, now)
	switch bad := s.refusalOf(expressions, now); {
	case s.closed:
		return nil, false, fmt.Errorf("%s: this source is closed", s.name)
	case bad != nil:
		return nil, false, bad
	case s.knows(expressions, from, to, now):
		return nil, false, nil
	case s.flying != nil:
		return s.flying, false, nil
	case now.Before(s.pause.until):
		return nil, false, fmt.Errorf("%s; it is asked again at %s", s.pause.why, clock(s.pause.until))
	case asked:
		return nil, false, fmt.Errorf("%s: this computer's clock is ahead of Datadog's by more than 2s, so points that it takes for complete are not: set the clock", s.name)
	}
	s.flying = &flight{done: make(chan struct{})}
	a := s.plan(expressions, from, now)
	started := s.flying
	s.asked.Go(func() { s.fly(started, a) })
	return s.flying, true, nil
}

func (s *Source) wish(expressions []expression, from int64, now time.Time) {
	for _, e := range expressions {
		s.wishes[e.text] = wish{e, from, now}
	}
	for text, w := range s.wishes {
		if now.Sub(w.at) > max(asksFor, 3*s.grid.every) {
			delete(s.wishes, text)
			delete(s.series, text)
		}
	}
}

func (s *Source) refusalOf(expressions []expression, now time.Time) error {
	for _, e := range expressions {
		if v, is := s.refused[e.text]; is && now.Sub(v.at) < knownFor {
			return &refusal{v.words}
		}
		if k := s.kinds[e.metric]; k.uncountable != "" && now.Sub(k.at) < knownFor {
			return &refusal{k.uncountable}
		}
	}
	return nil
}

func (s *Source) knows(expressions []expression, from, to int64, now time.Time) bool {
	for _, e := range expressions {
		if _, missing := s.series[e.text].missing(from, to, s.grid.span(s.grid.alive)); missing || !s.kinds[e.metric].known(now) {
			return false
		}
	}
	return true
}

// plan puts together what one request asks: the caller's expressions, and those of
// others that are asked for at the same time. A caller that looks far back asks alone.
func (s *Source) plan(own []expression, from int64, now time.Time) ask {
	ready := s.grid.taken(now)
	a := ask{from: ready, to: ready}
	for _, e := range own {
		s.include(&a, e, from, math.MinInt64, now)
	}
	if a.to-a.from > maxCells {
		a.to = a.from + maxCells
		return a
	}
	for _, w := range s.others(own, now) {
		if len(a.expressions) < maxTogether {
			s.include(&a, w.expression, max(w.from, ready-maxCells), ready-maxCells, now)
		}
	}
	return a
}

// include adds to a what is not known yet of e from the cell from on, unless that
// begins before the cell earliest.
func (s *Source) include(a *ask, e expression, from, earliest int64, now time.Time) {
	if !s.kinds[e.metric].known(now) && !slices.Contains(a.metrics, e.metric) {
		a.metrics = append(a.metrics, e.metric)
	}
	lo, missing := s.series[e.text].missing(from, a.to, s.grid.span(s.grid.alive))
	if missing && lo >= earliest && !slices.Contains(a.expressions, e) {
		a.expressions, a.from = append(a.expressions, e), min(a.from, lo)
	}
}

func (s *Source) others(own []expression, now time.Time) (out []wish) {
	for _, w := range s.wishes {
		if !slices.Contains(own, w.expression) && s.refusalOf([]expression{w.expression}, now) == nil {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b wish) int { return strings.Compare(a.text, b.text) })
	return out
}

// fly asks, and keeps what was answered.
func (s *Source) fly(f *flight, a ask) {
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.timeout, fmt.Errorf("no answer within %s", s.timeout))
	defer cancel()
	learned, err := s.learn(ctx, a.metrics)
	var got []answer
	if err == nil && len(a.expressions) > 0 {
		got, err = s.read(ctx, a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for name, k := range learned {
		k.at = now
		s.kinds[name] = k
	}
	for _, g := range got {
		s.keep(g, a, now)
	}
	f.err = s.settle(err, now)
	s.flying = nil
	close(f.done)
}

// keep stores one answer. Cells that are not old enough by Datadog's own clock are
// left for later, though they are by ours.
func (s *Source) keep(got answer, a ask, now time.Time) {
	if got.refused != "" {
		for _, e := range got.expressions {
			s.refused[e.text] = verdict{got.refused, now}
		}
		return
	}
	to := a.to
	if got.skew < 0 {
		to = min(to, s.grid.taken(now.Add(got.skew)))
	}
	if to <= a.from {
		return
	}
	for i, e := range got.expressions {
		if s.series[e.text] == nil {
			s.series[e.text] = &series{}
		}
		delete(s.refused, e.text)
		read := map[int64]point{}
		for cell, count := range got.counts[i] {
			if cell < to {
				read[cell] = point{count, got.skew}
			}
		}
		s.series[e.text].store(a.from, to, read, s.grid.span(s.grid.alive))
	}
}

// settle decides when to ask again: at once after an answer, when Datadog says after
// a limit, and otherwise after 1, 2, 4... seconds, up to the length of a cell.
func (s *Source) settle(err error, now time.Time) error {
	var limited *limit
	switch {
	case err == nil:
		s.failures, s.pause = 0, pause{}
		return nil
	case errors.As(err, &limited) && limited.answered: // the answer is good, the next one would not come
		s.failures, s.pause = 0, pause{now.Add(limited.wait), limited.Error()}
		return nil
	case errors.As(err, &limited):
		s.pause = pause{now.Add(limited.wait), limited.Error()}
	default:
		wait := min(time.Second<<min(s.failures, 10), s.grid.every)
		s.failures++
		s.pause = pause{now.Add(wait), err.Error()}
	}
	return fmt.Errorf("%w; it is asked again at %s", err, clock(s.pause.until))
}
