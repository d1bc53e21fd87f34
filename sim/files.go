package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"

	"watari.dev/engine"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/store/filestore"
	"watari.dev/store/filestore/disk"
	"watari.dev/store/filestore/memdisk"
)

// onFiles is how many plans there are for each one whose store is the product's, on
// files, with statuses as JSON. That takes most of a run's time; what the others
// have instead is in the same order, in memory, and as it is.
const onFiles = 32

// files reports whether the plan's store is on files.
func (p Plan) files() bool { return p.Seed%onFiles == 0 }

const stateDir = "/var/lib/watari"

// openFiles returns the store on files as a process reaches it. begin is handed what
// the store does when nobody waits for it.
func (w *world) openFiles(d disk.Disk, wall func() time.Time, begin func(task func())) store.Store {
	journal := smallJournal
	if w.brk != nil && w.brk.Journal != nil {
		journal = w.brk.Journal(journal)
	}
	return filestore.New(stateDir, filestore.WithDisk(d), filestore.WithClock(wall), filestore.WithAlive(w.holds),
		filestore.WithBackground(begin), filestore.WithJournal(journal))
}

// smallJournal closes a segment every few lines, and merges what is older than some
// seconds, so that a run sees often what happens once in hours otherwise.
var smallJournal = filestore.Journal{
	Segment: 8 << 10, Detail: 20 * time.Second, Unit: 5 * time.Second, Around: 2 * time.Second, Merge: runner.MergeCounts,
}

// tallied returns how many lines of a journal are not counts, and how many requests
// the counts add up to.
func tallied(s store.Store) (lines int, requests int64, err error) {
	for e, err := range s.Journal(context.Background(), key) {
		if errors.Is(err, store.ErrNotFound) {
			return 0, 0, nil
		}
		if err != nil {
			return lines, requests, err
		}
		if e.Kind != store.Counts {
			lines++
			continue
		}
		n, err := requestsIn(e)
		if err != nil {
			return lines, requests, err
		}
		requests += n
	}
	return lines, requests, nil
}

// tally states that what the journal was told to keep is in it, whatever became of its
// segments.
func (c *checker) tally() {
	lines, requests, err := tallied(c.store)
	if err != nil {
		c.fail("what is saved stays saved", "the journal: %v", err)
		return
	}
	if lines < c.lines {
		c.fail("what is saved stays saved", "%d lines of the journal were saved, %d are there", c.lines, lines)
	}
	if requests < c.requests {
		c.fail("what is saved stays saved", "%d counted requests were saved, %d are there", c.requests, requests)
	}
}

// requestsIn returns how many requests an entry has counted.
func requestsIn(e store.Entry) (n int64, err error) {
	var data struct{ Intervals []engine.Interval }
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return 0, fmt.Errorf("counts of %s: %w", e.At, err)
	}
	for _, in := range data.Intervals {
		source, _ := in.Source.Get()
		target, _ := in.Target.Get()
		n += source.Requests + target.Requests
	}
	return n, nil
}

// wrote is told which entries somebody was told to be in the journal.
func (c *checker) wrote(entries []store.Entry) {
	for _, e := range entries {
		if e.Kind != store.Counts {
			c.lines++
		} else if n, err := requestsIn(e); err == nil {
			c.requests += n
		}
	}
}

// machine is the disk as one process reaches it, which can die or be frozen before
// anything that it does to it.
type machine struct {
	*memdisk.Disk
	process *process
	fails   Kind // what goes wrong with the save that is under way; kinds is nothing
	renamed bool // the record of that save has its name
}

func (w *world) newMachine(p *process) *machine {
	m := &machine{process: p, fails: kinds}
	m.Disk = w.platter.WithFaults(m.before)
	return m
}

// before is the moment before an operation of the disk.
func (m *machine) before(op memdisk.Op, at string) error {
	p := m.process
	if op == memdisk.Unlock {
		return nil // the kernel closes what the dead have open
	}
	p.effect()
	if p.conditions[DiskFull].on(p.now) && (op == memdisk.Write || op == memdisk.WriteRest || op == memdisk.Open || op == memdisk.Mkdir) {
		p.bite(DiskFull)
		return syscall.ENOSPC
	}
	name := path.Base(at)
	switch {
	case m.fails == SaveBefore && op == memdisk.Write, m.fails == SaveAfter && op == memdisk.SyncDir && m.renamed:
		p.bite(m.fails)
		m.fails = kinds
		return syscall.EIO
	case m.fails == TornJournal && op == memdisk.WriteRest && strings.HasSuffix(name, ".jsonl"):
		p.bite(TornJournal)
		m.fails = kinds
		p.kill()
		p.alive()
	}
	m.renamed = m.renamed || op == memdisk.Rename && name == "record.json"
	return nil
}

// saving is told that a save begins.
func (m *machine) saving() {
	m.renamed = false
	if m.fails == kinds {
		m.fails, _ = m.process.hit(SaveBefore, SaveAfter, TornJournal)
	}
}

// lockPoll is how often a process looks whether a lock is free.
const lockPoll = 50 * time.Millisecond

// Lock implements disk.Disk in virtual time.
func (m *machine) Lock(ctx context.Context, at string) (unlock func(), err error) {
	p := m.process
	for until := p.now + disk.LockPatience; ; {
		unlock, busy, err := m.TryLock(at)
		if err != nil || busy == nil {
			return unlock, err
		}
		if p.now >= until {
			return nil, fmt.Errorf("lock %s: %w: %w", at, disk.ErrLocked, context.DeadlineExceeded)
		}
		if err := p.pass(ctx, lockPoll); err != nil {
			return nil, fmt.Errorf("lock %s: %w: %w", at, disk.ErrLocked, err)
		}
	}
}

// terminal is the disk as an operator reaches it, who does not wait.
type terminal struct{ *memdisk.Disk }

// Lock implements disk.Disk.
func (t terminal) Lock(_ context.Context, at string) (unlock func(), err error) {
	unlock, busy, err := t.TryLock(at)
	if busy != nil {
		err = fmt.Errorf("lock %s: %w", at, disk.ErrLocked)
	}
	return unlock, err
}

// powerCut takes the power from the machine that everything runs on. What is not
// durable may be lost; where the store is not on files everything is.
func (w *world) powerCut() {
	w.tell("world", "power cut")
	for len(w.running) > 0 {
		w.running[0].kill()
	}
	if w.platter == nil {
		return
	}
	w.putAllBack() // who gives the power back looks at the machine
	w.platter.PowerCut(w.dice.IntN)
	w.check.survived()
}

// there reports whether the store has what was to be saved.
func (w *world) there(prev store.Revision, next store.Record) bool {
	record, revision, err := w.store.Load(context.Background(), key)
	return err == nil && revision == prev+1 && bytes.Equal(record.Status, next.Status)
}

// recount is told that there may be fewer commands.
func (w *world) recount() {
	left, _ := w.store.Commands(context.Background(), key) // but for those of strangers
	w.waiting = len(left)
}
