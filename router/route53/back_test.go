package route53

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"pgregory.net/rapid"

	"watari.dev/router"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

// backOf is a route whose names are taken back.
type backOf struct {
	t testing.TB
	f *fakeRoute53
	d *Driver
	r router.Ref
}

func newBack(t testing.TB, names int) backOf {
	f, r := zoneOf(names, 50, 50)
	return backOf{t, f, driverOver(f), r}
}

// take takes everything back and returns how many batches that took.
func (b backOf) take(ctx context.Context) (int, error) {
	b.f.writes = 0
	_, err := b.d.Write(ctx, router.Change{ID: "back", Route: b.r})
	return b.f.writes, err
}

// at lists the names that still send users to the target.
func (b backOf) exposed() (names []string) {
	for _, p := range harness(b.f, b.r).Truth() {
		if p.Share > traffic.None {
			names = append(names, p.Name)
		}
	}
	return names
}

func (b backOf) wantExposed(want ...string) {
	b.t.Helper()
	if got := b.exposed(); !slices.Equal(got, want) {
		b.t.Errorf("%d names still send users to the target: %.3v; want %v", len(got), got, want)
	}
}

func (b backOf) wantLeft(err error, want ...string) {
	b.t.Helper()
	left, standing := router.LeftOf(err)
	var names []string
	for _, p := range left {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, want) || !standing {
		b.t.Errorf("left (standing: %v) are %d names: %.3v; want %v; %v", standing, len(names), names, want, err)
	}
}

// TestOneDeletedHealthCheckLeavesOneOf700: AWS names the health check, so that two
// more calls find the name, and the next try costs one.
func TestOneDeletedHealthCheckLeavesOneOf700(t *testing.T) {
	for _, silent := range []bool{false, true} {
		b := newBack(t, 700)
		guilty := b.r.Names[123]
		b.f.silent = silent
		b.f.withCheck(guilty, "hc-404")
		calls, err := b.take(t.Context())
		b.wantExposed(guilty)
		b.wantLeft(err, guilty)
		if most := 2 + 2; calls > most {
			t.Errorf("silent: %v: it took %d batches, want at most %d", silent, calls, most)
		}
		if calls, err = b.take(t.Context()); calls != 1 {
			t.Errorf("silent: %v: the next try took %d batches", silent, calls)
		}
		b.wantLeft(err, guilty)
		b.f.checks = map[string]bool{"hc-404": true}
		if _, err = b.take(t.Context()); err != nil {
			t.Errorf("once it is mended: %v", err)
		}
		b.wantExposed()
	}
}

// TestNobodySaysWhichNameIsRefused: halving finds it within 2*log2(n) calls, wherever
// it is, and what it costs the next time is one.
func TestNobodySaysWhichNameIsRefused(t *testing.T) {
	for _, names := range []int{2, 3, 100, 500} {
		for _, at := range []int{0, 1, names / 2, names - 1} {
			b := newBack(t, names)
			b.f.refuse(b.r.Names[at])
			calls, err := b.take(t.Context())
			b.wantExposed(b.r.Names[at])
			b.wantLeft(err, b.r.Names[at])
			batches := (names + 499) / 500
			if most := batches + 2*bits.Len(uint(min(names, 500)-1)); calls > most {
				t.Errorf("one of %d names, at %d: %d batches, want at most %d", names, at, calls, most)
			}
			if calls, err = b.take(t.Context()); calls != 1 {
				t.Errorf("one of %d names: the next try took %d batches", names, calls)
			}
			b.wantLeft(err, b.r.Names[at])
		}
	}
}

// TestManyGuiltyNamesAreSortedOutInSeveralTries: one try makes a bounded number of
// calls, no guilty name keeps another one, and after some tries nobody is left who
// need not be.
func TestManyGuiltyNamesAreSortedOutInSeveralTries(t *testing.T) {
	tried := 0
	rapid.Check(t, func(t *rapid.T) {
		if tried++; tried > 40 {
			return // each takes many calls
		}
		n := rapid.IntRange(2, 120).Draw(t, "names")
		f, r := zoneOf(n, 50, 50)
		b := backOf{testing.TB(nil), f, driverOver(f), r}
		guilty := map[string]bool{}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, n-1), 1, 30).Draw(t, "guilty") {
			guilty[r.Names[i]] = true
		}
		f.guilty = guilty
		var err error
		for try := 1; ; try++ {
			var calls int
			calls, err = b.take(context.Background())
			if most := 3 + mostSorting + len(guilty); calls > most {
				t.Fatalf("try %d made %d calls, want at most %d", try, calls, most)
			}
			exposed := b.exposed()
			if len(exposed) == len(guilty) {
				break
			}
			if try == 30 {
				t.Fatalf("after %d tries %d names are left, %d are guilty", try, len(exposed), len(guilty))
			}
		}
		for range 30 { // everybody who is left becomes known as guilty
			if left, standing := router.LeftOf(err); standing && len(left) == len(guilty) {
				return
			}
			_, err = b.take(context.Background())
		}
		t.Fatalf("it does not say who is guilty: %v", err)
	})
}

// TestMoreGuiltyNamesThanOneTryCanSort: all are named all the same, and one that is
// mended is written, whichever it is.
func TestMoreGuiltyNamesThanOneTryCanSort(t *testing.T) {
	f, r := zoneOf(60, 50, 50)
	b := backOf{t, f, driverOver(f), r}
	f.guilty = map[string]bool{}
	for i := range 2*mostSorting/3 + 3 {
		f.guilty[r.Names[i]] = true
	}
	standing := func(tries int) {
		t.Helper()
		for range tries {
			_, err := b.take(t.Context())
			if left, standing := router.LeftOf(err); standing && len(left) == len(f.guilty) && len(b.exposed()) == len(f.guilty) {
				return
			}
		}
		t.Errorf("of %d guilty names %d are left, or it is not said who", len(f.guilty), len(b.exposed()))
	}
	standing(10)
	for i := range 5 {
		delete(f.guilty, r.Names[5*i])
		standing(40)
	}
}

// TestOtherBatchesDoNotWaitForAFailedOne, whatever it fails for.
func TestOtherBatchesDoNotWaitForAFailedOne(t *testing.T) {
	for kind, effect := range map[routertest.Kind]router.Effect{
		routertest.ReplyLost: router.EffectUnknown, routertest.RequestLost: router.EffectUnknown, routertest.Stalled: router.EffectUnknown,
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBack(t, 600) // two batches
				b.f.faults = []routertest.Fault{{Kind: kind, Writes: true, Times: 1}}
				ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
				defer cancel()
				_, err := b.take(ctx)
				if got := router.EffectOf(err); got != effect {
					t.Errorf("%v: %v", got, err)
				}
				left, standing := router.LeftOf(err)
				if len(left) != 500 || standing {
					t.Errorf("%d names are left (standing: %v): %v", len(left), standing, err)
				}
				if n := len(b.exposed()); n > 500 {
					t.Errorf("%d names still send users to the target", n)
				}
				if _, err := b.take(t.Context()); err != nil {
					t.Error(err)
				}
				b.wantExposed()
			})
		})
	}
}

// TestAThrottledBatchIsSentAgainAfterTheOthers.
func TestAThrottledBatchIsSentAgainAfterTheOthers(t *testing.T) {
	b := newBack(t, 600)
	b.f.faults = []routertest.Fault{{Kind: routertest.Throttled, Writes: true, Times: 2}}
	if _, err := b.take(t.Context()); err != nil {
		t.Error(err)
	}
	b.wantExposed()
	b = newBack(t, 600)
	b.f.faults = []routertest.Fault{{Kind: routertest.Throttled, Writes: true}}
	_, err := b.take(t.Context())
	left, standing := router.LeftOf(err)
	if !errors.Is(err, router.ErrThrottled) || router.EffectOf(err) != router.EffectNothing || len(left) != 600 || standing {
		t.Errorf("%v", err)
	}
}

// TestADeniedAccountIsNotAskedNameByName: a policy may allow some names only, and
// that nothing is allowed is found out within a few calls.
func TestADeniedAccountIsNotAskedNameByName(t *testing.T) {
	b := newBack(t, 500)
	b.f.refusal = errDenied
	b.f.refuse(b.r.Names[77])
	_, err := b.take(t.Context())
	b.wantLeft(err, b.r.Names[77])
	b.wantExposed(b.r.Names[77])
	b = newBack(t, 500)
	asked := 0
	b.f.denied = func() { asked++ }
	_, err = b.take(t.Context())
	left, standing := router.LeftOf(err)
	if !errors.Is(err, router.ErrDenied) || len(left) != 500 || !standing || asked > 2*mostDenials {
		t.Errorf("%d names left after %d calls: %v", len(left), asked, err)
	}
}

// TestWhoIsFasterIsWrittenAllTheSame: a name that somebody gives another form between
// our look and our write keeps nobody, and is read again before it is given up.
func TestWhoIsFasterIsWrittenAllTheSame(t *testing.T) {
	b := newBack(t, 3)
	b.f.meddle = func(n int) {
		if n == 1 {
			b.f.mu.Lock()
			defer b.f.mu.Unlock()
			for _, id := range []string{"old", "new"} {
				delete(b.f.sets, key(types.ResourceRecordSet{Name: &b.r.Names[1], Type: "A", SetIdentifier: &id}))
			}
			s := simple(b.r.Names[1], "192.0.2.1")
			b.f.sets[key(s)] = s
		}
	}
	_, err := b.take(t.Context())
	b.wantLeft(err, b.r.Names[1])
	if left, _ := router.LeftOf(err); len(left) != 1 || !errors.Is(left[0].Kind, router.ErrNotOwned) || fmt.Sprint(left[0].Text) == "" {
		t.Errorf("%+v", left)
	}
	if s, err := b.d.Read(t.Context(), b.r); err != nil || s.High() != traffic.None || len(s.Broken) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestNothingSoundIsAnErrorThatNamesAll.
func TestNothingSoundIsAnErrorThatNamesAll(t *testing.T) {
	b := newBack(t, 3)
	clear(b.f.sets)
	_, err := b.d.Read(t.Context(), b.r)
	if left, standing := router.LeftOf(err); len(left) != 3 || !standing || !errors.Is(err, router.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	receipt, err := b.d.Write(t.Context(), router.Change{ID: "back", Route: b.r})
	if left, standing := router.LeftOf(err); len(left) != 3 || !standing || receipt.ChangeID != "" {
		t.Errorf("write: %+v, %v", receipt, err)
	}
}

func TestMentions(t *testing.T) {
	for _, c := range []struct {
		text, name string
		want       bool
	}{
		{"RRSet with DNS name api.example.com., type A", "api.example.com.", true},
		{"[name='api.example.com.', type='A']", "api.example.com.", true},
		{"[name='my-api.example.com.', type='A']", "api.example.com.", false},
		{"[name='www.api.example.com.'] and [name='api.example.com.']", "api.example.com.", true},
		{`[name='\052.example.com.']`, `\052.example.com.`, true},
		{"", "api.example.com.", false},
	} {
		if got := mentions(c.text, c.name); got != c.want {
			t.Errorf("%q in %q: %v", c.name, c.text, got)
		}
	}
}
