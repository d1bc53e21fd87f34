package scenario

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"watari.dev/engine"
	"watari.dev/view"
)

// standIn is a watari that a script plays, in its state directory, which is its
// last argument.
func standIn(t *testing.T, script string) *watari {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "watari")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nfor state; do :; done\ncd \"$state\" || exit 1\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &watari{path: path, env: os.Environ(), file: "shop.yaml", state: dir}
}

// Scripts of stand-ins. say PHASE KIND prints an event.
const (
	say = `say() { printf '{"kind":"%s","phase":"%s","text":"%s","at":"2026-03-01T12:00:00Z"}\n' "$2" "$1" "$1"; }
`
	// firstHolds holds a share for ever when it is the first process, and otherwise
	// says so.
	firstHolds = say + `
if mkdir first 2>/dev/null; then
	say Holding phase
	until [ -e lost ]; do sleep 0.02; done
	. ./woken
fi
`
	// takesOver is refused twice, as long as somebody else has the lease.
	takesOver = `
mkdir locked1 2>/dev/null && exit 5
mkdir locked2 2>/dev/null && exit 5
say Soaking phase
touch lost
`
)

// struck runs a stand-in that is struck as soon as it has said something.
func struck(t *testing.T, w *watari, with strike) (attempt, []engine.Phase, error) {
	t.Helper()
	strikes := make(chan strike, 1)
	var phases []engine.Phase
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := w.run(ctx, io.Discard, strikes, func(e view.JSONEvent) {
		if phases = append(phases, e.Phase); len(phases) == 1 {
			strikes <- with
		}
	})
	return a, phases, err
}

func TestAKilledRunIsFollowedByAnother(t *testing.T) {
	defer goleak.VerifyNone(t)
	w := standIn(t, firstHolds+`say Complete phase`)
	a, phases, err := struck(t, w, strike{blow: killed})
	if err != nil || a.Kills != 1 || a.Phase != engine.Complete || !slices.Equal(phases, []engine.Phase{engine.Holding, engine.Complete}) {
		t.Errorf("%+v, %v, %v", a, phases, err)
	}
}

func TestAnotherTakesOverFromOneThatSleeps(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, c := range []struct {
		name, woken string
		met         string // what is said to be wrong; empty: nothing
		carried     int    // writes that AWS counts
	}{
		{"it finds that it is not needed", `exit 5`, "", 0},
		{"it writes", `printf '{"kind":"effect","text":"public: 25 %% written","effect":{"result":{"outcome":"accepted"},"receipt":{"at":"2999-01-01T00:00:00Z"}}}\n'; exit 5`, "wrote: public: 25 % written", 1},
		{"it says what it wrote before", `printf '{"kind":"effect","text":"public: 25 %% written","effect":{"result":{"outcome":"accepted"},"receipt":{"at":"2026-01-01T00:00:00Z"}}}\n'; exit 5`, "", 0},
		{"it writes and does not say so", `exit 5`, "carried out 1 writes", 1},
		{"it ends as if it had done its work", `exit 0`, "exit code 0, not 5", 0},
	} {
		// All are written before the first one runs: a file that is open for writing in
		// any process cannot be run (go.dev/issue/22315).
		w := standIn(t, firstHolds+takesOver+`
until [ -e done ]; do sleep 0.02; done
say Complete phase`)
		if err := os.WriteFile(filepath.Join(w.state, "woken"), []byte(c.woken), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			w.rewritten = func(context.Context) (int, error) {
				if asked++; asked == 1 {
					return 0, nil
				}
				return c.carried, os.WriteFile(filepath.Join(w.state, "done"), nil, 0o600)
			}
			a, phases, err := struck(t, w, strike{asleep, 50 * time.Millisecond})
			if err != nil || a.Phase != engine.Complete || len(a.Slept) != 1 || !slices.Equal(phases, []engine.Phase{engine.Holding, engine.Soaking, engine.Complete}) {
				t.Fatalf("%+v, %v, %v", a, phases, err)
			}
			one := a.Slept[0]
			if one.For < time.Second || one.Relieved == 0 || one.Woken.IsZero() || one.Ended.IsZero() {
				t.Errorf("%+v", one)
			}
			if err := one.met(a); (err == nil) != (c.met == "") || err != nil && !strings.Contains(err.Error(), c.met) {
				t.Errorf("%v, want %q", err, c.met)
			}
		})
	}
}

func TestARunThatCannotBeginIsStartedAgain(t *testing.T) {
	const refusedOnce = say + `
mkdir asked 2>/dev/null && { echo "access denied" >&2; exit 1; }
say Complete phase`
	for patience, want := range map[int]string{0: "exit status 1", 1: ""} {
		w := standIn(t, refusedOnce)
		w.patience = patience
		var out strings.Builder
		a, err := w.run(t.Context(), &out, nil, func(view.JSONEvent) {})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || a.Refused != patience {
			t.Errorf("patience %d: %+v, %v, want %q", patience, a, err, want)
		}
		if !strings.Contains(out.String(), "access denied") {
			t.Errorf("what it said is not shown: %q", out.String())
		}
	}
	begun := standIn(t, say+`say Holding phase; exit 1`)
	begun.patience = 5
	if _, err := begun.run(t.Context(), io.Discard, nil, func(view.JSONEvent) {}); err == nil {
		t.Error("one that has begun and then failed was started again")
	}
}

func TestWhatARunFailsWithIsReported(t *testing.T) {
	for script, want := range map[string]string{
		`exit 5`:               "exit status 5",
		`exit 1`:               "exit status 1",
		say + `echo '{"kind'`:  "read the events",
		say + `say X phase; :`: "",
		`exit 3`:               "",
	} {
		a, err := standIn(t, script).run(t.Context(), io.Discard, nil, func(view.JSONEvent) {})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", script, err, want)
		}
		if strings.Contains(script, "say X") && a.Phase != "X" {
			t.Errorf("%+v", a)
		}
	}
}
