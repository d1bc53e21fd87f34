package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// line is one request in the log.
type line struct {
	Sent    time.Time     `json:"sent"`
	Segment string        `json:"segment"`
	Client  Kind          `json:"client"`
	Lag     time.Duration `json:"lagNanos"`     // how late it was sent
	Latency time.Duration `json:"latencyNanos"` // from when it was meant to be sent
	Class
	Pod     string `json:"pod,omitempty"`
	Addr    string `json:"addr,omitempty"`
	Retries int64  `json:"retries,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// requestLog writes lines. After its first error it stays silent and keeps the
// error: users do not stop because a disk is full.
type requestLog struct {
	mu  sync.Mutex
	out *bufio.Writer
	err error
}

func newRequestLog(w io.Writer) *requestLog {
	return &requestLog{out: bufio.NewWriterSize(w, 64<<10)}
}

func (l *requestLog) write(entry line) {
	text, err := json.Marshal(entry)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	if err == nil {
		_, err = l.out.Write(append(text, '\n'))
	}
	l.err = err
}

func (l *requestLog) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = l.out.Flush()
	}
	if l.err != nil {
		return fmt.Errorf("load: write the log of requests: %w; the account is complete, the log is not", l.err)
	}
	return nil
}
