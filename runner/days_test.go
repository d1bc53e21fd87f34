package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/store/storetest"
)

func saving(n *int) memstore.Option {
	return memstore.WithFaults(func(op memstore.Op, _ store.Key) memstore.Fault {
		if op == memstore.Save {
			*n++
		}
		return memstore.None
	})
}

func (s *stage) journalBytes(t *testing.T) (all, counts int) {
	t.Helper()
	entries, err := storetest.All(s.store.Journal(t.Context(), s.cfg.Key))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if all += len(b); e.Kind == store.Counts {
			counts += len(b)
		}
	}
	return all, counts
}

// TestHoursOfPartialAreFewBytes: what is left may take somebody days to mend. Each try
// is told, and what it is about once.
func TestHoursOfPartialAreFewBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves, broken := 0, false
		s := newStage(t, saving(&saves))
		ref := publicRef
		for n := range 60 {
			ref.Names = append(ref.Names, fmt.Sprintf("name-%03d.example.com", n))
		}
		s.router.Add(ref, router.Weight{Entry: "eks-1-33", Weight: 100}, router.Weight{Entry: "eks-1-36", Weight: 0})
		s.cfg.Routes["public"] = Route{Ref: ref, Driver: s.router}
		s.cfg.OnTurn = func(turn Turn) {
			if turn.Status.Phase != engine.Holding || broken {
				return
			}
			for _, name := range ref.Names[10:] {
				s.router.Break(ref, name, router.ErrDenied, false)
			}
			broken, s.failing = true, 0.5
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		status, err := s.runUntil(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || status.Phase != engine.Partial {
			t.Fatal(status.Phase, status.Reason, err)
		}
		all, counts := s.journalBytes(t)
		t.Logf("%d bytes, %d of them counts; %d saves", all, counts, saves)
		if perHour := all - counts; perHour > 300_000 {
			t.Errorf("%d bytes an hour", perHour)
		}
		if saves > 3600/5+300 {
			t.Errorf("%d saves in an hour", saves)
		}
	})
}

// TestACommandThatStaysCostsLittle: one that was answered and cannot be removed is
// neither obeyed again nor a reason to save in every turn, and it is said once.
func TestACommandThatStaysCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves, discards, warnings := 0, 0, &lineCounter{}
		s := newStage(t, memstore.WithFaults(func(op memstore.Op, _ store.Key) memstore.Fault {
			switch op {
			case memstore.Save:
				saves++
			case memstore.Discard:
				discards++
				return memstore.FailBefore
			}
			return memstore.None
		}))
		s.cfg.Spec.Steps[0].Hold = 24 * time.Hour
		s.cfg.Log = slog.New(slog.NewTextHandler(warnings, nil))
		given, answers := false, 0
		s.cfg.OnTurn = func(turn Turn) {
			for _, n := range turn.Notes {
				if n.Kind == "command" {
					answers++
				}
			}
			if turn.Status.Phase == engine.Holding && !given {
				given = true
				if err := s.store.Submit(t.Context(), s.cfg.Key, submitted(bound(turn.Status, "p", engine.Pause))); err != nil {
					t.Error(err)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if status, err := s.runUntil(ctx); !errors.Is(err, context.DeadlineExceeded) || status.Phase != engine.Paused || answers != 1 {
			t.Fatal(status.Phase, status.Reason, answers, err)
		}
		t.Logf("%d saves, %d discards, %d warnings", saves, discards, warnings.lines)
		if most := 600/5 + 20; saves > most || discards > most || warnings.lines != 1 {
			t.Errorf("%d saves, %d tries to remove it, %d warnings in ten minutes", saves, discards, warnings.lines)
		}
	})
}

// lineCounter counts what is logged.
type lineCounter struct{ lines int }

func (l *lineCounter) Write(p []byte) (int, error) {
	l.lines++
	return len(p), nil
}

// TestManyNamesThatBreakAtOnceAreFewBytes: whatever becomes of all names in one moment
// is told in a line or two, so that nothing waits for it to be saved.
func TestManyNamesThatBreakAtOnceAreFewBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		ref := publicRef
		for n := range 300 {
			ref.Names = append(ref.Names, fmt.Sprintf("name-%03d.example.com", n))
		}
		s.router.Add(ref, router.Weight{Entry: "eks-1-33", Weight: 100}, router.Weight{Entry: "eks-1-36", Weight: 0})
		s.cfg.Routes["public"] = Route{Ref: ref, Driver: s.router}
		var broken, mended time.Time
		s.cfg.OnTurn = func(turn Turn) {
			switch {
			case turn.Status.Phase == engine.Holding && broken.IsZero():
				broken = turn.At
				for _, name := range ref.Names[1:] {
					s.router.Break(ref, name, router.ErrNotFound, true)
				}
			case turn.Status.Phase == engine.Paused && mended.IsZero():
				mended = turn.At
				for _, name := range ref.Names[1:] {
					s.router.Break(ref, name, nil, true)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if status, err := s.runUntil(ctx); !errors.Is(err, context.DeadlineExceeded) || mended.IsZero() || len(status.Routes[0].Broken) > 0 {
			t.Fatal(status.Phase, status.Reason, err)
		}
		all, counts := s.journalBytes(t)
		t.Logf("%d bytes, %d of them counts", all, counts)
		if all-counts > 1<<20 {
			t.Errorf("%d bytes to tell of 299 names", all-counts)
		}
	})
}
