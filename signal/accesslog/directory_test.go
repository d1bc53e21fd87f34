package accesslog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
)

// deliver puts a file with one request of each group, at at, for the period of at.
func (b *bucket) deliver(at time.Time, groups ...string) {
	b.t.Helper()
	var text strings.Builder
	for _, group := range groups {
		text.WriteString(request{at: at, group: group}.line())
	}
	b.put(b.key(at.Truncate(period).Add(period), ".log.gz"), packed(text.String()))
}

func (b *bucket) see() time.Time {
	b.t.Helper()
	b.look(b.t.Context())
	return b.now()
}

func (b *bucket) counts(from, to time.Time) (source, target traffic.Reading[traffic.Counts]) {
	b.t.Helper()
	got, err := b.Counts(b.t.Context(), query(), from, to)
	if err != nil {
		b.t.Fatal(err)
	}
	return got.Source, got.Target
}

func TestPeriods(t *testing.T) {
	b := newBucket(t, Config{})
	start := b.now() // a whole hour
	b.deliver(start.Add(-time.Second), oldGroup)
	b.see()
	b.pass(period + time.Minute)
	b.deliver(start.Add(time.Minute), oldGroup, oldGroup, newGroup) // two nodes
	b.deliver(start.Add(2*time.Minute), oldGroup)
	from := b.see() // 6 minutes after the start

	b.pass(period)
	b.deliver(start.Add(6*time.Minute), oldGroup)
	b.see()
	source, target := b.counts(from, from.Add(2*time.Minute))
	want(t, "source, minutes 0 to 2", source, traffic.Known, 3, "")
	want(t, "target, minutes 0 to 2", target, traffic.Known, 1, "")
	source, target = b.counts(from.Add(2*time.Minute), from.Add(4*time.Minute))
	want(t, "source, minutes 2 to 4: there is a file for the period", source, traffic.Known, 0, "")
	want(t, "target, minutes 2 to 4", target, traffic.Known, 0, "")
	if covered := start.Add(4 * time.Minute); !source.At.Equal(covered) {
		t.Errorf("it covers up to %s, want %s", source.At, covered)
	}
	source, _ = b.counts(from.Add(4*time.Minute), from.Add(5*time.Minute))
	want(t, "source, minutes 4 to 5", source, traffic.Known, 0, "")

	b.pass(10 * time.Minute)
	end := b.see()
	source, _ = b.counts(end.Add(-time.Minute), end)
	want(t, "no file for the period", source, traffic.Unknown, 0, "no new line in "+b.root+" since")
	if r := b.Report(); r.Lines != 6 || r.Before != 1 {
		t.Errorf("%+v", r)
	}
}

func TestLateFile(t *testing.T) {
	b := newBucket(t, Config{})
	start := b.now()
	b.pass(6 * time.Minute)
	b.deliver(start.Add(time.Minute), oldGroup)
	from := b.see()
	to := b.pass(5 * time.Minute)
	b.see()
	source, _ := b.counts(from, to)
	want(t, "without the late file", source, traffic.Known, 1, "")
	b.deliver(start.Add(2*time.Minute), oldGroup, oldGroup)
	b.pass(time.Second)
	end := b.see()
	source, _ = b.counts(to, end)
	want(t, "the next window", source, traffic.Known, 2, "")
	source, _ = b.counts(from, to)
	want(t, "the answered one", source, traffic.Known, 1, "")
}

func TestPlainFilesGrowAndPackedOnesMustBeWhole(t *testing.T) {
	b := newBucket(t, Config{})
	b.pass(6 * time.Minute)
	from := b.see()
	line := request{at: b.now(), group: oldGroup}.line()
	plain := filepath.Join(b.root, "access.log")
	b.put(plain, []byte(line+line[:40]))
	content := packed(strings.Repeat(line, 1000))
	node := b.key(b.now().Truncate(period).Add(period), ".log.gz")
	b.put(node, content[:len(content)-10])
	b.pass(time.Second)
	b.see()
	if r := b.Report(); r.Lines != 1 || r.Damaged != 0 {
		t.Errorf("%+v", r)
	}
	source, _ := b.counts(from, b.now())
	want(t, "while the file is being written", source, traffic.Unknown, 0, "no new line")

	from = b.now()
	b.pass(2 * arriving)
	b.see()
	source, _ = b.counts(from, b.now())
	want(t, "when it stays unreadable", source, traffic.Failed, 0, node+": unpack it: unexpected EOF: fetch it again, or take it away")

	b.put(node, content)
	b.put(plain, []byte(line+line))
	b.pass(7 * time.Minute)
	b.see()
	b.put(strings.TrimSuffix(node, ".gz"), []byte(line)) // unpacked beside it
	b.put(plain+".gz", packed(line))                     // packed after it was read
	b.pass(time.Second)
	b.see()
	source, _ = b.counts(from, b.now())
	want(t, "when it is whole", source, traffic.Known, 1002, "")
	b.put(plain, []byte(line))
	b.pass(time.Second)
	if b.see(); b.Report().Lines != 1003 {
		t.Errorf("a file that began anew: %+v", b.Report())
	}
}

func TestOneUnreadableFileKeepsNoOtherFromBeingRead(t *testing.T) {
	b := newBucket(t, Config{})
	b.pass(6 * time.Minute)
	from := b.see()
	for n := range 5 {
		b.put(filepath.Join(b.root, fmt.Sprintf("%d.log.gz", n)), []byte("not packed"))
	}
	b.put(filepath.Join(b.root, "z.log"), []byte(request{at: b.now(), group: oldGroup}.line()))
	b.put(filepath.Join(b.root, "ELBAccessLogTestFile"), []byte("Enable AccessLog for ELB"))
	b.pass(2 * arriving)
	b.see()
	source, _ := b.counts(from, b.now())
	want(t, "unreadable", source, traffic.Failed, 0, "0.log.gz: it is not packed by gzip: ")
	if !strings.Contains(source.Err, "; and 2 more files (last read 2m0s before)") || b.Report().Lines != 1 {
		t.Errorf("%s; %+v", source.Err, b.Report())
	}
}

func TestDirectoryThatIsALink(t *testing.T) {
	b := newBucket(t, Config{})
	link := filepath.Join(t.TempDir(), "logs")
	if err := os.Symlink(b.root, link); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Path: link + "/"})
	if err != nil {
		t.Fatal(err)
	}
	s.now = b.now
	s.begin()
	b.pass(time.Second)
	b.deliver(b.now(), oldGroup)
	if s.look(t.Context()); s.Report().Lines != 1 {
		t.Errorf("%+v", s.Report())
	}
}

func TestOldFilesAreNotRead(t *testing.T) {
	b := newBucket(t, Config{})
	now := b.now()
	line := request{at: now, group: oldGroup}.line()
	b.put(b.key(now.Add(-2*period), ".log.gz"), packed(line))                                 // by its name
	b.put(filepath.Join(b.root, now.Add(-3*day).Format("2006/01/02"), "x.log"), []byte(line)) // by its directory
	changed := filepath.Join(b.root, "y.log")
	b.put(changed, []byte(line)) // by its last change
	if err := os.Chtimes(changed, time.Time{}, now.Add(-2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	b.put(b.key(now, ".log.gz"), packed(line)) // to be sure
	b.see()
	if r := b.Report(); r.Lines != 1 || r.Before != 1 {
		t.Errorf("%+v", r)
	}
	if files := b.input.(*directory).files; len(files) != 1 {
		t.Errorf("it remembers %d files", len(files))
	}
	if err := os.RemoveAll(filepath.Join(b.root, "AWSLogs")); err != nil {
		t.Fatal(err)
	}
	b.see()
	if files := b.input.(*directory).files; len(files) != 0 {
		t.Errorf("it remembers %d files that are gone", len(files))
	}
}
