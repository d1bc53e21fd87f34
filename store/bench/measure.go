package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/store/filestore"
	"watari.dev/store/filestore/disk"
)

// Options say what to measure, and with what.
type Options struct {
	Sizes  []Size
	Watari string // the program whose status and analyze are timed; empty leaves them out
	Dir    string // on the disk that is measured
	Flush  bool   // flush the disk while days are simulated too; otherwise only the saves that are timed do
	Saves  int    // how many are timed

	Segment int64 // bytes of a segment of the journal; 0 is the store's default
}

// Result is what one size costs.
type Result struct {
	Size
	Took           time.Duration // to simulate it
	Lines, Records int64         // bytes written: lines of the journal, records
	Saves          int64
	Record         int64   // bytes of the last record, without the plan
	Plan           int64   // bytes of the plan
	Before, After  int64   // bytes of the journal, before what is old is merged and after
	Heap           uint64  // of the runner, at most
	Status         Command // before it is merged
	Analyze        Command
	AnalyzeAfter   Command
	Alone, Beside  Delay // of a save, and while analyze runs
}

// Command is what a command of the program took.
type Command struct {
	Took   time.Duration
	Worked time.Duration // on the processors, which other work on the machine does not lengthen
	Memory int64         // resident bytes, at most
}

// Delay is how long saves took.
type Delay struct{ Half, Most time.Duration }

func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// Measure measures one size.
func Measure(o Options, size Size) (r Result, err error) {
	r.Size = size
	dir := filepath.Join(o.Dir, fmt.Sprintf("bench-%d-%d-%d", size.Services, size.Routes, int(size.Lasts.Hours())))
	if err := os.RemoveAll(dir); err != nil {
		return r, err
	}
	c := &clock{now: dawn}
	meter := &meter{Disk: disk.OS(dir), flush: o.Flush}
	open := func(detail time.Duration) *filestore.Store {
		return filestore.New(dir, filestore.WithDisk(meter), filestore.WithClock(c.Now), filestore.WithBackground(func(task func()) { task() }),
			filestore.WithReport(func(e error) { err = errors.Join(err, e) }),
			filestore.WithJournal(filestore.Journal{Segment: o.Segment, Detail: detail, Merge: runner.MergeCounts}))
	}
	begun := time.Now()
	// For longer than a day nothing is merged at first, to say what merging saves.
	if r.Heap, err = watch(size, open(size.Lasts+24*time.Hour), c); err != nil {
		return r, err
	}
	r.Took, r.Lines, r.Records, r.Saves = time.Since(begun), meter.lines, meter.records, meter.saves
	r.Before = bytesIn(filepath.Join(dir, key.Name, "journal"))
	r.Record = bytesOf(filepath.Join(dir, key.Name, "record.json"))
	plans, err := filepath.Glob(filepath.Join(dir, key.Name, "plan-*"))
	if err != nil || len(plans) != 1 {
		return r, fmt.Errorf("%d plans, %w", len(plans), err)
	}
	r.Plan = bytesOf(plans[0])
	if o.Watari != "" {
		if r.Status, err = timed(context.Background(), o.Watari, dir, "status"); err != nil {
			return r, err
		}
		if r.Analyze, err = timed(context.Background(), o.Watari, dir, "analyze"); err != nil {
			return r, err
		}
	}
	if r.Alone, r.Beside, err = delays(o, dir); err != nil {
		return r, err
	}
	// The next process finds it a day later, and merges what is old by then.
	c.now = c.now.Add(25 * time.Hour)
	next := open(24 * time.Hour)
	if err := next.Append(context.Background(), key, store.Entry{At: c.now, Kind: "note", Text: "a day later"}); err != nil {
		return r, err
	}
	r.After = bytesIn(filepath.Join(dir, key.Name, "journal"))
	if o.Watari != "" {
		if r.AnalyzeAfter, err = timed(context.Background(), o.Watari, dir, "analyze"); err != nil {
			return r, err
		}
	}
	return r, err
}

// delays times saves, alone and while somebody analyses the journal.
func delays(o Options, dir string) (alone, beside Delay, err error) {
	if alone, err = saves(dir, o.Saves); err != nil || o.Watari == "" {
		return alone, beside, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if _, err := timed(ctx, o.Watari, dir, "analyze"); err != nil && ctx.Err() == nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	beside, err = saves(dir, o.Saves)
	stop()
	return alone, beside, errors.Join(err, <-ended)
}

// saves times what must be done before a write that takes back is sent: renewing the
// lease and saving the status with its line in the journal. The disk is flushed.
func saves(dir string, n int) (Delay, error) {
	ctx := context.Background()
	s := filestore.New(dir)
	defer s.Wait()
	record, revision, err := s.Load(ctx, key)
	if err != nil {
		return Delay{}, err
	}
	lease, err := s.Acquire(ctx, key, store.Holder{ID: "saves", User: "bench", Host: "here", PID: 1}, time.Hour, true)
	if err != nil {
		return Delay{}, err
	}
	var took []time.Duration
	for i := range n {
		begun := time.Now()
		if err := lease.Renew(ctx); err != nil {
			return Delay{}, err
		}
		if revision, err = s.Save(ctx, key, revision, record, store.Entry{At: dawn, Kind: "observation", Text: fmt.Sprint("save ", i)}); err != nil {
			return Delay{}, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return Delay{took[len(took)/2], took[len(took)-1]}, lease.Release(ctx)
}

// timed runs a command of the program. That it would have rolled back is an answer
// too.
func timed(ctx context.Context, watari, dir, command string) (Command, error) {
	cmd := exec.CommandContext(ctx, watari, "--state", dir, command, key.Name) //nolint:gosec // the program that was asked for
	cmd.Stdout = io.Discard
	var said strings.Builder
	cmd.Stderr = &said
	begun := time.Now()
	err := cmd.Run()
	out := Command{Took: time.Since(begun)}
	if cmd.ProcessState != nil {
		out.Worked = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if usage, is := cmd.ProcessState.SysUsage().(*syscall.Rusage); is {
			out.Memory = int64(usage.Maxrss) * 1024 //nolint:unconvert // Linux counts in KiB (getrusage(2)), and its width differs between systems
		}
		if cmd.ProcessState.ExitCode() == 3 {
			err = nil
		}
	}
	if err != nil {
		err = fmt.Errorf("watari %s: %w: %s", command, err, said.String())
	}
	return out, err
}

func bytesOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func bytesIn(dir string) (n int64) {
	files, _ := os.ReadDir(dir) // none is none
	for _, f := range files {
		n += bytesOf(filepath.Join(dir, f.Name()))
	}
	return n
}

// meter is a disk that counts what is written, and flushes only where it should.
type meter struct {
	disk.Disk
	flush                 bool
	lines, records, saves int64
}

func (m *meter) SyncDir(path string) error {
	if !m.flush {
		return nil
	}
	return m.Disk.SyncDir(path)
}

func (m *meter) Append(path string) (disk.File, error) {
	f, err := m.Disk.Append(path)
	return &metered{f, m, path}, err
}

func (m *meter) Create(path string) (disk.File, error) {
	f, err := m.Disk.Create(path)
	return &metered{f, m, path}, err
}

type metered struct {
	disk.File
	meter *meter
	path  string
}

func (f *metered) Write(b []byte) (int, error) {
	switch name := filepath.Base(f.path); {
	case strings.HasSuffix(name, ".jsonl"):
		f.meter.lines += int64(len(b))
	case name == "record.json.tmp":
		f.meter.records, f.meter.saves = f.meter.records+int64(len(b)), f.meter.saves+1
	}
	return f.File.Write(b)
}

func (f *metered) Sync() error {
	if !f.meter.flush {
		return nil
	}
	return f.File.Sync()
}
