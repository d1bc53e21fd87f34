package sim

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"watari.dev/engine"
)

// Sweep plays many seeds, on several cores.
type Sweep struct {
	From   uint64  // the first seed
	Seeds  uint64  // how many; 0: until the context ends
	Jobs   int     // how many are played at once; 0 is one for each core
	Mutant *Mutant // what is broken; nil for nothing
	Twice  uint64  // each seed that it divides is played twice and its traces compared; 0 is none
	Most   int     // violations after which no new seed is begun; 0 is 1

	Progress func(Tally)   // told every Every how far it is; nil for nobody
	Every    time.Duration // 0 is 10 s
}

// Tally is what became of the seeds that were played.
type Tally struct {
	Seeds    int64                  // that were played to their end
	Twice    int64                  // of which twice
	Ends     map[engine.Phase]int64 // the phases they ended in
	Steps    int64                  // of the engine
	Events   int64                  // of the world
	Virtual  time.Duration          // from the first start to the last phase, of all migrations together
	Took     time.Duration          // by the clock on the wall
	Coverage Coverage
	Found    []Found // by seed
}

// Found is a seed that broke an invariant.
type Found struct {
	Seed      uint64
	Violation *Violation
}

// Complete returns how many migrations came to their end: complete, taken back, or
// failed before anything was changed.
func (t *Tally) Complete() (n int64) {
	for phase, times := range t.Ends {
		if phase.Ended() {
			n += times
		}
	}
	return n
}

func (t *Tally) add(other *Tally) {
	if t.Ends == nil {
		t.Ends = map[engine.Phase]int64{}
	}
	for phase, times := range other.Ends {
		t.Ends[phase] += times
	}
	t.Seeds += other.Seeds
	t.Twice += other.Twice
	t.Steps += other.Steps
	t.Events += other.Events
	t.Virtual += other.Virtual
	t.Coverage.Merge(&other.Coverage)
	t.Found = append(t.Found, other.Found...)
}

// worker plays seeds one after the other.
type worker struct {
	*Sweep
	simulator Simulator
	lock      sync.Mutex
	tally     Tally
}

// Run plays the seeds in their order and returns when the last one has been played,
// enough violations are found, or ctx ends. A seed that was begun is played to its
// end, so that the lowest one found is the lowest there is.
func (s Sweep) Run(ctx context.Context) Tally {
	began := time.Now()
	if s.Jobs <= 0 {
		s.Jobs = runtime.GOMAXPROCS(0)
	}
	var next, found atomic.Uint64
	workers := make([]worker, s.Jobs)
	tell := s.reports(workers, began)
	var all sync.WaitGroup
	for i := range workers {
		w := &workers[i]
		w.Sweep = &s
		all.Go(func() {
			defer w.simulator.Close()
			for ctx.Err() == nil && found.Load() < uint64(max(1, s.Most)) {
				n := next.Add(1) - 1
				if s.Seeds > 0 && n >= s.Seeds {
					return
				}
				found.Add(w.play(context.WithoutCancel(ctx), s.From+n))
			}
		})
	}
	all.Wait()
	tell()
	return sum(workers, began)
}

// reports begins to tell how far it is, and returns what ends that.
func (s *Sweep) reports(workers []worker, began time.Time) (end func()) {
	if s.Progress == nil {
		return func() {}
	}
	ended, done := make(chan struct{}), make(chan struct{})
	ticker := time.NewTicker(cmp.Or(s.Every, 10*time.Second))
	go func() {
		defer close(done)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				s.Progress(sum(workers, began))
			}
		}
	}()
	return func() { close(ended); <-done }
}

func sum(workers []worker, began time.Time) Tally {
	var out Tally
	for i := range workers {
		w := &workers[i]
		w.lock.Lock()
		out.add(&w.tally)
		w.lock.Unlock()
	}
	out.Took = time.Since(began)
	slices.SortFunc(out.Found, func(a, b Found) int { return cmp.Compare(a.Seed, b.Seed) })
	return out
}

// play plays one seed and returns how many violations it adds: 0 or 1.
func (w *worker) play(ctx context.Context, seed uint64) uint64 {
	twice := w.Twice > 0 && seed%w.Twice == 0
	one := Tally{Seeds: 1}
	plan := Draw(seed)
	r := w.simulator.Run(ctx, plan, Options{Mutant: w.Mutant, Coverage: &one.Coverage, Trace: twice})
	one.Ends = map[engine.Phase]int64{r.Phase: 1}
	one.Steps, one.Events, one.Virtual = int64(r.Steps), r.Events, r.Took
	if twice {
		one.Twice = 1
		if err := again(ctx, plan, w.Mutant, r); err != nil && r.Broken == nil {
			r.Broken = err
		}
	}
	if v := violation(r.Broken); v != nil {
		one.Found = []Found{{seed, v}}
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	w.tally.add(&one)
	return uint64(len(one.Found))
}

// again plays a plan in a simulator that has played nothing before, and states that
// it is the same to the byte.
func again(ctx context.Context, plan Plan, broken *Mutant, first Result) error {
	var fresh Simulator
	defer fresh.Close()
	second := fresh.Run(ctx, plan, Options{Mutant: broken, Trace: true})
	if n := differ(first.Trace, second.Trace); n >= 0 {
		return &Violation{Invariant: "same seed, same trace", Text: fmt.Sprintf("line %d is %q, then %q", n+1, lineOf(first.Trace, n), lineOf(second.Trace, n))}
	}
	if first.Phase != second.Phase || first.Events != second.Events || first.Steps != second.Steps {
		return &Violation{Invariant: "same seed, same trace", Text: fmt.Sprintf("%s after %d events, then %s after %d", first.Phase, first.Events, second.Phase, second.Events)}
	}
	return nil
}

// differ returns the first line in which two traces differ; -1 if they do not.
func differ(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

func lineOf(trace []string, n int) string {
	if n < len(trace) {
		return trace[n]
	}
	return "nothing"
}
