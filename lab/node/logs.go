//go:build linux

package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
)

// followPeriod is how often a followed log is looked at.
const followPeriod = 100 * time.Millisecond

// logServer is the part of the kubelet API that kubectl logs needs.
type logServer struct {
	server  *http.Server
	port    int32
	serving sync.WaitGroup
}

// certificatePool returns the authorities that a kubeconfig trusts.
func certificatePool(cfg *rest.Config) (*x509.CertPool, error) {
	if err := rest.LoadTLSFiles(cfg); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cfg.CAData)
	return pool, nil
}

// serveLogs listens on a loopback port that the kernel picks and answers those for whom readers
// vouch: the API server shows the certificate of its --kubelet-client-certificate. The
// agent's own certificate is self-signed; API servers do not verify it unless they are told to.
func serveLogs(a *agent, readers *x509.CertPool) (*logServer, error) {
	cert, key, err := certutil.GenerateSelfSignedCertKey(hostIP, []net.IP{net.ParseIP(hostIP)}, nil)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	ln, err := tls.Listen("tcp", net.JoinHostPort(hostIP, "0"), &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: readers,
		NextProtos: []string{"h2", "http/1.1"},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", a.containerLogs)
	s := &logServer{
		server: &http.Server{
			Handler: mux, ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:    slog.NewLogLogger(a.log.Handler(), slog.LevelDebug), // strangers who knock
			BaseContext: func(net.Listener) context.Context { return a.leave },
		},
		port: int32(ln.Addr().(*net.TCPAddr).Port),
	}
	s.serving.Go(func() {
		if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("kubelet API ended", "err", err)
		}
	})
	return s, nil
}

func (s *logServer) close() {
	s.server.Close()
	s.serving.Wait()
}

// logQuery is what a reader of logs asks for.
type logQuery struct {
	follow, previous bool
	tail             int64 // lines; -1 for all
	limit            int64 // bytes; -1 for all
}

// parseLogQuery reads the options of the kubelet API (v1.PodLogOptions).
func parseLogQuery(q url.Values) (logQuery, error) {
	out := logQuery{follow: q.Get("follow") == "true", previous: q.Get("previous") == "true", tail: -1, limit: -1}
	if q.Get("timestamps") == "true" || q.Get("sinceSeconds") != "" || q.Get("sinceTime") != "" {
		return out, errors.New("this node writes logs as the process does, without times; ask without timestamps and since")
	}
	for name, to := range map[string]*int64{"tailLines": &out.tail, "limitBytes": &out.limit} {
		if s := q.Get(name); s != "" {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || n < 0 {
				return out, fmt.Errorf("%s=%q is not a number of 0 or more", name, s)
			}
			*to = n
		}
	}
	return out, nil
}

// containerLogs answers kubectl logs.
func (a *agent) containerLogs(w http.ResponseWriter, r *http.Request) {
	q, err := parseLogQuery(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod, name := a.podNamed(r.PathValue("namespace"), r.PathValue("pod")), r.PathValue("container")
	if pod == nil || findContainer(&pod.Spec, name) == nil {
		http.Error(w, fmt.Sprintf("container %q of pod %q is not on this node", name, r.PathValue("pod")), http.StatusNotFound)
		return
	}
	attempt := a.attemptOf(pod, name)
	if q.previous {
		attempt--
	}
	f, err := os.Open(logPath(a.podDir(pod.UID), name, attempt))
	if err != nil {
		message := fmt.Sprintf("container %q in pod %q is waiting to start", name, pod.Name)
		if q.previous {
			message = fmt.Sprintf("previous terminated container %q in pod %q not found", name, pod.Name)
		}
		http.Error(w, message, http.StatusBadRequest)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "text/plain")
	running := func() bool { return a.isRunning(pod, name, attempt) }
	if err := copyLog(r.Context(), flushed{w, http.NewResponseController(w)}, f, q, running); err != nil {
		a.log.Debug("a reader of logs went away", "pod", pod.Name, "err", err)
	}
}

// copyLog writes a log: from the line that tail asks for, at most limit bytes, and what is added
// while the process runs if it is followed.
func copyLog(ctx context.Context, to io.Writer, f *os.File, q logQuery, running func() bool) error {
	if q.tail >= 0 {
		if err := seekTail(f, q.tail); err != nil {
			return err
		}
	}
	var from io.Reader = f
	if q.limit >= 0 {
		from = io.LimitReader(f, q.limit)
	}
	for {
		last := !q.follow || !running() // asked before reading: what is written until the end is read
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
		if last || !sleep(ctx, followPeriod) {
			return nil
		}
	}
}

// seekTail moves to the beginning of the last lines.
func seekTail(f *os.File, lines int64) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || lines == 0 {
		return err
	}
	buf := make([]byte, 32<<10)
	for at := end; at > 0; {
		n := min(at, int64(len(buf)))
		at -= n
		if _, err := f.ReadAt(buf[:n], at); err != nil {
			return err
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] != '\n' || at+i == end-1 { // the last line's own end does not count
				continue
			}
			if lines--; lines == 0 {
				_, err := f.Seek(at+i+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart) // there are not so many
	return err
}

// flushed sends every write at once.
type flushed struct {
	io.Writer
	control *http.ResponseController
}

func (f flushed) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}

// podNamed finds a pod of this node, nil if there is none.
func (a *agent) podNamed(namespace, name string) *v1.Pod {
	o, ok, err := a.pods.GetStore().GetByKey(namespace + "/" + name)
	if err != nil || !ok || !a.isOurs(o.(*v1.Pod)) {
		return nil
	}
	return o.(*v1.Pod)
}

// attemptOf is the number of a container's present attempt.
func (a *agent) attemptOf(pod *v1.Pod, container string) int32 {
	a.mu.Lock()
	w := a.workers[pod.UID]
	a.mu.Unlock()
	if w != nil {
		return w.record(container).restarts
	}
	for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if s.Name == container {
			return s.RestartCount
		}
	}
	return 0
}

// isRunning says whether an attempt can still write to its log.
func (a *agent) isRunning(pod *v1.Pod, container string, attempt int32) bool {
	a.mu.Lock()
	w := a.workers[pod.UID]
	a.mu.Unlock()
	if w == nil {
		return false
	}
	r := w.record(container)
	return r.restarts == attempt && r.state.Running != nil
}
