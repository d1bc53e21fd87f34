package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/router/memrouter"
	"watari.dev/signal"
	"watari.dev/signal/memsignal"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/store/storetest"
	"watari.dev/traffic"
)

// stage is a world in memory, inside a synctest bubble: levers, users whose
// requests follow the levers, a store.
type stage struct {
	cfg     Config
	router  *memrouter.Router
	signal  *memsignal.Source
	store   *memstore.Store
	failing float64 // error ratio of the target
	turns   []Turn
}

var publicRef = router.Ref{Name: "public", Driver: "mem", ID: "rule-1", Source: "eks-1-33", Target: "eks-1-36"}

func newStage(t *testing.T, options ...memstore.Option) *stage {
	t.Helper()
	s := &stage{
		router: memrouter.New(memrouter.Config{Features: router.Features{MaxWeight: 999, Atomic: true, Propagation: 2 * time.Second}}),
		signal: memsignal.New(),
		store:  memstore.New(options...),
	}
	s.router.Add(publicRef, router.Weight{Entry: "eks-1-33", Weight: 100}, router.Weight{Entry: "eks-1-36", Weight: 0})
	s.cfg = Config{
		Key: store.Key{Name: "shop"},
		Spec: engine.Spec{
			Name: "shop", Source: "eks-1-33", Target: "eks-1-36",
			Routes:   []engine.RouteSpec{{Name: "public", Granularity: 11, SettleWithin: time.Minute, LookEvery: time.Second}},
			Steps:    []engine.StepSpec{{Share: 1000, Hold: 10 * time.Second}, {Share: 10000, Hold: 20 * time.Second}},
			Gate:     engine.Gate{Signals: true, MaxErrorRatio: 0.01, MinRequests: 20, Window: 10 * time.Second, Interval: time.Second},
			Rollback: engine.Rollback{OnUnknown: engine.UnknownHolds, UnknownAfter: time.Minute},
		},
		Record:  json.RawMessage(`{"plan":1}`),
		Routes:  map[string]Route{"public": {Ref: publicRef, Driver: s.router}},
		Signals: []Signal{{Source: s.signal, Query: signal.Query{Name: "test", Requests: traffic.BySide[string]{Source: "s", Target: "t"}, Errors: traffic.BySide[string]{Source: "s", Target: "t"}}}},
		Store:   s.store,
		Holder:  store.Holder{ID: "me", User: "anna", Host: "here", PID: 1},
		OnTurn:  func(turn Turn) { s.turns = append(s.turns, turn) },
	}
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		s.signal.Turn(time.Now(), side, traffic.Known, "")
	}
	return s
}

// serve lets users come, 100 a second, until ctx ends.
func (s *stage) serve(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var toTarget, failed float64
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-tick.C:
			part := s.router.Parts(publicRef)[0]
			toTarget += 10 * part.Share.Ratio()
			n := int64(toTarget)
			toTarget -= float64(n)
			failed += float64(n) * s.failing
			errs := int64(failed)
			failed -= float64(errs)
			s.signal.Serve(at, traffic.Target, traffic.Counts{Requests: n, Errors: errs})
			s.signal.Serve(at, traffic.Source, traffic.Counts{Requests: 10 - n})
		}
	}
}

// run turns the loop with users around it, for at most an hour of the bubble.
func (s *stage) run(t *testing.T) (engine.Status, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	return s.runUntil(ctx)
}

func (s *stage) runUntil(ctx context.Context) (engine.Status, error) {
	users, leave := context.WithCancel(context.WithoutCancel(ctx))
	gone := make(chan struct{})
	go func() { defer close(gone); s.serve(users) }()
	status, err := Run(ctx, s.cfg)
	leave()
	<-gone
	return status, err
}

func (s *stage) share() traffic.Share { return s.router.Parts(publicRef)[0].Share }

func TestGoodTargetGetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		status, err := s.run(t)
		if err != nil || status.Phase != engine.Complete || s.share() != traffic.All {
			t.Fatalf("%s %s, share %s, %v", status.Phase, status.Reason, s.share(), err)
		}
		journal, err := storetest.All(s.store.Journal(t.Context(), s.cfg.Key))
		if err != nil {
			t.Fatal(err)
		}
		var effects int
		for _, e := range journal {
			if e.Kind == "effect" {
				effects++
				if !strings.Contains(string(e.Data), `"receipt"`) {
					t.Errorf("an effect without its receipt: %s", e.Data)
				}
			}
		}
		if effects != 2 {
			t.Errorf("%d effects in the journal, want one for each step", effects)
		}
		if _, _, held, _ := s.store.Holder(t.Context(), s.cfg.Key); held {
			t.Error("the lease was not given back")
		}
	})
}

func TestBadTargetIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.failing = 0.2
		status, err := s.run(t)
		if err != nil || status.Phase != engine.RolledBack || s.share() != traffic.None {
			t.Fatalf("%s %s, share %s, %v", status.Phase, status.Reason, s.share(), err)
		}
	})
}

// TestStatusIsSavedBeforeItIsApplied looks into the store at each write.
func TestStatusIsSavedBeforeItIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.cfg.Routes["public"] = Route{Ref: publicRef, Driver: checked{s.router, func(c router.Change) {
			record, _, err := s.store.Load(t.Context(), s.cfg.Key)
			if err != nil || !strings.Contains(string(record.Status), fmt.Sprintf("%q", c.ID)) {
				t.Errorf("write %s was applied before it was saved: %v", c.ID, err)
			}
		}}}
		if status, err := s.run(t); err != nil || status.Phase != engine.Complete {
			t.Fatal(status.Phase, err)
		}
	})
}

type checked struct {
	router.Driver
	before func(router.Change)
}

func (c checked) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	c.before(change)
	return c.Driver.Write(ctx, change)
}

// TestFullDiskRaisesNothing: what cannot be remembered is not done, and it goes on
// by itself when it can.
func TestFullDiskRaisesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full, decided := true, 0
		s := newStage(t, failing(&full, memstore.FailBefore))
		s.cfg.Step = func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
			if decided++; decided == 60 {
				if s.share() != traffic.None {
					t.Errorf("%s was written and nobody could remember it", s.share())
				}
				full = false
			}
			return engine.Step(spec, status, seen, now)
		}
		if status, err := s.run(t); err != nil || status.Phase != engine.Complete {
			t.Fatal(status.Phase, err)
		}
	})
}

// TestAnEndThatCannotBeRemembered is said with what is true of the levers.
func TestAnEndThatCannotBeRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := true
		s := newStage(t, failing(&full, memstore.FailBefore))
		s.cfg.Orders = []engine.Command{{ID: "now", Verb: engine.TakeBack, By: "anna"}}
		var unsaved *UnsavedError
		if _, err := s.run(t); !errors.As(err, &unsaved) || unsaved.Status.Phase != engine.RolledBack || s.share() != traffic.None {
			t.Fatalf("share %s, %v", s.share(), err)
		}
	})
}

// TestFullDiskDoesNotBlind: a disk that fills up while a share is held does not
// stop the watch; a bad target is taken back, and what happened is remembered
// once there is room.
func TestFullDiskDoesNotBlind(t *testing.T) {
	for _, fault := range []memstore.Fault{memstore.FailBefore, memstore.FailAfter} {
		synctest.Test(t, func(t *testing.T) {
			full := false
			s := newStage(t, failing(&full, fault))
			s.router.Fail(memrouter.Write, memrouter.Fault{Kind: router.ErrThrottled, Times: 2})
			s.cfg.OnTurn = func(turn Turn) {
				switch turn.Status.Phase {
				case engine.Holding:
					full, s.failing = true, 1
					s.router.Fail(memrouter.Write, memrouter.Fault{Kind: router.ErrThrottled, Times: 3})
				case engine.RollingBack:
					full = turn.Status.Share() > traffic.None
				}
			}
			status, err := s.run(t)
			if err != nil || status.Phase != engine.RolledBack || s.share() != traffic.None {
				t.Fatalf("%s %s, share %s, %v", status.Phase, status.Reason, s.share(), err)
			}
			journal, err := storetest.All(s.store.Journal(t.Context(), s.cfg.Key))
			if err != nil || !slices.ContainsFunc(journal, func(e store.Entry) bool { return strings.Contains(e.Text, "degraded") }) {
				t.Errorf("what happened on the full disk is not in the journal: %v", err)
			}
		})
	}
}

// failing makes saves fail while full is true.
func failing(full *bool, fault memstore.Fault) memstore.Option {
	return memstore.WithFaults(func(op memstore.Op, _ store.Key) memstore.Fault {
		if *full && op == memstore.Save {
			return fault
		}
		return memstore.None
	})
}

func TestLostLeaseStopsBeforeAnythingIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		stolen := false
		s.cfg.OnTurn = func(turn Turn) {
			if turn.Status.Phase == engine.Holding && !stolen {
				stolen = true
				time.Sleep(time.Minute) // the process was stopped longer than its lease
				if _, err := s.store.Acquire(t.Context(), s.cfg.Key, store.Holder{ID: "other"}, time.Hour, false); err != nil {
					t.Error(err)
				}
			}
		}
		_, err := s.run(t)
		if !errors.Is(err, store.ErrLost) || s.share() != 1000 {
			t.Fatalf("share %s, %v", s.share(), err)
		}
	})
}

func TestSecondRunnerIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		if _, err := s.store.Acquire(t.Context(), s.cfg.Key, store.Holder{ID: "other", User: "bob", Host: "there", PID: 7}, time.Hour, false); err != nil {
			t.Fatal(err)
		}
		_, err := s.run(t)
		if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "bob@there") {
			t.Fatal(err)
		}
	})
}

func TestCtrlCLeavesTheShareAndTheNextRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		ctx, stop := context.WithCancel(t.Context())
		s.cfg.OnTurn = func(turn Turn) {
			if turn.Status.Phase == engine.Holding {
				stop()
			}
		}
		status, err := s.runUntil(ctx)
		if !errors.Is(err, context.Canceled) || status.Phase != engine.Holding || s.share() != 1000 {
			t.Fatalf("%s, share %s, %v", status.Phase, s.share(), err)
		}
		s.cfg.OnTurn = func(Turn) {}
		if status, err := s.run(t); err != nil || status.Phase != engine.Complete {
			t.Fatal(status.Phase, err)
		}
	})
}

// asking calls ask before each question to a signal.
type asking struct {
	signal.Source
	ask func() error
}

func (a asking) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	if err := a.ask(); err != nil {
		return signal.Counts{}, err
	}
	return a.Source.Counts(ctx, q, from, to)
}

// TestWhoIsToldToStopDecidesNothingMore: what he sees while he is being stopped may
// be half of what is.
func TestWhoIsToldToStopDecidesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		ctx, stop := context.WithCancel(t.Context())
		s.cfg.Signals[0].Source = asking{s.signal, func() error {
			if s.share() == 1000 {
				stop()
			}
			return nil
		}}
		s.cfg.OnTurn = func(turn Turn) {
			if ctx.Err() != nil {
				t.Errorf("a turn after that: %s, %s", turn.Status.Phase, turn.Status.Reason)
			}
		}
		if status, err := s.runUntil(ctx); !errors.Is(err, context.Canceled) || s.share() != 1000 {
			t.Fatalf("%s, share %s, %v", status.Phase, s.share(), err)
		}
	})
}

// TestQuestionsThatNobodyCanAnswer end a migration that has not begun, and blind one
// that has.
func TestQuestionsThatNobodyCanAnswer(t *testing.T) {
	wrong := errors.New("there is no such metric")
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.cfg.Signals[0].Source = asking{s.signal, func() error { return wrong }}
		if status, err := s.run(t); !errors.Is(err, wrong) || status.Phase != engine.Pending && status.Phase != "" || s.share() != 0 {
			t.Errorf("before it begins: %s, share %s, %v", status.Phase, s.share(), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.cfg.Spec.Rollback.OnUnknown = engine.UnknownRollsBack
		s.cfg.Signals[0].Source = asking{s.signal, func() error {
			if s.share() > 0 {
				return wrong
			}
			return nil
		}}
		status, err := s.run(t)
		if err != nil || status.Phase != engine.RolledBack || !strings.Contains(status.Cause, wrong.Error()) {
			t.Errorf("on the way: %s, %s, %v", status.Phase, status.Cause, err)
		}
	})
}

// TestRollbackNeedsTheRouterAlone runs as "watari rollback" does: no signals, an
// operator's command waiting.
func TestRollbackNeedsTheRouterAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		ctx, stop := context.WithCancel(t.Context())
		s.cfg.OnTurn = func(turn Turn) {
			if turn.Status.Phase == engine.Holding {
				stop()
			}
		}
		if _, err := s.runUntil(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		s.router.Fail(memrouter.Read, memrouter.Fault{Times: 3})
		s.router.Fail(memrouter.Write, memrouter.Fault{Kind: router.ErrThrottled, Times: 2})
		if err := s.store.Submit(t.Context(), s.cfg.Key, store.Command{ID: "1", Kind: "rollback", By: "anna", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		s.cfg.Signals, s.cfg.OnTurn = nil, func(Turn) {}
		status, err := s.run(t)
		if err != nil || status.Phase != engine.RolledBack || s.share() != traffic.None {
			t.Fatalf("%s %s, share %s, %v", status.Phase, status.Reason, s.share(), err)
		}
		if left, _ := s.store.Commands(t.Context(), s.cfg.Key); len(left) != 0 {
			t.Errorf("consumed commands are left: %v", left)
		}
	})
}

// TestOrdersNeedNoStore: a command may come without the store, and is obeyed once.
func TestOrdersNeedNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.router.Set(publicRef, "terraform", "eks-1-36", 50)
		s.cfg.Signals, s.cfg.Orders = nil, []engine.Command{{ID: "1", Verb: engine.TakeBack, By: "anna", At: time.Now()}}
		status, err := s.run(t)
		if err != nil || status.Phase != engine.RolledBack || s.share() != traffic.None || len(status.Answers) != 1 {
			t.Fatalf("%s %s, share %s, %v", status.Phase, status.Reason, s.share(), err)
		}
	})
}

// TestRollbackWaitsForNobody: a signal and a lever that hang do not delay the
// write that an operator asked for.
func TestRollbackWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.cfg.Signals[0].Source = hanging{}
		s.cfg.Spec.Gate.Signals = false
		s.cfg.Spec.Steps[0].Approval = true
		var asked, written time.Time
		s.cfg.OnTurn = func(turn Turn) {
			for _, e := range turn.Effects {
				if e.Write.Urgent && written.IsZero() {
					written = e.Result.At
				}
			}
			if turn.Status.Phase == engine.WaitingForApproval && asked.IsZero() {
				asked = time.Now()
				s.router.Fail(memrouter.Read, memrouter.Fault{Stall: true, Times: 2})
				go func() {
					time.Sleep(700 * time.Millisecond)
					asked = time.Now()
					if err := s.store.Submit(t.Context(), s.cfg.Key, store.Command{ID: "1", Kind: "rollback", By: "anna", At: asked}); err != nil {
						t.Error(err)
					}
				}()
			}
		}
		status, err := s.run(t)
		if err != nil || status.Phase != engine.RolledBack {
			t.Fatal(status.Phase, status.Reason, err)
		}
		if took := written.Sub(asked); took > 2*pollCommands {
			t.Errorf("0 was written %s after the command", took)
		}
	})
}

// hanging never answers before its caller gives up.
type hanging struct{}

func (hanging) Counts(ctx context.Context, _ signal.Query, _, _ time.Time) (signal.Counts, error) {
	<-ctx.Done()
	failed := traffic.FailedAt[traffic.Counts](ctx.Err(), time.Now())
	return signal.Counts{Source: failed, Target: failed}, nil
}

// TestRestartRaisesNothingOnOldEvidence: what a dead process saw is not what the
// next one sees.
func TestRestartRaisesNothingOnOldEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		ctx, stop := context.WithCancel(t.Context())
		s.cfg.OnTurn = func(turn Turn) {
			if turn.Status.Phase == engine.Holding && turn.Status.Held > 4*time.Second {
				stop()
			}
		}
		if _, err := s.runUntil(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second) // dead time is not hold time
		for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
			s.signal.Turn(time.Now(), side, traffic.Failed, "refused")
		}
		s.cfg.OnTurn = func(turn Turn) {
			for _, e := range turn.Effects {
				t.Errorf("%s was written without anybody seeing the target", e.Write.Share)
			}
		}
		ctx, stop = context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if status, err := s.runUntil(ctx); !errors.Is(err, context.DeadlineExceeded) || status.Phase != engine.Holding {
			t.Fatal(status.Phase, err)
		}
	})
}

// TestAnswersThatNeverComeAreNotWaitedFor: a data plane that hangs costs its
// deadline and nothing else.
func TestAnswersThatNeverComeAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.router.Fail(memrouter.Read, memrouter.Fault{Stall: true, Times: 2})
		s.router.Fail(memrouter.Write, memrouter.Fault{Stall: true, Lost: true})
		status, err := s.run(t)
		if err != nil || status.Phase != engine.Complete {
			t.Fatal(status.Phase, status.Reason, err)
		}
	})
}

// says is a signal that always answers the same, and remembers what it was asked.
type says struct {
	counts signal.Counts
	err    error
	mu     sync.Mutex
	from   []time.Time
}

func (s *says) Counts(_ context.Context, q signal.Query, from, _ time.Time) (signal.Counts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = append(s.from, from)
	c := s.counts
	if q.Requests.Source == "" {
		c.Source = traffic.Reading[traffic.Counts]{}
	}
	if q.Requests.Target == "" {
		c.Target = traffic.Reading[traffic.Counts]{}
	}
	return c, s.err
}

func TestFirstSignalThatKnowsBothSidesCounts(t *testing.T) {
	at := time.Unix(100, 0)
	known := func(n int64) traffic.Reading[traffic.Counts] {
		return traffic.KnownAt(traffic.Counts{Requests: n}, at)
	}
	var unknown traffic.Reading[traffic.Counts]
	failed := traffic.FailedAt[traffic.Counts](errors.New("refused"), at)
	for name, c := range map[string]struct {
		first, second signal.Counts
		by            string
		source        traffic.State
		target        traffic.State
	}{
		"the first knows":       {signal.Counts{Source: known(1), Target: known(2)}, signal.Counts{Source: known(3), Target: known(4)}, "first", traffic.Known, traffic.Known},
		"only the second knows": {signal.Counts{Source: known(1), Target: unknown}, signal.Counts{Source: known(3), Target: known(4)}, "second", traffic.Known, traffic.Known},
		"the first is down":     {signal.Counts{Source: failed, Target: failed}, signal.Counts{Source: known(3), Target: known(4)}, "second", traffic.Known, traffic.Known},
		"none knows both":       {signal.Counts{Source: known(1), Target: failed}, signal.Counts{Source: unknown, Target: known(4)}, "first", traffic.Known, traffic.Failed},
	} {
		q := func(name string) signal.Query {
			return signal.Query{Name: name, Requests: traffic.BySide[string]{Source: "s", Target: "t"}}
		}
		services := servicesOf([]Signal{{Service: "web", Source: &says{counts: c.first}, Query: q("first")}, {Service: "web", Source: &says{counts: c.second}, Query: q("second")}}, machine{})
		services[0].since = at.Add(-time.Minute) // the first one was preferred, and lost, long ago
		in, err := services[0].count(t.Context(), at)
		if err != nil || len(services) != 1 || in.By != c.by || in.Source.State != c.source || in.Target.State != c.target {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
	}
}

// TestSidesAreCaughtUpWith follows the windows of a side that is not known for a
// while: nothing is lost until the gap is too long.
func TestSidesAreCaughtUpWith(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	source := &says{counts: signal.Counts{Source: traffic.KnownAt(traffic.Counts{}, at(0)), Target: traffic.KnownAt(traffic.Counts{}, at(0))}}
	q := signal.Query{Name: "q", Requests: traffic.BySide[string]{Source: "s", Target: "t"}}
	svc := servicesOf([]Signal{{Source: source, Query: q}}, machine{})[0]
	svc.counted = traffic.BySide[time.Time]{Source: at(0), Target: at(0)}
	step := func(to int, target traffic.State) engine.Interval {
		t.Helper()
		source.counts.Target.State = target
		in, err := svc.count(t.Context(), at(to))
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	step(1, traffic.Known)
	step(2, traffic.Unknown)
	if in := step(3, traffic.Known); !in.From.Target.Equal(at(1)) || !in.From.Source.Equal(at(2)) {
		t.Errorf("the target's window begins at %v", in.From)
	}
	step(4, traffic.Failed)
	step(200, traffic.Failed) // longer than longestGap
	if in := step(201, traffic.Known); !in.From.Target.Equal(at(200)) {
		t.Errorf("after a gap that is too long the window begins at %v", in.From.Target)
	}
}

// TestSidesThatLookAtDifferentMomentsAreKnownTogether: two servers that scrape every
// 15 s, 7 s apart, would never be known at the same time.
func TestSidesThatLookAtDifferentMomentsAreKnownTogether(t *testing.T) {
	start := time.Unix(9000, 0)
	phases := scraped{every: 15, source: 3, target: 10}
	q := signal.Query{Name: "q", Requests: traffic.BySide[string]{Source: "s", Target: "t"}}
	svc := servicesOf([]Signal{{Source: phases, Query: q, Every: 15 * time.Second}}, machine{})[0]
	svc.counted = traffic.BySide[time.Time]{Source: start, Target: start}
	both, requests := 0, int64(0)
	for second := 1; second <= 600; second++ {
		in, err := svc.count(t.Context(), start.Add(time.Duration(second)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if in.Source.State == traffic.Known && in.Target.State == traffic.Known {
			both++
		}
		if in.Target.State == traffic.Known {
			requests += in.Target.Value.Requests
		}
	}
	if both < 30 || requests < 560 {
		t.Errorf("in 40 scrapes of each side both were known %d times, and %d of 600 requests were counted", both, requests)
	}
}

// scraped is a source that has a sample of each side every so many seconds, at
// seconds of their own, and counts one request a second.
type scraped struct{ every, source, target int64 }

func (s scraped) Counts(_ context.Context, q signal.Query, from, to time.Time) (c signal.Counts, err error) {
	read := func(phase int64) traffic.Reading[traffic.Counts] {
		last := to.Unix() - (to.Unix()-phase)%s.every
		before := from.Unix() - (from.Unix()-phase)%s.every
		if last <= from.Unix() {
			return traffic.Reading[traffic.Counts]{Err: "no new sample"}
		}
		return traffic.KnownAt(traffic.Counts{Requests: last - before}, time.Unix(last, 0))
	}
	if q.Requests.Source != "" {
		c.Source = read(s.source)
	}
	if q.Requests.Target != "" {
		c.Target = read(s.target)
	}
	return c, nil
}

// TestEveryIntervalIsInTheJournal is what "watari analyze" lives on.
func TestEveryIntervalIsInTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		if _, err := s.run(t); err != nil {
			t.Fatal(err)
		}
		entries, err := storetest.All(s.store.Journal(t.Context(), s.cfg.Key))
		if err != nil {
			t.Fatal(err)
		}
		var target, seen int64
		for _, turn := range s.turns {
			for _, in := range turn.Seen.Counts {
				seen += in.Target.Value.Requests
			}
		}
		for _, e := range entries {
			if e.Kind != store.Counts {
				continue
			}
			var line struct{ Intervals []engine.Interval }
			if err := json.Unmarshal(e.Data, &line); err != nil || len(line.Intervals) == 0 {
				t.Fatalf("%s: %v", e.Data, err)
			}
			for _, in := range line.Intervals {
				target += in.Target.Value.Requests
			}
		}
		if target == 0 || target != seen {
			t.Errorf("the journal has %d requests of the target, the turns saw %d", target, seen)
		}
	})
}

func TestWhatMayHaveHappenedCountsAsLost(t *testing.T) {
	for _, c := range []struct {
		err  error
		want engine.Outcome
	}{
		{&router.Error{Kind: router.ErrThrottled, Effect: router.EffectNothing}, engine.Refused},
		{&router.Error{Kind: router.ErrConflict, Effect: router.EffectNothing}, engine.Refused},
		{&router.Error{Kind: router.ErrUnavailable, Effect: router.EffectNothing}, engine.Refused},
		{&router.Error{Kind: router.ErrDenied, Effect: router.EffectNothing}, engine.Denied},
		{&router.Error{Kind: router.ErrInexact, Effect: router.EffectNothing}, engine.Denied},
		{&router.Error{Kind: router.ErrNotFound, Effect: router.EffectNothing}, engine.Denied},
		{&router.Error{Kind: router.ErrSignedOut, Effect: router.EffectNothing}, engine.Held},
		{&router.Error{Kind: router.ErrClockOff, Effect: router.EffectNothing}, engine.Held},
		{&router.Error{Kind: router.ErrHeldBack, Effect: router.EffectNothing}, engine.Held},
		{&router.Error{Kind: router.ErrExpired, Effect: router.EffectNothing}, engine.Held},
		{&router.Error{Kind: router.ErrDenied, Effect: router.EffectPartial}, engine.Lost},
		{&router.Error{Kind: router.ErrExpired, Effect: router.EffectPartial}, engine.Lost},
		{&router.Error{Kind: router.ErrUnavailable}, engine.Lost},
		{errors.New("surprise"), engine.Lost},
	} {
		if got := outcome(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// TestKilledAtEveryTurn replaces the process after each of the first turns.
func TestKilledAtEveryTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var status engine.Status
		for kills := 0; kills < 40; kills++ {
			ctx, kill := context.WithCancel(t.Context())
			turns := 0
			s.cfg.OnTurn = func(Turn) {
				if turns++; turns > kills%4 {
					kill()
				}
			}
			var err error
			if status, err = s.runUntil(ctx); err == nil {
				break
			}
			kill()
		}
		s.cfg.OnTurn = func(Turn) {}
		if !status.Phase.Ended() {
			var err error
			if status, err = s.run(t); err != nil {
				t.Fatal(err)
			}
		}
		if status.Phase != engine.Complete || s.share() != traffic.All {
			t.Fatalf("%s %s, share %s", status.Phase, status.Reason, s.share())
		}
	})
}

func TestUrgentWritesGoFirst(t *testing.T) {
	writes := []engine.Write{{ID: "a"}, {ID: "b", Urgent: true}, {ID: "c"}}
	slices.SortStableFunc(writes, urgentFirst)
	if writes[0].ID != "b" || writes[1].ID != "a" {
		t.Errorf("%v", writes)
	}
}

// overtaken saves, says that it has not, and is overtaken before anybody can look.
type overtaken struct {
	store.Store
	saves int
}

func (o *overtaken) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	revision, err := o.Store.Save(ctx, key, prev, next, entries...)
	if o.saves++; err != nil || o.saves != 3 {
		return revision, err
	}
	if _, err := o.Store.Save(ctx, key, revision, store.Record{Status: json.RawMessage(`{"phase":"Complete"}`)}); err != nil {
		return 0, err
	}
	return 0, errors.New("input/output error")
}

// TestJumped: a machine that was suspended, and a clock that was set either way.
func TestJumped(t *testing.T) {
	for _, c := range []struct {
		monotonic, wall time.Duration
		want            bool
	}{
		{time.Second, time.Second, false}, {time.Second, 2 * time.Second, false}, {10 * time.Second, 9900 * time.Millisecond, false},
		{time.Second, time.Hour, true}, {time.Second, -time.Hour, true}, {0, 6 * time.Second, true},
	} {
		if got := jumped(c.monotonic, c.wall); got != c.want {
			t.Errorf("%s by the monotonic clock and %s by the wall clock: %v", c.monotonic, c.wall, got)
		}
	}
}

// TestAStoreThatCannotBeWrittenKeepsNobody: neither saves nor renewals succeed, for
// longer than the lease, and a target that is worse is taken back all the same.
func TestAStoreThatCannotBeWrittenKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, interval := range []time.Duration{time.Second, 5 * time.Second, 6 * time.Second} {
			broken := false
			s := newStage(t, memstore.WithFaults(func(op memstore.Op, _ store.Key) memstore.Fault {
				if broken && op != memstore.Acquire {
					return memstore.FailBefore
				}
				return memstore.None
			}))
			s.cfg.Spec.Gate.Interval = interval
			var back time.Time
			s.cfg.Step = func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
				if status.Phase == engine.Holding {
					broken = true
				}
				if broken && back.IsZero() {
					back = now.Add(40 * time.Second)
				}
				if broken && now.After(back) {
					seen.Commands = append(seen.Commands, engine.Command{ID: "now", Verb: engine.TakeBack})
				}
				return engine.Step(spec, status, seen, now)
			}
			_, err := s.run(t)
			var unsaved *UnsavedError
			if !errors.As(err, &unsaved) || unsaved.Status.Phase != engine.RolledBack || s.share() != traffic.None {
				t.Errorf("every %s: share %s, %v", interval, s.share(), err)
			}
		}
	})
}

// TestNobodySavesOverHisSuccessor: a save that is said to have failed is repeated
// over what it has saved, and over nothing else.
func TestNobodySavesOverHisSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.cfg.Store = &overtaken{Store: s.store}
		status, err := s.run(t)
		if err != nil || status.Phase != engine.Complete { // the lease is still ours: it goes on from there
			t.Fatal(status.Phase, err)
		}
		record, _, err := s.store.Load(t.Context(), s.cfg.Key)
		if err != nil || !strings.HasPrefix(string(record.Status), `{"phase":"Complete"`) {
			t.Errorf("what the successor has saved became %s, %v", record.Status, err)
		}
	})
}

// reluctant fails the first save, and says of the second one that somebody else has
// saved since.
type reluctant struct {
	store.Store
	saves int
}

func (r *reluctant) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	switch r.saves++; r.saves {
	case 1:
		return 0, errors.New("no space left on device")
	case 2:
		if _, err := r.Store.Save(ctx, key, prev, store.Record{Status: json.RawMessage(`{"phase":"Pending"}`)}); err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("revision %d: %w", prev+1, store.ErrConflict)
	}
	return r.Store.Save(ctx, key, prev, next, entries...)
}

// TestLinesOfEarlierTurnsStay: who goes on from another's record keeps for the
// journal what was done before, and not what was never carried out.
func TestLinesOfEarlierTurnsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.cfg.Store = &reluctant{Store: s.store}
		if status, err := s.run(t); err != nil || status.Phase != engine.Complete {
			t.Fatal(status.Phase, err)
		}
		journal, err := storetest.All(s.store.Journal(t.Context(), s.cfg.Key))
		if err != nil {
			t.Fatal(err)
		}
		times := map[string]int{}
		for _, e := range journal {
			times[e.Text]++
		}
		if n := times["public: found at 0 % (eks-1-33 100, eks-1-36 0)"]; n != 2 { // of the turn that could not be saved, and of the one that began anew
			t.Errorf("what the first turn found is there %d times: %v", n, times)
		}
		if n := times["Shifting: step 1 of 2, 10 %"]; n != 1 {
			t.Errorf("the rise was decided %d times", n)
		}
	})
}
