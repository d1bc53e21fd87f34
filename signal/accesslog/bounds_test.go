package accesslog

import (
	"bytes"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
)

// longLine is one line that is as long as it is told to be; nobody has it in memory.
type longLine struct{ left int64 }

func (l *longLine) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n := int(min(l.left, int64(len(p))))
	for i := range p[:n] {
		p[i] = 'x'
	}
	l.left -= int64(n)
	return n, nil
}

// TestEndlessLineIsDamagedAndSkipped: nothing of it is taken for an entry, though its
// beginning is one, and it takes no memory.
func TestEndlessLineIsDamagedAndSkipped(t *testing.T) {
	s, err := New(Config{Stream: strings.NewReader("")})
	if err != nil {
		t.Fatal(err)
	}
	s.history.start = time.Now().Add(-time.Minute)
	good := request{at: time.Now(), group: oldGroup}.line()
	before := heap()
	r := io.MultiReader(strings.NewReader(good+strings.TrimSuffix(good, "\n")+" "), &longLine{left: 512 << 20}, strings.NewReader("\n"+good))
	var lines splitter
	buffer := make([]byte, pieceSize)
	for err == nil {
		var n int
		n, err = r.Read(buffer)
		s.read(func(count func([]byte)) { lines.feed(buffer[:n], count) })
	}
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
	if got := s.Report(); got.Lines != 3 || got.Damaged != 1 || !strings.Contains(got.Example, "it is longer than 256 KiB") || len(got.Example) > 1000 {
		t.Errorf("%+v", got)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestPackedFileThatUnpacksToTooMuch: a small file may be a large one.
func TestPackedFileThatUnpacksToTooMuch(t *testing.T) {
	b := newBucket(t, Config{})
	b.input.(*directory).unpacked = 1 << 20
	b.pass(6 * time.Minute)
	from := b.see()
	node := b.key(b.now().Truncate(period).Add(period), ".log.gz")
	content := packed(strings.Repeat("x", 8<<20))
	if len(content) > 64<<10 {
		t.Fatalf("%d bytes are no bomb", len(content))
	}
	b.put(node, content)
	b.pass(2 * arriving)
	b.see()
	source, _ := b.counts(from, b.now())
	want(t, "a bomb", source, traffic.Failed, 0, node+": unpack it: what it unpacks to is longer than 1 MiB and was not used")
	if r := b.Report(); r.Lines != 0 {
		t.Errorf("%+v", r)
	}
}

// TestTooManyFiles: the memory of a directory is bounded, and it says what to do.
func TestTooManyFiles(t *testing.T) {
	b := newBucket(t, Config{})
	b.input.(*directory).most = 3
	b.pass(6 * time.Minute)
	from := b.see()
	for _, name := range []string{"a", "b", "c", "d"} {
		b.put(filepath.Join(b.root, name+".log"), bytes.Repeat([]byte("\n"), 1))
	}
	b.pass(time.Second)
	b.see()
	source, _ := b.counts(from, b.now())
	want(t, "four files", source, traffic.Failed, 0, "holds more than 3 files that have changed since the start: take those away that were read")
	if n := len(b.input.(*directory).files); n > 3 {
		t.Errorf("%d files are remembered", n)
	}
}

// TestGroupsWithEndlessNames: the name of a target group is remembered.
func TestGroupsWithEndlessNames(t *testing.T) {
	line := request{at: time.Now(), group: oldGroup + strings.Repeat("x", maxARN)}.line()
	if _, err := parseLine([]byte(strings.TrimSuffix(line, "\n"))); err == nil || !strings.Contains(err.Error(), "target_group_arn") {
		t.Errorf("%v", err)
	}
}
