package routertest

import (
	"context"
	"testing"
	"time"

	"watari.dev/router"
	"watari.dev/traffic"
)

// Run tests that the driver keeps the contract. newHarness is called once for
// each subtest and cleans up by t.Cleanup.
func Run(t *testing.T, newHarness func(*testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"features hold", testFeatures},
		{"reading changes nothing", testReadChangesNothing},
		{"writes are rounded down and told", testWriteRoundsDown},
		{"no share and all share are exact", testEnds},
		{"too fine a share is refused", testTooFine},
		{"others keep their weights", testOthersKept},
		{"all weights zero is mended", testNeverWithoutWeight},
		{"a conflict changes nothing", testConflict},
		{"without a version a write wins", testNoVersion},
		{"the same change twice is one", testSameChangeTwice},
		{"a lost reply is unknown", testReplyLost},
		{"a lost request is unknown", testRequestLost},
		{"being throttled for ever", testThrottledForEver},
		{"being throttled once", testThrottledOnce},
		{"being denied", testDenied},
		{"a lever that is not there", testAbsent},
		{"a caller that gives up", testGivesUp},
		{"settled after the bound", testSettles},
		{"settled without a token", testSettlesWithoutToken},
		{"not settled once somebody else wrote", testSettledConflict},
		{"reading while writing", testConcurrent},
		{"whatever happens", testProperty},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newHarness(t)) })
	}
	t.Run("one bad part does not block the others", func(t *testing.T) { RunBroken(t, newHarness) })
	t.Run("the right to write", func(t *testing.T) { RunEnded(t, newHarness) })
}

// patience bounds each call of the suite; no driver may need it.
const patience = 20 * time.Second

func calling(t helper) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (h Harness) read(t helper) router.Snapshot {
	t.Helper()
	s, err := h.Driver.Read(calling(t), h.Route)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return s
}

func (h Harness) features(t helper) router.Features {
	t.Helper()
	f, err := h.Driver.Features(calling(t), h.Route)
	if err != nil {
		t.Fatalf("features: %v", err)
	}
	return f
}

// write brings the route to share, based on what is there now.
func (h Harness) write(t helper, id string, share traffic.Share) router.Receipt {
	t.Helper()
	r, err := h.Driver.Write(calling(t), router.Change{ID: id, Route: h.Route, Share: share, IfVersion: h.read(t).Version})
	if err != nil {
		t.Fatalf("write %s: %v", share, err)
	}
	return r
}

// helper is what the suite needs of a test, be it Go's or rapid's.
type helper interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}
