package alb

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestTraceHeader(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "Root=ID",
		"Root=1-a-b":                  "Self=ID;Root=1-a-b",
		"Root=1-a-b;CalledFrom=app":   "Self=ID;Root=1-a-b;CalledFrom=app",
		"Self=1-x-y;Root=1-a-b":       "Self=ID;Root=1-a-b",
		"CalledFrom=app":              "Root=ID;CalledFrom=app",
		"Self=1-x-y; CalledFrom=app;": "Root=ID;CalledFrom=app",
	} {
		if got := traceHeader(in, "ID"); got != want {
			t.Errorf("traceHeader(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestHeadersToTarget(t *testing.T) {
	got := make(chan *http.Request, 1)
	config := oneGroup(backend(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Clone(r.Context()) }))
	config.Listeners[0].Port = 80
	r := newHealthyRig(t, config)
	r.raw("GET http://shop.example.com/a%2Fb?c=d HTTP/1.1\r\nHost: shop.example.com\r\n" +
		"Connection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nExpect: 100-continue\r\n" +
		"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n" +
		"X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\nCookie: a=b\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n")
	req := <-got
	if req.Host != "shop.example.com" || req.RequestURI != "/a%2Fb?c=d" {
		t.Errorf("host %q uri %q", req.Host, req.RequestURI)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "203.0.113.7, 127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "80",
		"Cookie": "a=b", "X-Two": "1|2",
		"X-Private": "", "Keep-Alive": "", "Te": "", "Expect": "", "Connection": "", "Content-Length": "",
	} {
		if v := strings.Join(req.Header[name], "|"); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if v := req.Header.Get("X-Amzn-Trace-Id"); !strings.HasPrefix(v, "Self=1-") || !strings.HasSuffix(v, ";Root=1-67891233-abcdef012345678912345678") {
		t.Errorf("trace %q", v)
	}
}

func TestHeadersToClient(t *testing.T) {
	r := newHealthyRig(t, oneGroup(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Connection", "X-Private")
		h.Set("X-Private", "1")
		h.Set("Keep-Alive", "timeout=5")
		h.Add("Set-Cookie", "a=b")
		h.Add("Set-Cookie", "c=d")
		h["Content-Type"] = nil
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "<html>")
	})))
	resp, err := r.client.Get(r.url())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTeapot || !slices.Equal(resp.Header["Set-Cookie"], []string{"a=b", "c=d"}) {
		t.Errorf("HTTP %d, cookies %q", resp.StatusCode, resp.Header["Set-Cookie"])
	}
	for _, name := range []string{"X-Private", "Keep-Alive", "Content-Type", "Server"} {
		if v, ok := resp.Header[name]; ok {
			t.Errorf("%s: %q, want none", name, v)
		}
	}
}
