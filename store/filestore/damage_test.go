package filestore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"watari.dev/store"
)

// filled is a store whose journal has a line a second, some segments of which are
// closed, and a way to write more. What it reports is returned.
func filled(t *testing.T, j Journal) (s *Store, dir string, more func(lines int), said *[]string) {
	t.Helper()
	now, n := noon, 0
	said = new([]string)
	s, dir = settled(t, j, func() time.Time { return now }, WithReport(func(err error) { *said = append(*said, err.Error()) }))
	more = func(lines int) {
		t.Helper()
		var entries []store.Entry
		for range lines {
			now, n = now.Add(time.Second), n+1
			entries = append(entries, counted(now, 1))
			if n%100 == 50 {
				entries = append(entries, store.Entry{At: now, Kind: "decision", Text: fmt.Sprint("decision ", n)})
			}
			if len(entries) >= 20 || n%400 == 0 {
				if err := s.Append(t.Context(), shop, entries...); err != nil {
					t.Fatal(err)
				}
				entries = nil
			}
		}
	}
	more(400)
	return s, dir, more, said
}

// TestOneBadSegmentKeepsNoOtherFromBeingTidied: the journal keeps its bound and what
// is closed is compressed, whatever has become of one segment, and that is said once.
func TestOneBadSegmentKeepsNoOtherFromBeingTidied(t *testing.T) {
	const bound = 16000
	for name, harm := range map[string]func(t *testing.T, path string) error{
		"no gzip":        func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("nothing of ours"), 0o600) },
		"cut off":        func(_ *testing.T, path string) error { return os.Truncate(path, 60) },
		"a directory":    func(_ *testing.T, path string) error { return os.Mkdir(path, 0o700) },
		"somebody's":     func(t *testing.T, path string) error { return os.Symlink(t.TempDir(), path) },
		"a bit is wrong": flipped,
	} {
		t.Run(name, func(t *testing.T) {
			_, dir, more, said := filled(t, Journal{Segment: 2000, Bound: bound, Merge: sum})
			path := packedPath(dir, 2)
			if name == "a directory" || name == "somebody's" {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			if err := harm(t, path); err != nil {
				t.Fatal(err)
			}
			more(2400)
			if size := bytesOfRegular(t, dir); size > bound {
				t.Errorf("%d bytes, and the bound is %d", size, bound)
			}
			plain, err := filepath.Glob(filepath.Join(dir, journalName, "*"+plainSuffix))
			if err != nil || len(plain) != 1 {
				t.Errorf("not compressed: %q, %v", plain, err)
			}
			if len(*said) != 1 || !strings.Contains((*said)[0], filepath.Base(path)) {
				t.Errorf("said %q", *said)
			}
		})
	}
}

// flipped changes a byte in the middle of a file.
func flipped(_ *testing.T, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 0x55
	return os.WriteFile(path, b, 0o600)
}

func bytesOfRegular(t *testing.T, dir string) (n int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, journalName, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
	}
	return n
}

// TestADamagedSegmentHidesNoOther: who reads is told where something is missing, and
// reads the rest.
func TestADamagedSegmentHidesNoOther(t *testing.T) {
	for name, harm := range map[string]func(*testing.T, string) error{
		"no gzip":        func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("nothing of ours"), 0o600) },
		"cut off":        func(_ *testing.T, path string) error { return os.Truncate(path, 60) },
		"empty":          func(_ *testing.T, path string) error { return os.Truncate(path, 0) },
		"a bit is wrong": flipped,
	} {
		t.Run(name, func(t *testing.T) {
			s, dir, _, _ := filled(t, Journal{Segment: 2000, Merge: sum})
			if err := harm(t, packedPath(dir, 2)); err != nil {
				t.Fatal(err)
			}
			got, _, texts := total(t, s)
			if got < 300 || got >= 400 {
				t.Errorf("%d of 400 counts", got)
			}
			if all := strings.Join(texts, "\n"); !strings.Contains(all, "decision 350") || strings.Count(all, "00000002.jsonl.gz is damaged") != 1 {
				t.Errorf("read %q", texts)
			}
		})
	}
}

// TestASegmentFarAhead: a file that somebody has named like a segment of a time to come
// keeps nobody from reading, saving or tidying.
func TestASegmentFarAhead(t *testing.T) {
	for _, name := range []string{"99999999.jsonl", "9223372036854775807.jsonl", "000000000007.jsonl", "99999999.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			within(t, name, func() {
				_, dir, _, _ := filled(t, Journal{Segment: 2000, Merge: sum})
				if err := os.WriteFile(filepath.Join(dir, journalName, name), nil, 0o600); err != nil {
					t.Error(err)
				}
				now := noon.Add(time.Hour)
				next := New(filepath.Dir(dir), WithClock(func() time.Time { return now }), WithBackground(func(task func()) { task() }),
					WithJournal(Journal{Segment: 2000, Bound: 8000, Merge: sum}))
				for range 100 {
					now = now.Add(time.Second)
					if err := next.Append(t.Context(), shop, counted(now, 1), store.Entry{At: now, Kind: "note", Text: "after"}); err != nil {
						t.Error(err)
						return
					}
				}
				_, _, texts := total(t, next)
				if got := strings.Count(strings.Join(texts, " "), "after"); got < 10 {
					t.Errorf("%d of the lines were read: %q", got, texts)
				}
			})
		})
	}
}

// TestAForeignFileInThePlaceOfACompressedSegment: nothing is lost that was never
// compressed, whatever stands where the compressed segment is to be.
func TestAForeignFileInThePlaceOfACompressedSegment(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, path string) error{
		"a file":          func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("nothing of ours"), 0o600) },
		"a symbolic link": func(t *testing.T, path string) error { return os.Symlink(filepath.Join(t.TempDir(), "gone"), path) },
		"a directory":     func(_ *testing.T, path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			s, dir, more, _ := filled(t, Journal{Segment: 2000, Merge: sum})
			n, err := s.lastSegment(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := put(t, packedPath(dir, n)); err != nil {
				t.Fatal(err)
			}
			more(400)
			if got, _, texts := total(t, s); got != 800 || len(texts) != 8 {
				t.Errorf("%d of 800 counts, %q", got, texts)
			}
		})
	}
}
