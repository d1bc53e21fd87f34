package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// labHost is where the scenario's own services listen. Pods are processes of this
// machine and reach it. It is not 127.0.0.1 because the kernel takes ports of that
// address for outgoing connections, and a relay that refuses must get its own port
// back.
const labHost = "127.231.0.1"

// cut is how metrics are lost on the way.
type cut string

// The ways, and none of them.
const (
	whole   cut = "is whole"
	refuses cut = "refuses connections"
	hangs   cut = "never answers"
	fails   cut = "answers 500"
	strange cut = "answers with a page of HTML"
)

// relay stands between watari and the metrics of the load balancer, as a
// monitoring system does that others run, and can be cut.
type relay struct {
	address string
	path    string
	proxy   *httputil.ReverseProxy
	client  *http.Transport // to the metrics themselves
	serving sync.WaitGroup

	mu     sync.Mutex
	cut    cut
	server *http.Server // nil while it refuses
}

// startRelay serves what upstream serves, until close.
func startRelay(ctx context.Context, upstream string) (*relay, error) {
	to, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	r := &relay{address: net.JoinHostPort(labHost, "0"), path: to.Path, client: &http.Transport{}, cut: refuses}
	r.proxy = &httputil.ReverseProxy{
		Transport: r.client,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	}
	return r, r.set(ctx, whole)
}

// url is where watari scrapes.
func (r *relay) url() string { return "http://" + r.address + r.path }

// set cuts it, or makes it whole again. What is under way is cut when it begins
// to refuse, and goes on otherwise.
func (r *relay) set(ctx context.Context, how cut) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if how == refuses {
		r.cut = how
		return r.shut()
	}
	if r.server == nil {
		if err := r.open(ctx); err != nil {
			return err
		}
	}
	r.cut = how
	return nil
}

// open listens, the first time on a port that the kernel chooses and then on the
// same.
func (r *relay) open(ctx context.Context) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", r.address)
	if err != nil {
		return fmt.Errorf("relay of metrics: listen on %s: %w", r.address, err)
	}
	r.address = ln.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: 10 * time.Second}
	r.server = server
	r.serving.Go(func() { _ = server.Serve(ln) }) // ends by Close, and a relay that ends otherwise is seen by whoever scrapes it
	return nil
}

func (r *relay) shut() error {
	if r.server == nil {
		return nil
	}
	err := r.server.Close()
	r.server = nil
	r.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (r *relay) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.client.CloseIdleConnections()
	return r.shut()
}

func (r *relay) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	how := r.cut
	r.mu.Unlock()
	switch how {
	case whole:
		r.proxy.ServeHTTP(w, req)
	case fails:
		http.Error(w, "the monitoring system is restarting", http.StatusInternalServerError)
	case strange:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html>\n<title>Sign in</title>\n<p>Please sign in to see this page.</p>\n")
	default:
		<-req.Context().Done()
		panic(http.ErrAbortHandler) // returning would answer 200
	}
}
