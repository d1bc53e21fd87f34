package alb

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// ServeHTTP answers one request of a client. What happened goes to the record,
// which becomes an access log line and metrics.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := l.newRecord(r)
	conn := clientConnOf(r.Context())
	conn.enter()
	defer func() {
		rec.received, rec.sent = conn.leave()
		l.balancer.finish(rec)
		if rec.kind == kindWebSocket {
			l.conns.Done()
		}
	}()
	l.answer(w, r, rec)
	if rec.kind != kindWebSocket {
		http.NewResponseController(w).Flush() //nolint:errcheck // the client may be gone
	}
}

func (l *listener) answer(w http.ResponseWriter, r *http.Request, rec *record) {
	if status := decideRefusal(r); status != 0 {
		l.fail(w, rec, &fault{status: status})
		return
	}
	routing := (*l.balancer.snapshot.Load())[l.key]
	if routing == nil {
		l.fail(w, rec, &fault{http.StatusServiceUnavailable, errNoListener})
		return
	}
	var act action
	act, rec.priority = routing.match(r)
	if act.fixed != nil {
		rec.actions = "fixed-response"
		l.answerFixed(w, rec, act.fixed)
		return
	}
	rec.actions = "forward"
	if f := l.forward(w, r, rec, act); f != nil {
		l.fail(w, rec, f)
	}
}

// decideRefusal returns the status of a request that is answered without
// looking at the rules ("Troubleshoot your Application Load Balancers").
func decideRefusal(r *http.Request) int {
	switch {
	case r.Method == http.MethodTrace:
		return http.StatusMethodNotAllowed
	case r.Method == http.MethodConnect:
		return http.StatusBadRequest
	case tooManyForwarders(r.Header):
		return statusForwardedForLen
	}
	return 0
}

func (l *listener) answerFixed(w http.ResponseWriter, rec *record, f *FixedResponse) {
	h := w.Header()
	h.Set("Server", serverHeader)
	if f.ContentType != "" {
		h.Set("Content-Type", f.ContentType)
	} else {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Length", strconv.Itoa(len(f.Body)))
	rec.elbStatus = f.Status
	w.WriteHeader(f.Status)
	io.WriteString(w, f.Body) //nolint:errcheck // the client may be gone
}

// fail gives the balancer's own answer. A client that has left gets none.
func (l *listener) fail(w http.ResponseWriter, rec *record, f *fault) {
	rec.elbStatus = f.status
	if f.cause != nil {
		l.balancer.log.Debug("request failed", "load_balancer", l.conf().LoadBalancer, "status", f.status,
			"target", rec.targetAddr(), "cause", f.cause)
	}
	if f.status == statusClientClosed {
		panic(http.ErrAbortHandler)
	}
	writePage(w, f.status)
}

// forward passes the request to a target and its answer back. A fault means
// that nothing has been answered yet.
func (l *listener) forward(w http.ResponseWriter, r *http.Request, rec *record, act action) *fault {
	g, f := l.chooseGroup(act, r, rec.created)
	rec.group = g
	if f != nil {
		return f
	}
	idle, rc := l.idleTimeout(), http.NewResponseController(w)
	small, f := readSmall(r, rc, idle)
	if f != nil {
		return f
	}
	if hasBody(r) && small == nil {
		rc.EnableFullDuplex() //nolint:errcheck // HTTP/1 always can
	}
	x, f := l.connect(r.Context(), g, rec, idle)
	if f != nil {
		return f
	}
	resp, f := x.do(r, rc, l.forwarding(r, rec), small)
	if f != nil {
		x.end(false) //nolint:errcheck // the fault tells more
		return f
	}
	rec.targetStatus = resp.StatusCode
	rec.times(x)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return l.tunnel(w, r, rec, x, resp)
	}
	return l.relay(w, rec, x, resp, act)
}

// chooseGroup follows the client's cookie if the rule is sticky, else rolls
// the dice. It never looks whether the group can serve: there is no failover
// between groups.
func (l *listener) chooseGroup(act action, r *http.Request, now time.Time) (*group, *fault) {
	if act.stickiness > 0 {
		if g := act.listed(l.balancer.sealer.stuckGroup(r, now)); g != nil {
			return g, nil
		}
	}
	if act.total == 0 {
		return nil, &fault{http.StatusServiceUnavailable, errNoWeight}
	}
	return act.decideGroup(l.balancer.dice.roll(act.total)), nil
}

// maxChoices bounds how often another target is chosen because one was cut
// off at the wrong moment.
const maxChoices = 3

// connect chooses a target and gets a connection to it. Only when a target
// was cut off between choice and connection is another one chosen; an error of
// the target itself is the answer.
func (l *listener) connect(ctx context.Context, g *group, rec *record, idle time.Duration) (*exchange, *fault) {
	for choice := 1; ; choice++ {
		t := g.next()
		if t == nil {
			rec.target = nil
			return nil, &fault{http.StatusServiceUnavailable, errNoTargets}
		}
		rec.target = t
		x, err := begin(ctx, t, idle)
		if err == nil {
			return x, nil
		}
		if !errors.Is(err, errCut) || choice == maxChoices {
			rec.refused = true
			l.balancer.metrics.connectionError(l.conf().LoadBalancer, g)
			return nil, decideTargetFault(ctx, err)
		}
	}
}

func (l *listener) forwarding(r *http.Request, rec *record) forwarding {
	return forwarding{
		clientIP: hostname(r.RemoteAddr),
		port:     strconv.Itoa(l.port()),
		trace:    rec.trace,
		upgrade:  upgradeOf(r.Header),
	}
}

// relay passes the answer on.
func (l *listener) relay(w http.ResponseWriter, rec *record, x *exchange, resp *http.Response, act action) *fault {
	body, whole, err := readWhole(x, resp)
	if err != nil {
		f := x.fault(err)
		x.end(false) //nolint:errcheck // the fault tells more
		rec.dropTimes()
		return f
	}
	copyResponseHeaders(w.Header(), resp.Header)
	if act.stickiness > 0 {
		l.balancer.sealer.setCookies(w.Header(), rec.group.arn, act.stickiness, rec.created)
	}
	rec.elbStatus = resp.StatusCode
	rec.responding()
	w.WriteHeader(resp.StatusCode)
	if whole {
		w.Write(body) //nolint:errcheck // the client may be gone
	} else if f := stream(w, x, resp); f != nil {
		x.end(false) //nolint:errcheck // the fault tells more
		rec.elbStatus = f.status
		panic(http.ErrAbortHandler) // the client must see that the answer is not whole
	}
	if x.upload != nil { // the client has its answer before the rest of its body is read
		http.NewResponseController(w).Flush() //nolint:errcheck // the client may be gone
	}
	if err := x.end(!resp.Close); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// readWhole reads a small answer completely.
func readWhole(x *exchange, resp *http.Response) (body []byte, whole bool, err error) {
	if resp.Body == http.NoBody {
		return nil, true, nil
	}
	if resp.ContentLength < 0 || resp.ContentLength > smallBody {
		return nil, false, nil
	}
	body = make([]byte, resp.ContentLength)
	if x.upload == nil || x.upload.finished() {
		x.conn.SetReadDeadline(time.Now().Add(x.idle)) //nolint:errcheck // a dead connection fails the read below
	}
	_, err = io.ReadFull(resp.Body, body)
	return body, true, err
}

// stream passes a large or endless answer on as it comes.
func stream(w http.ResponseWriter, x *exchange, resp *http.Response) *fault {
	rc := http.NewResponseController(w)
	defer rc.SetWriteDeadline(time.Time{}) //nolint:errcheck // the next request may take its own time
	buf := make([]byte, smallBody)
	for {
		x.conn.SetReadDeadline(time.Now().Add(x.idle)) //nolint:errcheck // a dead connection fails the read below
		n, err := resp.Body.Read(buf)
		if n > 0 {
			rc.SetWriteDeadline(time.Now().Add(x.idle)) //nolint:errcheck // a dead connection fails the write below
			if _, werr := w.Write(buf[:n]); werr != nil {
				return &fault{statusClientClosed, werr}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return x.fault(err)
		}
		if x.conn.br.Buffered() == 0 { // nothing more is here: do not hold back what the client can have
			if werr := rc.Flush(); werr != nil {
				return &fault{statusClientClosed, werr}
			}
		}
	}
}
