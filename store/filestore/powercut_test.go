package filestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/memdisk"
	"watari.dev/store/storetest"
)

// machine is a disk with one process after the other on it, each of which dies, or
// is told that the disk is full, at any of the disk's operations.
type machine struct {
	t    *testing.T
	disk *memdisk.Disk
	ops  int  // so far
	dies int  // at which the process dies; 0 is never
	dead bool // it has
	full int  // from which on the disk is full
	room int  // from which on it is not
	hit  bool // it was full when somebody wanted something of it
	said bool // that a journal cannot be made smaller, which nobody who calls is told
	last string

	told witness
}

// witness is what callers were told. Of what was asked for and not answered, or
// answered with an error, nobody knows whether it is there.
type witness struct {
	revision  store.Revision
	unsure    store.Revision // how many saves nobody knows of
	entries   []string
	waiting   []string // commands that were submitted
	doubtful  []string // of which nobody knows whether they are discarded
	discarded []string
	refused   []string // entries that were not appended, as was said

	counts, unsureCounts int // appended, and those of which nobody knows
}

type died struct{}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t}
	m.disk = memdisk.New().WithFaults(func(op memdisk.Op, path string) error {
		if m.dead {
			if op == memdisk.Unlock {
				return nil // the kernel closes what the dead have open
			}
			panic(died{})
		}
		m.ops++
		m.last = fmt.Sprintf("operation %d, %s of %s", m.ops, op, path)
		if m.ops == m.dies {
			m.dead = true
			if op == memdisk.Unlock {
				return nil
			}
			panic(died{})
		}
		if m.full > 0 && m.ops >= m.full && m.ops < m.room {
			m.hit = m.hit || op != memdisk.Unlock
			return syscall.ENOSPC
		}
		return nil
	})
	return m
}

// open returns the store as one process has it: its journal is closed, compressed and
// merged after some lines, before the call that closed it answers.
func (m *machine) open() *Store {
	return New("/var/lib/watari", WithDisk(m.disk), WithAlive(func(store.Holder) bool { return false }), WithBackground(func(task func()) { task() }),
		WithReport(func(error) { m.said = true }), WithJournal(Journal{Segment: 1600, Detail: 1, Around: 1, Unit: time.Hour, Merge: sum}))
}

// run is one process: it goes on from what it finds and makes some calls, beginning
// with the first-th of each kind. It returns how many were answered with an error.
func (m *machine) run(first, calls int) (refused int) {
	defer func() {
		if r := recover(); r != nil && r != any(died{}) {
			panic(r)
		}
	}()
	m.dead = false
	ctx, t := m.t.Context(), m.t
	s := m.open()
	_, revision, err := s.Load(ctx, shop)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("load: %v", err)
	}
	count := func(err error) bool {
		if err != nil {
			refused++
		}
		return err == nil
	}
	me := fmt.Sprint("process that began at ", m.ops)
	var lease store.Lease
	for n := first; n < first+calls; n++ {
		text := func(what string) string { return fmt.Sprintf("%s %d.%d%s", what, m.ops, n, strings.Repeat(".", 700)) }
		switch n % 8 {
		case 0:
			l, err := s.Acquire(ctx, shop, store.Holder{ID: me, PID: 1}, time.Minute, true)
			if count(err) {
				lease = l
			}
		case 1, 4:
			entry := text("saved")
			m.told.unsure++
			next, err := s.Save(ctx, shop, revision, store.Record{Status: json.RawMessage(strconv.Itoa(int(revision) + 1))}, store.Entry{Kind: "decision", Text: entry})
			if count(err) {
				revision, m.told.revision, m.told.unsure, m.told.entries = next, next, 0, append(m.told.entries, entry)
			} else if _, there, err := s.Load(ctx, shop); err == nil {
				revision = there // as who goes on does
			}
		case 2:
			entry := text("appended")
			m.told.unsureCounts++
			if count(s.Append(ctx, shop, counted(time.Unix(1, 0), 1), store.Entry{Kind: "effect", Text: entry})) {
				m.told.entries = append(m.told.entries, entry)
				m.told.counts, m.told.unsureCounts = m.told.counts+1, m.told.unsureCounts-1
			} else {
				m.told.refused = append(m.told.refused, entry)
			}
		case 3, 5:
			id := fmt.Sprint(m.ops, ".", n)
			if err := s.Submit(ctx, shop, store.Command{ID: id, Kind: "pause", By: "anna@ops1"}); count(err) {
				m.told.waiting = append(m.told.waiting, id)
			}
		case 6:
			if len(m.told.waiting) > 0 && len(m.told.doubtful) == 0 { // who tries again tries the same
				m.told.waiting, m.told.doubtful = m.told.waiting[1:], m.told.waiting[:1:1]
			}
			if len(m.told.doubtful) > 0 {
				if count(s.Discard(ctx, shop, m.told.doubtful...)) {
					m.told.doubtful, m.told.discarded = nil, append(m.told.discarded, m.told.doubtful...)
				}
			}
		case 7:
			if lease != nil {
				count(errors.Join(lease.Renew(ctx), lease.Release(ctx)))
			}
		}
	}
	return refused
}

// check states that everything is there of which somebody was told so.
func (m *machine) check(when string) {
	t, ctx := m.t, m.t.Context()
	t.Helper()
	m.dead, m.dies, m.full = false, 0, 0
	s := m.open()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%s, %s: %s", when, m.last, fmt.Sprintf(format, args...))
	}
	record, revision, err := s.Load(ctx, shop)
	switch {
	case errors.Is(err, store.ErrNotFound) && m.told.revision == 0:
	case err != nil:
		fail("load: %v", err)
	case revision < m.told.revision, revision > m.told.revision+m.told.unsure:
		fail("revision %d was acknowledged, %d is there", m.told.revision, revision)
	case string(record.Status) != strconv.Itoa(int(revision)):
		fail("revision %d has status %s", revision, record.Status)
	}
	m.checkJournal(s, fail)
	commands, err := s.Commands(ctx, shop)
	if err != nil {
		fail("commands: %v", err)
	}
	var waiting []string
	for _, c := range commands {
		if slices.Contains(m.told.discarded, c.ID) {
			fail("command %s is there again", c.ID)
		}
		waiting = append(waiting, c.ID)
	}
	for _, id := range m.told.waiting {
		if !slices.Contains(waiting, id) {
			fail("command %s was submitted and is not there", id)
		}
	}
	if _, _, _, err := s.Holder(ctx, shop); err != nil {
		fail("lease: %v", err)
	}
}

func (m *machine) checkJournal(s *Store, fail func(string, ...any)) {
	m.t.Helper()
	entries, err := storetest.All(s.Journal(m.t.Context(), shop))
	if err != nil && (!errors.Is(err, store.ErrNotFound) || len(m.told.entries) > 0) {
		fail("journal: %v", err)
	}
	at, counts, times := 0, 0, map[string]int{}
	for _, e := range entries {
		if e.Kind == store.Counts {
			var one numbered
			if err := json.Unmarshal(e.Data, &one); err != nil {
				fail("counts: %v", err)
			}
			counts += one.N
			continue
		}
		if times[e.Text]++; times[e.Text] > 1 && e.Kind != "note" {
			fail("%.20q is in the journal %d times", e.Text, times[e.Text])
		}
		if slices.Contains(m.told.refused, e.Text) && m.room == m.full+1 { // so that it could be undone
			fail("%.20q was refused and is in the journal", e.Text)
		}
		if at < len(m.told.entries) && e.Text == m.told.entries[at] {
			at++
		}
	}
	if counts < m.told.counts || counts > m.told.counts+m.told.unsureCounts {
		fail("%d counts were acknowledged, and %d are not known to be, but %d are there", m.told.counts, m.told.unsureCounts, counts)
	}
	if at < len(m.told.entries) {
		fail("%.20q was acknowledged and is not in the journal, or not in its place", m.told.entries[at])
	}
}

const calls = 12 // of one process: each kind of call, some of them twice

// operations returns how many operations of the disk a process has whom nothing
// happens to.
func operations(t *testing.T) int {
	t.Helper()
	m := newMachine(t)
	if refused := m.run(0, calls); refused > 0 {
		t.Fatalf("%d calls were refused", refused)
	}
	ops := m.ops
	if m.check("undisturbed"); ops < 60 {
		t.Fatalf("only %d operations: the test does not see the disk", ops)
	}
	return ops
}

// choices are what may be left of what was not flushed: nothing, everything, and
// some by chance.
func choices(seed, n int) []func(int) int {
	out := []func(int) int{func(int) int { return 0 }, func(n int) int { return n - 1 }}
	for i := range n {
		out = append(out, rand.New(rand.NewPCG(uint64(seed), uint64(i))).IntN) //nolint:gosec // small and not negative
	}
	return out
}

func TestPowerCutAnywhereNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	for n := 1; n <= operations(t); n++ {
		for _, choose := range choices(n, 3) {
			m := newMachine(t)
			m.dies = n
			m.run(0, calls)
			m.disk.PowerCut(choose)
			m.check("after a power cut")
			if refused := m.run(0, calls); refused > 0 {
				t.Fatalf("%s: %d calls are refused afterwards", m.last, refused)
			}
			m.disk.PowerCut(choose)
			m.check("after a second one")
		}
	}
}

// TestPowerCutWhileTheFirstFormatBecomesTheSecond begins with what the first format
// has left: its record with the plan in it, and its journal in one file, torn.
func TestPowerCutWhileTheFirstFormatBecomesTheSecond(t *testing.T) {
	t.Parallel()
	old := func() *machine {
		m := newMachine(t)
		const dir = "/var/lib/watari/shop"
		for _, path := range []string{"/var", "/var/lib", "/var/lib/watari", dir} {
			if err := errors.Join(m.disk.Mkdir(path), m.disk.SyncDir(filepath.Dir(path))); err != nil {
				t.Fatal(err)
			}
		}
		files := map[string]string{recordName: `{"format": 1, "revision": 3, "saved": "2026-01-01T00:00:00Z", "spec": {"a": 1}, "status": 3}`}
		for n := range 4 {
			text := fmt.Sprintf("old %d%s", n, strings.Repeat(".", 700))
			m.told.entries = append(m.told.entries, text)
			line, err := encodeEntries([]store.Entry{{Kind: "decision", Text: text}, counted(time.Unix(1, 0), 1)})
			if err != nil {
				t.Fatal(err)
			}
			files[legacyName] += string(line)
		}
		files[legacyName] += `{"at":"20`
		for name, content := range files {
			f, err := m.disk.Create(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.disk.SyncDir(dir); err != nil {
			t.Fatal(err)
		}
		m.told.revision, m.told.counts, m.ops = 3, 4, 0
		return m
	}
	m := old()
	if refused := m.run(0, calls); refused > 0 {
		t.Fatalf("%d calls were refused", refused)
	}
	if there, err := m.disk.Exists("/var/lib/watari/shop/" + legacyName); there || err != nil {
		t.Fatalf("the old journal is still there, %v", err)
	}
	for n := 1; n <= m.ops; n++ {
		for _, choose := range choices(n, 2) {
			m := old()
			m.dies = n
			m.run(0, calls)
			m.disk.PowerCut(choose)
			m.check("after a power cut")
			if refused := m.run(0, calls); refused > 0 {
				t.Fatalf("%s: %d calls are refused afterwards", m.last, refused)
			}
			m.disk.PowerCut(choose)
			m.check("after a second one")
		}
	}
}

func TestPowerCutAfterAKill(t *testing.T) {
	t.Parallel()
	for n := 1; n <= operations(t); n++ {
		for next := n % 3; next < 3*calls; next += 3 { // at each operation another third of them
			m := newMachine(t)
			m.dies = n
			m.run(0, calls) // nobody looks at what it leaves, which would flush it
			m.dies = 0
			first, count := next/3, 1+next%3
			m.run(first, count) // a command is refused if nothing was saved
			m.disk.PowerCut(func(int) int { return 0 })
			m.check(fmt.Sprintf("killed at operation %d, %d calls of the next one from the %dth kind on, and a power cut", n, count, first))
		}
	}
}

func TestSubmittedAgainAfterAKill(t *testing.T) {
	t.Parallel()
	submit := func(m *machine) (err error) {
		defer func() {
			if r := recover(); r == any(died{}) {
				err = errors.New("it died")
			}
		}()
		m.dead = false
		return New("/var/lib/watari", WithDisk(m.disk)).Submit(t.Context(), shop, store.Command{ID: "once", Kind: "rollback"})
	}
	for n, answered := 1, false; !answered; n++ {
		m := newMachine(t)
		m.run(0, 2)
		m.dies = m.ops + n
		if answered = submit(m) == nil && !m.dead; answered && n < 5 {
			t.Fatalf("only %d operations: the test does not see the disk", n)
		}
		m.dies = 0
		if err := submit(m); err != nil {
			t.Fatalf("a second time: %v", err)
		}
		m.told.waiting = []string{"once"}
		m.disk.PowerCut(func(int) int { return 0 })
		m.check("submitted again, and a power cut")
	}
}

func TestFullDiskAnywhere(t *testing.T) {
	t.Parallel()
	ops := operations(t)
	for n := 1; n <= ops; n++ {
		for _, length := range []int{1, 4, ops} {
			for _, choose := range choices(n, 1)[n%3:][:1] {
				m := newMachine(t)
				m.full, m.room = n, n+length
				refused := m.run(0, calls)
				if m.hit && refused == 0 && !m.said {
					t.Fatalf("%s: the disk was full and nobody was told", m.last)
				}
				m.check("after the disk was full")
				if refused := m.run(0, calls); refused > 0 {
					t.Fatalf("%s: %d calls are refused although there is room again", m.last, refused)
				}
				m.disk.PowerCut(choose)
				m.check("after the disk was full, and a power cut")
			}
		}
	}
}

// TestDirectoriesThatCannotBeFlushed: above the store there may be any file system.
func TestDirectoriesThatCannotBeFlushed(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EINVAL} {
		d := memdisk.New().WithFaults(func(op memdisk.Op, path string) error {
			if op == memdisk.SyncDir && !strings.HasPrefix(path, "/var/lib/watari") {
				return errno
			}
			return nil
		})
		if _, err := New("/var/lib/watari", WithDisk(d)).Save(t.Context(), shop, 0, store.Record{}); err != nil {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// TestMovedAway: who moves a journal or a migration away begins a new one, which is
// as durable.
func TestMovedAway(t *testing.T) {
	d := memdisk.New()
	s := New("/var/lib/watari", WithDisk(d))
	if _, err := s.Save(t.Context(), shop, 0, store.Record{}, store.Entry{Text: "one"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Rename("/var/lib/watari/shop/journal/00000001.jsonl", "/var/lib/watari/shop/journal/old"), d.SyncDir("/var/lib/watari/shop/journal")); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), shop, store.Entry{Text: "two"}); err != nil {
		t.Fatal(err)
	}
	d.PowerCut(func(int) int { return 0 })
	if got := texts(t, New("/var/lib/watari", WithDisk(d))); len(got) != 1 || got[0] != ": two" {
		t.Errorf("the journal has %q", got)
	}

	real, dir := saved(t)
	lease, err := real.Acquire(t.Context(), shop, store.Holder{ID: "1"}, time.Minute, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := lease.Renew(t.Context()); !errors.Is(err, store.ErrLost) {
		t.Errorf("renewing the lease of what was moved away: %v", err)
	}
	if err := real.Append(t.Context(), shop, store.Entry{Text: "new"}); err != nil {
		t.Error(err)
	}
}
