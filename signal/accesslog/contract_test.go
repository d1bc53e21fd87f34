package accesslog

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"watari.dev/signal"
	"watari.dev/signal/signaltest"
	"watari.dev/traffic"
)

func TestContract(t *testing.T) {
	t.Run("file, renamed", func(t *testing.T) {
		signaltest.Run(t, func(t *testing.T) signaltest.World { return fileWorld(t, (*desk).rename) })
	})
	t.Run("file, truncated", func(t *testing.T) {
		signaltest.Run(t, func(t *testing.T) signaltest.World { return fileWorld(t, (*desk).truncate) })
	})
	t.Run("directory", func(t *testing.T) { signaltest.Run(t, directoryWorld) })
}

// contractQuery asks for everything that contractLines shows.
func contractQuery() signal.Query {
	both := func(text string) traffic.BySide[string] { return traffic.BySide[string]{Source: text, Target: text} }
	return signal.Query{Name: "contract", Requests: arns, Errors: both("5xx"), Latency: both("10ms,100ms,1s")}
}

var malformedQuery = signal.Query{Requests: traffic.BySide[string]{Source: "shop-old"}}

// contractLines returns the lines of what a side answered at at. A log without lines
// of a side cannot show that it is there, so the side that answered nothing has one.
func contractLines(at time.Time, side traffic.Side, c traffic.Counts) string {
	var out strings.Builder
	errors := c.Errors
	for bucket, n := range c.Latency.Buckets {
		for range n {
			r := request{at: at, group: arns.Of(side), took: []string{"0.010", "0.100", "1.000", "2.500"}[bucket]}
			if errors > 0 {
				r.status = 500
				errors--
			}
			out.WriteString(r.line())
		}
	}
	if c.Requests == 0 {
		return request{at: at, group: arns.Of(side)}.line()
	}
	return out.String()
}

// health is a line of neither side: the log is alive.
func health(at time.Time) string { return request{at: at, url: "health"}.line() }

func (d *desk) rename() {
	if err := os.Rename(d.path, fmt.Sprintf("%s.%d", d.path, time.Now().UnixNano())); err != nil {
		d.t.Fatal(err)
	}
	d.create()
}

func (d *desk) truncate() {
	if err := os.Truncate(d.path, 0); err != nil {
		d.t.Fatal(err)
	}
}

func move(t testing.TB, from, to string) {
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// fileWorld writes to a file that is rotated when a process starts again.
func fileWorld(t *testing.T, rotate func(*desk)) signaltest.World {
	d := newDesk(t, Config{})
	broken := false
	return signaltest.World{
		Source: d.Source, Query: contractQuery(), Malformed: malformedQuery,
		Serve: func(side traffic.Side, c traffic.Counts) { d.write(contractLines(d.now(), side, c)) },
		Restart: func(traffic.Side) {
			if !broken {
				rotate(d)
			}
		},
		Break: func(string) { broken = true; move(t, d.path, d.path+".away") },
		Heal:  func() { broken = false; move(t, d.path+".away", d.path) },
		Look: func(*testing.T) time.Time {
			d.write(health(d.now()))
			return d.see()
		},
	}
}

// bucket is a directory as S3's files are synced to it.
type bucket struct {
	*Source
	*clockwork
	t    testing.TB
	root string
	n    int
}

func newBucket(t testing.TB, c Config) *bucket {
	t.Helper()
	b := &bucket{t: t, root: t.TempDir(), clockwork: &clockwork{at: time.Now().Add(-10 * time.Hour).Truncate(time.Hour)}}
	c.Path = b.root
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	b.Source, s.now = s, b.clockwork.now
	s.begin()
	return b
}

func (b *bucket) now() time.Time { return b.clockwork.now() }

// key returns the path of a new file of the period that ends at end.
func (b *bucket) key(end time.Time, extension string) string {
	b.n++
	end = end.UTC()
	return filepath.Join(b.root, "AWSLogs/123456789012/elasticloadbalancing/us-east-2", end.Format("2006/01/02"),
		fmt.Sprintf("123456789012_elasticloadbalancing_us-east-2_app.shop.50dc6c495c0c9188_%s_172.16.1.192_%08d%s", end.Format("20060102T1504Z"), b.n, extension))
}

// put writes a file as it would have come now.
func (b *bucket) put(path string, content []byte) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, b.now()); err != nil {
		b.t.Fatal(err)
	}
}

func packed(text string) []byte {
	var out strings.Builder
	z := gzip.NewWriter(&out)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return []byte(out.String())
}

// directoryWorld delivers what was served, in a file per look, six minutes later.
func directoryWorld(t *testing.T) signaltest.World {
	b := newBucket(t, Config{History: 3 * time.Hour})
	b.pass(time.Second)
	var text strings.Builder
	return signaltest.World{
		Source: b.Source, Query: contractQuery(), Malformed: malformedQuery,
		Serve:   func(side traffic.Side, c traffic.Counts) { text.WriteString(contractLines(b.now(), side, c)) },
		Restart: func(traffic.Side) {},
		Break:   func(string) { move(t, b.root, b.root+".away") },
		Heal:    func() { move(t, b.root+".away", b.root) },
		Look: func(*testing.T) time.Time {
			end := b.now().Truncate(period).Add(period)
			b.pass(b.history.settle + time.Second)
			if _, err := os.Stat(b.root); err == nil { // nobody syncs to a directory that is away
				b.put(b.key(end, ".log.gz"), packed(text.String()))
				text.Reset()
			}
			b.look(context.Background())
			return b.now()
		},
	}
}
