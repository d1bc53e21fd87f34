package runner

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/store/storetest"
	"watari.dev/verdict"
)

// TestSavesAreFewWhereNothingRestsOnThem watches a share for two minutes. The status
// is saved about as often as the lease is renewed, every count is in the journal, and
// a process that dies at any moment has lost some seconds of the hold at most.
func TestSavesAreFewWhereNothingRestsOnThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves, looks := 0, 0
		s := newStage(t, memstore.WithFaults(func(op memstore.Op, _ store.Key) memstore.Fault {
			if op == memstore.Save {
				saves++
			}
			return memstore.None
		}))
		s.cfg.Spec.Steps[0].Hold = 2 * time.Minute
		var begun time.Time
		var before int
		s.cfg.OnTurn = func(turn Turn) {
			if len(turn.Seen.Counts) > 0 {
				looks++
			}
			if turn.Status.Phase != engine.Holding || turn.Status.Step != 0 {
				return
			}
			if begun.IsZero() {
				begun, before = turn.At, saves
			}
			record, _, err := s.store.Load(t.Context(), s.cfg.Key)
			var saved engine.Status
			if err != nil || json.Unmarshal(record.Status, &saved) != nil {
				t.Fatal(err)
			}
			if lost := turn.Status.Held - saved.Held; lost < 0 || lost > saveEvery {
				t.Errorf("%s of the hold would be lost", lost)
			}
			if held := turn.At.Sub(begun); held == 100*time.Second && saves-before > 25 {
				t.Errorf("%d saves in %s", saves-before, held)
			}
		}
		if status, err := s.run(t); err != nil || status.Phase != engine.Complete {
			t.Fatal(status.Phase, err)
		}
		lines := 0
		entries, err := storetest.All(s.store.Journal(t.Context(), s.cfg.Key))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Kind == store.Counts {
				lines++
			}
		}
		if lines != looks {
			t.Errorf("%d looks, %d in the journal", looks, lines)
		}
	})
}

// TestDoubtIsSaved: evidence against the target is not lost with the process.
func TestDoubtIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{}
		r.saved = engine.Status{Phase: engine.Holding}
		for logE, want := range map[float64]bool{-3: false, 0.5: false, 0.7: true, 5: true} {
			status := engine.Status{Phase: engine.Holding, Held: time.Minute, Analysis: doubting(logE)}
			if got := r.restsOn(status); got != want {
				t.Errorf("log E %g: %t, want %t", logE, got, want)
			}
		}
	})
}

func doubting(logE float64) *verdict.State { return &verdict.State{LogE: logE} }
