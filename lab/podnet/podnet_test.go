package podnet

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestLocal(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"10.231.33.7", "127.231.33.7"},
		{"::ffff:10.231.36.1", "127.231.36.1"},
		{"127.0.0.1", "127.0.0.1"},
		{"10.230.0.1", ""},
		{"8.8.8.8", ""},
	} {
		got, err := Local(netip.MustParseAddr(c.in))
		if c.want == "" {
			if err == nil {
				t.Errorf("Local(%s) = %s, want an error: it is not the lab's", c.in, got)
			}
			continue
		}
		if err != nil || got.String() != c.want {
			t.Errorf("Local(%s) = %s, %v; want %s", c.in, got, err, c.want)
		}
	}
}

func TestDialContextReachesTheProcess(t *testing.T) {
	ln, err := net.Listen("tcp", "127.231.33.9:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	conn, err := DialContext(context.Background(), "tcp", "10.231.33.9:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err := DialContext(context.Background(), "tcp", "192.0.2.1:80"); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("dialling outside of the lab: %v, want an error that names the address", err)
	}
}
