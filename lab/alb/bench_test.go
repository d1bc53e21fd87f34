package alb

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"
)

// BenchmarkProxy measures one GET through the balancer, client and target
// included, next to the same through httputil.ReverseProxy and to no proxy.
func BenchmarkProxy(b *testing.B) {
	payload := make([]byte, 512)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(payload) }))
	defer server.Close()
	upstream, _ := url.Parse(server.URL)

	b.Run("direct", func(b *testing.B) { request(b, upstream.Host) })
	b.Run("reverseproxy", func(b *testing.B) {
		proxy := httputil.NewSingleHostReverseProxy(upstream)
		proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 100}
		front := httptest.NewServer(proxy)
		defer front.Close()
		request(b, front.Listener.Addr().String())
	})
	b.Run("alb", func(b *testing.B) {
		balancer := New(Options{AccessLog: io.Discard, Seed: 1})
		defer balancer.Close()
		addr := server.Listener.Addr().(*net.TCPAddr).AddrPort()
		config := oneListener([]TargetGroup{source(Target{Addr: addr}), destination(Target{Addr: addr})}, 90, 10)
		if err := balancer.Apply(config); err != nil {
			b.Fatal(err)
		}
		for balancer.Health(sourceARN)[0].State != Healthy || balancer.Health(targetARN)[0].State != Healthy {
			time.Sleep(time.Millisecond) // between two polls
		}
		request(b, balancer.Addrs(listenerARN)[0].String())
	})
}

// request sends GETs over one keep-alive connection per goroutine.
func request(b *testing.B, addr string) {
	client := newClient()
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Get("http://" + addr)
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 {
				b.Errorf("HTTP %d", resp.StatusCode)
				return
			}
		}
	})
}
