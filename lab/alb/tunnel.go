package alb

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// tunnel takes a connection over after the target has switched protocols
// (WebSocket). From then on bytes are passed as they are, until one side
// closes or nothing moves for the idle timeout.
func (l *listener) tunnel(w http.ResponseWriter, r *http.Request, rec *record, x *exchange, resp *http.Response) *fault {
	defer x.end(false) //nolint:errcheck // there is no upload
	if upgradeOf(r.Header) == "" || upgradeOf(resp.Header) == "" {
		rec.dropTimes()
		return &fault{status: http.StatusBadGateway, cause: errUnasked}
	}
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return &fault{status: http.StatusInternalServerError, cause: err}
	}
	defer client.Close()
	rec.kind, rec.elbStatus = kindWebSocket, resp.StatusCode
	rec.responding()
	x.conn.SetDeadline(time.Time{}) //nolint:errcheck // a dead connection fails below
	client.SetDeadline(time.Time{}) //nolint:errcheck // a dead connection fails below
	if err := writeSwitch(client, resp); err != nil {
		return nil
	}
	join(client, buffered.Reader, x.conn, l.idleTimeout())
	return nil
}

func writeSwitch(client net.Conn, resp *http.Response) error {
	bw := bufio.NewWriter(client)
	writeAll(bw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ", resp.Header.Get("Upgrade"), "\r\n")
	for name, values := range resp.Header {
		if hopByHop(name) {
			continue
		}
		for _, v := range values {
			writeAll(bw, name, ": ", v, "\r\n")
		}
	}
	writeAll(bw, "\r\n")
	return bw.Flush()
}

// join copies both ways. Each direction that ends closes both connections:
// half-open tunnels would only keep a draining target busy.
func join(client net.Conn, fromClient io.Reader, target *targetConn, idle time.Duration) {
	var moved atomic.Int64
	watch := time.NewTimer(idle)
	defer watch.Stop()
	done := make(chan struct{})
	var wg sync.WaitGroup
	var once sync.Once
	end := func() { once.Do(func() { client.Close(); target.Close(); close(done) }) }
	wg.Go(func() { defer end(); pump(target, fromClient, &moved) })
	wg.Go(func() { defer end(); pump(client, target.br, &moved) })
	for seen, open := int64(0), true; open; {
		select {
		case <-done:
			open = false
		case <-watch.C:
			if now := moved.Load(); now == seen {
				end()
			} else {
				seen = now
				watch.Reset(idle)
			}
		}
	}
	wg.Wait()
}

func pump(dst io.Writer, src io.Reader, moved *atomic.Int64) {
	buf := make([]byte, 16<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			moved.Add(int64(n))
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
