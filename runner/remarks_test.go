package runner

import (
	"strings"
	"testing"
	"testing/synctest"

	"watari.dev/store/storetest"
)

// TestRemarksAreInTheJournal: what is said about the process is there once, and
// nobody waits for more of it.
func TestRemarksAreInTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		remarks := make(chan string, 1)
		remarks <- "nobody reads the output any more"
		s.cfg.Remarks = remarks
		if _, err := s.run(t); err != nil {
			t.Fatal(err)
		}
		journal, err := storetest.All(s.store.Journal(t.Context(), s.cfg.Key))
		if err != nil {
			t.Fatal(err)
		}
		said := 0
		for _, e := range journal {
			if e.Kind == "note" && strings.Contains(e.Text, "nobody reads the output") {
				said++
			}
		}
		if said != 1 {
			t.Errorf("it is %d times in the journal of %d lines", said, len(journal))
		}
	})
}
