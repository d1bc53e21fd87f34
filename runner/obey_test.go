package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/engine"
	"watari.dev/router/memrouter"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/store/storetest"
)

// stopped runs the stage until it waits for approval, and stops it there.
func (s *stage) stopped(t *testing.T) engine.Status {
	t.Helper()
	s.cfg.Spec.Steps[0].Approval = true
	ctx, stop := context.WithCancel(t.Context())
	s.cfg.OnTurn = func(turn Turn) {
		if turn.Status.Phase == engine.WaitingForApproval {
			stop()
		}
	}
	status, err := s.runUntil(ctx)
	if !errors.Is(err, context.Canceled) || status.Phase != engine.WaitingForApproval {
		t.Fatal(status.Phase, err)
	}
	s.cfg.OnTurn = nil
	return status
}

func bound(s engine.Status, id string, verb engine.Verb) engine.Command {
	return s.Bound(engine.Command{ID: id, Verb: verb, By: "anna", At: time.Now()})
}

func submitted(c engine.Command) store.Command {
	return store.Command{ID: c.ID, Kind: string(c.Verb), By: c.By, At: c.At, Attempt: c.Attempt, Step: c.Step, Situation: c.Situation}
}

func wantAnswer(t *testing.T, s engine.Status, id string, obeyed bool, text string) {
	t.Helper()
	a, has := s.Answered(id)
	if !has || a.Obeyed != obeyed || !strings.Contains(a.Text, text) {
		t.Errorf("command %s: answered %v %+v, want obeyed %v with %q", id, has, a, obeyed, text)
	}
}

// TestObeyWhereNobodyRuns decides a command at once, writes nothing, says it in the
// journal, and leaves neither the command nor the lease behind.
func TestObeyWhereNobodyRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		was := s.stopped(t)
		share := s.share()
		s.cfg.Orders = []engine.Command{bound(was, "1", engine.Approve), bound(was, "2", engine.Approve), bound(was, "3", engine.Retry)}
		if err := s.store.Submit(t.Context(), s.cfg.Key, submitted(bound(was, "0", engine.Resume))); err != nil {
			t.Fatal(err)
		}
		status, err := Obey(t.Context(), s.cfg)
		if err != nil || !status.Approved || status.Phase != engine.WaitingForApproval || s.share() != share || !status.LastTurn.Equal(was.LastTurn) || status.Held != was.Held {
			t.Fatalf("%+v, %v", status, err)
		}
		wantAnswer(t, status, "0", false, "nothing is paused")
		wantAnswer(t, status, "1", true, "step 1 of 2 (10 %)")
		wantAnswer(t, status, "2", false, "step 1 is approved already")
		wantAnswer(t, status, "3", false, "nothing to try again")
		if left, _ := s.store.Commands(t.Context(), s.cfg.Key); len(left) != 0 {
			t.Errorf("commands are left: %v", left)
		}
		if who, _, held, _ := s.store.Holder(t.Context(), s.cfg.Key); held {
			t.Errorf("the lease is left to %v", who)
		}
		journal, err := storetest.All(s.store.Journal(t.Context(), s.cfg.Key))
		if err != nil || !strings.Contains(journal[len(journal)-3].Text, "approve by anna: step 1") || journal[len(journal)-3].Kind != "command" {
			t.Errorf("%+v, %v", journal[len(journal)-4:], err)
		}
		s.cfg.Orders = nil
		if status, err := s.run(t); err != nil || status.Phase != engine.Complete {
			t.Errorf("the approval does not count for the next run: %s %s, %v", status.Phase, status.Reason, err)
		}
	})
}

// TestObeyIsForNobodysMigration: who runs it decides, and who has asked for a
// rollback goes first.
func TestObeyIsForNobodysMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		was := s.stopped(t)
		s.cfg.Orders = []engine.Command{bound(was, "1", engine.Approve)}
		if err := s.store.Submit(t.Context(), s.cfg.Key, store.Command{ID: "back", Kind: "rollback", By: "bob", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		var waits *RollbackWaitsError
		if _, err := Obey(t.Context(), s.cfg); !errors.As(err, &waits) || !strings.Contains(err.Error(), "bob asked at") || !strings.HasSuffix(err.Error(), "watari rollback shop") {
			t.Fatal(err)
		}
		if left, _ := s.store.Commands(t.Context(), s.cfg.Key); len(left) != 1 {
			t.Errorf("the rollback is gone: %v", left)
		}
		if err := s.store.Discard(t.Context(), s.cfg.Key, "back"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Acquire(t.Context(), s.cfg.Key, store.Holder{ID: "other"}, time.Minute, false); err != nil {
			t.Fatal(err)
		}
		if _, err := Obey(t.Context(), s.cfg); !errors.Is(err, store.ErrLocked) {
			t.Fatal(err)
		}
	})
}

// TestObeyBesideADamagedCommand: what cannot be read keeps nobody from being answered.
func TestObeyBesideADamagedCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		was := s.stopped(t)
		damaged := true
		s.cfg.Store, s.cfg.Orders = unreadableCommands{s.store, &damaged}, []engine.Command{bound(was, "1", engine.Pause)}
		status, err := Obey(t.Context(), s.cfg)
		if err != nil || status.Phase != engine.Paused {
			t.Fatal(status.Phase, err)
		}
	})
}

// TestACommandIsAnsweredWhileALookHangs: a turn that would wait for a lever for half a
// minute does not let an operator wait.
func TestACommandIsAnsweredWhileALookHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.cfg.Spec.Gate.Interval, s.cfg.Spec.Gate.Window, s.cfg.Spec.Steps[0].Hold = 30*time.Second, time.Minute, 10*time.Minute
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		var asked time.Time
		s.cfg.OnTurn = func(turn Turn) {
			if turn.Status.Phase == engine.Holding && asked.IsZero() {
				s.router.Fail(memrouter.Read, memrouter.Fault{Stall: true, Times: 2})
				asked = time.Now().Add(15 * time.Second)
				go func() {
					time.Sleep(15 * time.Second)
					if err := s.store.Submit(t.Context(), s.cfg.Key, submitted(bound(turn.Status, "1", engine.Pause))); err != nil {
						t.Error(err)
					}
				}()
			}
			if a, has := turn.Status.Answered("1"); has {
				if waited := a.At.Sub(asked); waited > time.Second || !a.Obeyed {
					t.Errorf("answered after %s: %+v", waited, a)
				}
				stop()
			}
		}
		if status, err := s.runUntil(ctx); !errors.Is(err, context.Canceled) || status.Phase != engine.Paused {
			t.Fatal(status.Phase, status.Reason, err)
		}
	})
}

// TestARollbackNeverRunsForwards: who came to roll back finds that it was done, and
// that somebody has begun another attempt since. It leaves that alone.
func TestARollbackNeverRunsForwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.cfg.Spec.Gate.Signals = false // nothing else would keep it from rising
		was := s.stopped(t)
		order := bound(was, "back", engine.TakeBack)
		s.cfg.Signals, s.cfg.Orders, s.cfg.RollbackOnly = nil, []engine.Command{order}, true
		status, err := s.run(t)
		if err != nil || status.Phase != engine.RolledBack {
			t.Fatal(status.Phase, err)
		}
		again := s.cfg
		again.Orders = []engine.Command{bound(status, "retry", engine.Retry)}
		if status, err = Obey(t.Context(), again); err != nil || status.Attempt != 2 {
			t.Fatal(status.Attempt, err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		status, err = s.runUntil(ctx)
		if err != nil || status.Phase != engine.Pending || status.Attempt != 2 || s.share() != 0 {
			t.Fatalf("%s %s, share %s, %v", status.Phase, status.Reason, s.share(), err)
		}
	})
}

// TestObeyOnAFullDisk says that nothing was decided, and gives the lease back.
func TestObeyOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := false
		s := newStage(t, failing(&full, memstore.FailBefore))
		was := s.stopped(t)
		s.cfg.Orders, full = []engine.Command{bound(was, "1", engine.Approve)}, true
		if _, err := Obey(t.Context(), s.cfg); !errors.Is(err, memstore.ErrInjected) {
			t.Fatal(err)
		}
		if _, _, held, _ := s.store.Holder(t.Context(), s.cfg.Key); held {
			t.Error("the lease was not given back")
		}
	})
}

// TestWhatWaitsIsAnsweredByTheNextRun: a command that was left behind counts only for
// what it was given for.
func TestWhatWaitsIsAnsweredByTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		was := s.stopped(t)
		other := was
		other.Attempt++
		for _, c := range []engine.Command{bound(other, "other attempt", engine.Approve), bound(was, "resume", engine.Resume), {ID: "old", Verb: engine.Approve, By: "bob"}} {
			if err := s.store.Submit(t.Context(), s.cfg.Key, submitted(c)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		status, err := s.runUntil(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || status.Phase != engine.WaitingForApproval {
			t.Fatal(status.Phase, err)
		}
		wantAnswer(t, status, "other attempt", false, "it was given for attempt 2, and this is attempt 1")
		wantAnswer(t, status, "resume", false, "nothing is paused")
		wantAnswer(t, status, "old", false, "as commands of an older watari")
		if left, _ := s.store.Commands(t.Context(), s.cfg.Key); len(left) != 0 {
			t.Errorf("commands are left: %v", left)
		}
	})
}

// TestWithdrawn: what its operator has withdrawn since the turn has read it is not
// obeyed. A rollback is, and what did not come through the store cannot be withdrawn.
func TestWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unreadable := false
		s := newStage(t)
		was := s.stopped(t)
		s.cfg.Store = unreadableCommands{s.store, &unreadable}
		s.cfg.Orders = []engine.Command{bound(was, "order", engine.Pause)}
		if err := s.store.Submit(t.Context(), s.cfg.Key, submitted(bound(was, "stays", engine.Approve))); err != nil {
			t.Fatal(err)
		}
		r := &run{Config: s.cfg.withDefaults(), obeyed: map[string]bool{"old": true}}
		read := []engine.Command{{ID: "stays"}, {ID: "withdrawn", Verb: engine.Pause}, {ID: "order"}}
		ids := func(commands ...engine.Command) (out string) {
			for _, c := range r.notWithdrawn(t.Context(), commands) {
				out += c.ID + " "
			}
			return out
		}
		if got := ids(read...); got != "stays order " {
			t.Errorf("%q is left", got)
		}
		read = []engine.Command{{ID: "stays"}, {ID: "withdrawn", Verb: engine.Pause}, {ID: "back", Verb: engine.TakeBack}}
		if got := ids(read...); got != "stays withdrawn back " {
			t.Errorf("with a rollback %q is left", got)
		}
		unreadable = true
		if got := ids(engine.Command{ID: "withdrawn"}); got != "withdrawn " {
			t.Errorf("where nobody can tell %q is left", got)
		}
	})
}

// unreadableCommands is a store whose commands cannot be read while it is told so.
type unreadableCommands struct {
	store.Store
	is *bool
}

func (u unreadableCommands) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	if *u.is {
		return nil, errors.New("input/output error")
	}
	return u.Store.Commands(ctx, key)
}
