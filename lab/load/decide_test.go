package load

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

func TestDecideClass(t *testing.T) {
	for _, c := range []struct {
		code   int
		header http.Header
		want   Class
	}{
		{200, http.Header{headerSide: {"source"}}, Class{Side: Source}},
		{204, http.Header{headerSide: {"target"}}, Class{Side: Target}},
		{302, nil, Class{Side: Unknown}},
		{200, http.Header{headerSide: {"made-up"}, "Server": {"awselb/2.0"}}, Class{Side: Unknown}},
		{404, http.Header{headerSide: {"target"}}, Class{Cause: HTTP4xx, Code: 404, Side: Target}},
		{500, http.Header{headerSide: {"source"}}, Class{Cause: HTTP5xx, Code: 500, Side: Source}},
		{503, http.Header{"Server": {"awselb/2.0"}}, Class{Cause: HTTP5xx, Code: 503, Side: Balancer}},
		{502, http.Header{"Server": {"nginx"}}, Class{Cause: HTTP5xx, Code: 502, Side: Unknown}},
	} {
		if got := decideAnswered(c.code, decideSide(c.header)); got != c.want {
			t.Errorf("%d with %v: %+v, want %+v", c.code, c.header, got, c.want)
		}
	}
}

func TestDecideCause(t *testing.T) {
	op := func(err error) error { return &net.OpError{Op: "read", Err: os.NewSyscallError("read", err)} }
	for _, c := range []struct {
		err  error
		want Cause
	}{
		{op(syscall.ECONNREFUSED), ConnectRefused},
		{op(syscall.ECONNRESET), Reset},
		{op(syscall.EPIPE), Reset},
		{fmt.Errorf("read: %w", io.EOF), EOF},
		{io.ErrUnexpectedEOF, EOF},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, Timeout},
		{dnsError{op(syscall.ECONNREFUSED)}, DNS},
		{dnsError{os.ErrDeadlineExceeded}, DNS},
		{errors.New("malformed HTTP response"), Other},
		{checkLoopbackText("192.0.2.1"), Other},
	} {
		if got := decideCause(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

func TestDecideKind(t *testing.T) {
	m := Mix{Fresh: 2, KeepAlive: 1, Forever: 1}
	for _, c := range []struct {
		mix  Mix
		roll float64
		want Kind
	}{
		{m, 0, Fresh},
		{m, 0.49, Fresh},
		{m, 0.51, KeepAlive},
		{m, 0.76, Forever},
		{Mix{KeepAlive: 1}, 0, KeepAlive},
		{Mix{Fresh: 0.1, KeepAlive: 0.2}, math.Nextafter(1, 0), KeepAlive},
		{Mix{Forever: 3}, math.Nextafter(1, 0), Forever},
	} {
		if got := decideKind(c.mix, c.roll); got != c.want {
			t.Errorf("decideKind(%+v, %v) = %s, want %s", c.mix, c.roll, got, c.want)
		}
	}
}

func TestDecidePlan(t *testing.T) {
	p, err := decidePlan(Config{URL: "http://shop.example.com:81/a?b=c", Resolver: "127.0.0.1:53", Port: 8081, Rate: 200})
	if err != nil {
		t.Fatal(err)
	}
	if want := "GET /a?b=c HTTP/1.1\r\nHost: shop.example.com:81\r\n"; !strings.HasPrefix(string(p.header), want) {
		t.Errorf("header %q, want it to begin with %q", p.header, want)
	}
	if p.port != 8081 || p.host != "shop.example.com" || p.Timeout != 10*time.Second || p.Users != 50 || p.Workers != 2400 || p.Arrivals != Even || p.Clients.Fresh != 1 {
		t.Errorf("defaults: %+v", p)
	}
	for _, c := range []struct {
		url  string
		port int
		want uint16
	}{{"http://127.0.0.1", 0, 80}, {"http://127.0.0.1:99/", 0, 99}, {"http://127.0.0.1:99/", 7, 7}} {
		if p, err := decidePlan(Config{URL: c.url, Port: c.port, Rate: 1}); err != nil || p.port != c.want {
			t.Errorf("%s with port %d: %d, %v; want %d", c.url, c.port, p.port, err, c.want)
		}
	}
}

func TestNewNamesEveryMistake(t *testing.T) {
	_, err := New(Config{URL: "https://shop", Resolver: "8.8.8.8:53", Rate: -1, Arrivals: "bursts", Duration: -1, Timeout: time.Hour,
		Workers: -1, Clients: Mix{Fresh: -1}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"https://shop", "8.8.8.8", "rate", "bursts", "duration", "timeout", "workers", "fresh"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s:\n%v", want, err)
		}
	}
	if !errors.Is(err, ErrOutside) {
		t.Error("a resolver outside of loopback is not ErrOutside")
	}
	if _, err := New(Config{URL: "http://shop/", Rate: 1}); err == nil || !strings.Contains(err.Error(), "resolver") {
		t.Errorf("a name without a resolver: %v", err)
	}
}

func TestScheduleEven(t *testing.T) {
	s := schedule{rate: 200, arrivals: Even}
	for i := range 1000 {
		if got, want := s.next(), float64(i)*0.005; math.Abs(got-want) > 1e-9 {
			t.Fatalf("request %d at %v s, want %v s", i, got, want)
		}
	}
}

func TestSchedulePoisson(t *testing.T) {
	const n = 20000
	s := schedule{rate: 100, arrivals: Poisson, rng: rand.New(rand.NewPCG(1, 2))}
	again := schedule{rate: 100, arrivals: Poisson, rng: rand.New(rand.NewPCG(1, 2))}
	last, squares := 0.0, 0.0
	for range n {
		at := s.next()
		if at != again.next() {
			t.Fatal("the same seed gave other arrivals")
		}
		gap := at - last
		squares += gap * gap
		last = at
	}
	if mean := last / n; math.Abs(mean-0.01) > 0.0005 {
		t.Errorf("mean interval %v s, want 0.01 s", mean)
	}
	if second := squares / n; math.Abs(second-0.0002) > 0.00002 { // 2/rate^2 if exponential, 1/rate^2 if even
		t.Errorf("mean square interval %v, want 0.0002", second)
	}
}

func TestHistogramQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(2*maxTimeout)).Draw(t, "d"))
		b := bucketOf(d)
		if top := upper(b); top < d || float64(top-d) > float64(d)/sub+float64(2*time.Microsecond) {
			t.Fatalf("%s is in bucket %d, which ends at %s", d, b, top)
		}
		if b > 0 && upper(b-1) >= d {
			t.Fatalf("%s would fit into the bucket before %d", d, b)
		}
	})
	var h histogram
	for i := 1; i <= 1000; i++ {
		h.add(time.Duration(i) * time.Millisecond)
	}
	got := h.summary()
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"p50", got.P50, 500 * time.Millisecond},
		{"p90", got.P90, 900 * time.Millisecond},
		{"p99", got.P99, 990 * time.Millisecond},
		{"p99.9", got.P999, 999 * time.Millisecond},
		{"max", got.Max, time.Second},
	} {
		if c.got < c.want || c.got > c.want+c.want/sub {
			t.Errorf("%s is %s, want %s up to 1/32 more", c.name, c.got, c.want)
		}
	}
	if (&histogram{}).summary() != (Latency{}) {
		t.Error("an empty histogram has latencies")
	}
}

func TestDecideAddresses(t *testing.T) {
	rr := func(text string) dns.RR {
		r, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		name   string
		answer []dns.RR
		want   string
	}{
		{"two addresses", []dns.RR{rr("shop. 60 IN A 127.0.0.1"), rr("SHOP. 30 IN A 127.0.0.2")}, "[127.0.0.1 127.0.0.2] shop. 30"},
		{"alias within the answer", []dns.RR{rr("shop. 5 IN CNAME alb."), rr("alb. 60 IN A 127.0.0.3")}, "[127.0.0.3] alb. 5"},
		{"alias that leads away", []dns.RR{rr("shop. 5 IN CNAME alb.")}, "[] alb. 5"},
		{"somebody else's address", []dns.RR{rr("other. 5 IN A 127.0.0.9")}, "[] shop. 4294967295"},
		{"a circle", []dns.RR{rr("shop. 5 IN CNAME alb."), rr("alb. 5 IN CNAME shop.")}, "[] shop. 5"},
	} {
		addrs, end, ttl := decideAddresses("shop.", c.answer)
		if diff := cmp.Diff(c.want, fmt.Sprintf("%v %s %d", addrs, end, ttl)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
