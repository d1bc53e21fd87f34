package alb

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Types of access log entries that a plain HTTP listener has.
const (
	kindHTTP      = "http"
	kindWebSocket = "ws"
)

// record is what one request leaves behind.
type record struct {
	kind         string
	listener     *listener
	created      time.Time
	finished     time.Time
	client       string // host:port
	target       *target
	group        *group
	elbStatus    int
	targetStatus int  // 0 if the target gave none
	refused      bool // no connection to the target could be established
	received     int64
	sent         int64
	method       string
	url          string
	proto        string
	agent        string
	trace        string
	priority     string // "" if no rule was looked at
	actions      string

	// The three processing times of the log; negative if the request did not
	// get that far.
	requestTime  time.Duration
	targetTime   time.Duration
	responseTime time.Duration
	headed       time.Time
}

func (l *listener) newRecord(r *http.Request) *record {
	rec := &record{
		kind:     kindHTTP,
		listener: l,
		created:  time.Now(),
		client:   r.RemoteAddr,
		method:   r.Method,
		url:      l.loggedURL(r),
		proto:    r.Proto,
		agent:    r.UserAgent(),
	}
	rec.trace = traceHeader(r.Header.Get(headerTrace), l.balancer.dice.traceID(rec.created))
	rec.dropTimes()
	return rec
}

// malformed is the record of what never became a request.
func (l *listener) malformed(client string, status int) *record {
	rec := &record{
		kind:      kindHTTP,
		listener:  l,
		created:   time.Now(),
		client:    client,
		elbStatus: status,
		method:    "-",
		url:       "http://" + l.addr().Addr().String() + ":" + strconv.Itoa(l.port()) + "-",
		proto:     "-",
	}
	rec.dropTimes()
	return rec
}

// loggedURL is protocol://host:port/uri, with the uri as the client sent it.
func (l *listener) loggedURL(r *http.Request) string {
	host, uri := r.Host, r.RequestURI
	if r.URL.IsAbs() {
		uri = r.URL.RequestURI()
	}
	if host == "" {
		host = l.addr().Addr().String()
	}
	if !strings.Contains(host, ":") || strings.HasSuffix(host, "]") {
		host += ":" + strconv.Itoa(l.port())
	}
	return "http://" + host + uri
}

func (r *record) targetAddr() string {
	if r.target == nil {
		return "-"
	}
	return r.target.addr
}

func (r *record) dropTimes() { r.requestTime, r.targetTime, r.responseTime = -1, -1, -1 }

// times takes over how long the way to the target and the target took.
func (r *record) times(x *exchange) {
	r.requestTime = x.sent.Sub(r.created)
	r.targetTime = x.headed.Sub(x.sent)
	r.headed = x.headed
}

// responding marks the start of the answer to the client.
func (r *record) responding() { r.responseTime = time.Since(r.headed) }

// fromTarget reports whether the client got a target's answer.
func (r *record) fromTarget() bool { return r.targetStatus != 0 && r.elbStatus == r.targetStatus }
