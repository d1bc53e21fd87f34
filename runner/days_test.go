package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
