package accesslog

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/traffic"
)

// piped is a running source of a pipe, with a clock that passes by itself.
func piped(t *testing.T, use func(s *Source, out *io.PipeWriter)) {
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		s, err := New(Config{Stream: in})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(3 * time.Second)
		use(s, out)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := out.Write([]byte("x")); err == nil {
			t.Error("the stream was left open")
		}
	})
}

func streamCounts(t *testing.T, s *Source, from, to time.Time) traffic.Reading[traffic.Counts] {
	t.Helper()
	got, err := s.Counts(t.Context(), query(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	return got.Source
}

func TestStream(t *testing.T) {
	piped(t, func(s *Source, out *io.PipeWriter) {
		from := time.Now()
		line := request{at: time.Now(), group: oldGroup}.line()
		_, _ = io.WriteString(out, line+line[:60])
		time.Sleep(4 * time.Second)
		middle := time.Now()
		want(t, "with half a line", streamCounts(t, s, from, middle), traffic.Known, 1, "")
		_, _ = io.WriteString(out, line[60:])
		time.Sleep(4 * time.Second)
		end := time.Now()
		want(t, "with its rest", streamCounts(t, s, middle, end), traffic.Known, 1, "")
		time.Sleep(4 * time.Second)
		want(t, "silent", streamCounts(t, s, end, time.Now()), traffic.Unknown, 0, "no new line in the stream since")
	})
}

func TestStreamThatEnds(t *testing.T) {
	for why, wanted := range map[error]string{
		io.EOF:                    "read access log the stream: the stream has ended at",
		errors.New("broken pipe"): "read access log the stream: broken pipe",
	} {
		piped(t, func(s *Source, out *io.PipeWriter) {
			from := time.Now()
			_, _ = io.WriteString(out, strings.TrimSuffix(request{at: from, group: oldGroup}.line(), "\n"))
			_ = out.CloseWithError(why)
			time.Sleep(4 * time.Second)
			want(t, "ended", streamCounts(t, s, from, time.Now()), traffic.Failed, 0, wanted)
			if r := s.Report(); r.Lines != 1 || r.Damaged != 0 {
				t.Errorf("its last line was not read: %+v", r)
			}
		})
	}
}

// TestStandardInput only makes the source: to read it is the process's own affair.
func TestStandardInput(t *testing.T) {
	s, err := New(Config{Path: Standard})
	if err != nil || s.name != "the standard input" {
		t.Errorf("%+v, %v", s, err)
	}
}
