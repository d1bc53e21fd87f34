package routertest

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"watari.dev/router"
	"watari.dev/traffic"
)

func testConcurrent(t *testing.T, h Harness) {
	ctx := calling(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				_, err := h.Driver.Read(ctx, h.Route)
				if _, held := router.HeldBack(err); err != nil && !held { // taking back may go first
					t.Errorf("read: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		for i, share := range []traffic.Share{1000, 5000, traffic.None} {
			if _, err := h.Driver.Write(ctx, router.Change{ID: strconv.Itoa(i), Route: h.Route, Share: share}); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	})
	all.Wait()
	if got := h.share(t); got != traffic.None {
		t.Errorf("the share is %s", got)
	}
}

// testProperty tries sequences of writes, intrusions and faults. After each of
// them the data plane must be as the driver says it is.
func testProperty(t *testing.T, h Harness) {
	h.Foreign(0)
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		if tried++; h.Checks > 0 && tried > h.Checks {
			return
		}
		h.Heal()
		h.Intrude(100, 0)
		p := sequence{h: h, version: h.read(t).Version}
		for range rapid.IntRange(1, 8).Draw(t, "length") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				h.Intrude(rapid.Int64Range(1, 100).Draw(t, "source"), rapid.Int64Range(0, 100).Draw(t, "target"))
			case 1:
				p.version = h.read(t).Version
			default:
				p.write(t)
			}
		}
	})
	h.Heal()
}

type sequence struct {
	h       Harness
	version string
	writes  int
}

// write tries one write and compares the data plane before and after.
func (p *sequence) write(t *rapid.T) {
	kind := rapid.SampledFrom([]Kind{"", "", Denied, ReplyLost, RequestLost}).Draw(t, "fault")
	p.writes++
	change := router.Change{
		ID: strconv.Itoa(p.writes), Route: p.h.Route,
		Share:     traffic.Share(rapid.IntRange(0, 10000).Draw(t, "share")),
		IfVersion: rapid.SampledFrom([]string{"", p.version}).Draw(t, "version"),
	}
	if kind != "" {
		p.h.Inject(Fault{Kind: kind, Writes: true, Times: 1})
	}
	fresh := p.h.read(t).Version
	before := p.h.Truth()
	receipt, err := p.h.Driver.Write(calling(t), change)
	p.h.Heal()
	after := p.h.Truth()
	p.compare(t, change, receipt, err, before, after)
	if err == nil && change.IfVersion != "" && change.IfVersion != fresh && !cmp.Equal(before, after) {
		t.Fatalf("a write based on a stale read changed %v to %v", before, after)
	}
}

func (p *sequence) compare(t *rapid.T, change router.Change, receipt router.Receipt, err error, before, after []router.Part) {
	for i, part := range after {
		have, others := weights(p.h.Route, part)
		_, othersBefore := weights(p.h.Route, before[i])
		if have.Sum() == 0 {
			t.Fatalf("%s left %q without weight", change.Share, part.Name)
		}
		if d := cmp.Diff(othersBefore, others); d != "" {
			t.Fatalf("%s changed what others have:\n%s", change.Share, d)
		}
		if err == nil && (have.Share() != receipt.Share || have.Share() > change.Share) {
			t.Fatalf("%s was written as %s, the receipt says %s", change.Share, have.Share(), receipt.Share)
		}
	}
	var e *router.Error
	switch {
	case err == nil:
	case !errors.As(err, &e):
		t.Fatalf("%v is not a router.Error", err)
	case e.Effect == router.EffectNothing && !cmp.Equal(before, after):
		t.Fatalf("%v, and yet %v became %v", err, before, after)
	case e.Effect == router.EffectUnknown && !cmp.Equal(before, after):
		if have, _ := weights(p.h.Route, after[0]); have.Share() > change.Share {
			t.Fatalf("%v: the share is now %s", err, have.Share())
		}
	}
}
