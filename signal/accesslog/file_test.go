package accesslog

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

func TestRotationByRenameLosesNothing(t *testing.T) {
	d := newDesk(t, Config{})
	d.serve(request{group: oldGroup})
	from := d.see()
	d.serve(request{group: oldGroup})
	before := d.out
	d.rename()
	d.serve(request{group: oldGroup})
	middle := d.see()
	want(t, "both files", d.counts(from, middle).Source, traffic.Known, 2, "")

	after := d.out // the writer has not been told of the new file yet
	d.out = before
	half := request{group: oldGroup, at: d.now()}.line()
	d.serve(request{group: oldGroup})
	d.write(half[:50])
	d.out = after
	d.serve(request{group: oldGroup})
	d.out = before
	end := d.see()
	want(t, "the old one goes on", d.counts(middle, end).Source, traffic.Known, 2, "")
	d.write(half[50:])
	last := d.see()
	want(t, "and its half line is completed", d.counts(end, last).Source, traffic.Known, 1, "")

	d.pass(lingers)
	d.see()
	if f := d.input.(*file); len(f.rotated) != 0 {
		t.Errorf("%d old files are open", len(f.rotated))
	}
	for range 2 * maxRotated {
		d.rename()
		d.pass(-d.history.settle)
		d.see()
	}
	if f := d.input.(*file); len(f.rotated) > maxRotated+1 {
		t.Errorf("%d old files are open", len(f.rotated))
	}
}

func TestTruncation(t *testing.T) {
	d := newDesk(t, Config{})
	d.serve(request{group: oldGroup}, request{group: oldGroup})
	d.write("half a line")
	from := d.see()
	d.truncate()
	d.serve(request{group: oldGroup})
	want(t, "after it", d.counts(from, d.see()).Source, traffic.Known, 1, "")
	if r := d.Report(); r.Damaged != 1 {
		t.Errorf("the half line is lost and said: %+v", r)
	}
}

func TestWhatIsThereAtTheStartIsNotRead(t *testing.T) {
	d := newDesk(t, Config{})
	d.serve(request{group: oldGroup}, request{group: oldGroup})
	half := request{group: oldGroup, at: d.now().Add(time.Second)}.line()
	d.write(half[:70])
	s, err := New(Config{Path: d.path})
	if err != nil {
		t.Fatal(err)
	}
	s.now = d.now
	s.begin()
	defer s.input.close()
	d.write(half[70:])
	d.serve(request{group: newGroup})
	d.pass(3 * time.Second)
	s.look(t.Context())
	if r := s.Report(); r.Lines != 2 || r.Damaged != 0 || r.Before != 1 {
		t.Errorf("%+v", r)
	}
}

func TestSkipLinesInALongFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"no end":      {"abc", 0},
		"ended":       {"abc\n", 4},
		"empty":       {"", 0},
		"half":        {"abc\nde", 4},
		"long":        {strings.Repeat("x\n", 50) + "yz", 100},
		"longer line": {"\n" + strings.Repeat("y", 50), 51},
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		opened, err := openTail(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := opened.skipLines(make([]byte, 10)); err != nil || opened.offset != int64(c.want) {
			t.Errorf("%s: %d, %v; want %d", name, opened.offset, err, c.want)
		}
		_ = opened.file.Close()
	}
}

func TestFileThatComesLater(t *testing.T) {
	d := newDesk(t, Config{})
	path := filepath.Join(t.TempDir(), "later.log")
	s, err := New(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s.now = d.now
	s.begin()
	defer s.input.close()
	from := d.pass(3 * time.Second)
	s.look(t.Context())
	got, err := s.Counts(t.Context(), query(), from.Add(-time.Second), from)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "while it is missing", got.Target, traffic.Failed, 0, "read access log "+path+": stat: no such file or directory")
	line := request{at: d.now(), group: newGroup}.line()
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	to := d.pass(3 * time.Second)
	s.look(t.Context())
	if got, err = s.Counts(t.Context(), query(), from, to); err != nil {
		t.Fatal(err)
	}
	want(t, "when it is there", got.Target, traffic.Known, 1, "")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	d.pass(3 * time.Second)
	s.look(t.Context())
	if got, err = s.Counts(t.Context(), query(), to, d.now()); err != nil {
		t.Fatal(err)
	}
	want(t, "when it is something else", got.Target, traffic.Failed, 0, "it is not a file (last read 3s before)")
}

// TestRun lets Run follow a real file, with time that only passes when all wait.
func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(3 * time.Second)
		from := time.Now()
		for range 20 {
			out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = out.WriteString(request{at: time.Now(), group: oldGroup}.line() + health(time.Now()))
			_ = out.Close()
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(4 * time.Second)
		var sum int64
		for end := from.Add(time.Second); !end.After(time.Now()); from, end = end, end.Add(time.Second) {
			got, err := s.Counts(ctx, query(), from, end)
			if err != nil || got.Target.State == traffic.Known {
				t.Fatalf("%+v, %v", got, err)
			}
			sum += got.Source.Value.Requests
		}
		if sum != 20 {
			t.Errorf("the windows hold %d requests", sum)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Run(ctx); err == nil || !strings.Contains(err.Error(), "make a new source") {
			t.Errorf("a second run: %v", err)
		}
		if _, err := s.Counts(ctx, signal.Query{}, from, from); err == nil {
			t.Error("a query for nothing was answered")
		}
	})
}
