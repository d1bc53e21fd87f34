package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"watari.dev/environment"
)

// TestAdvice has what a test cannot bring about without a network of its own.
func TestAdvice(t *testing.T) {
	over := user{name: "u", server: "api.example:443", until: time.Unix(100, 0)}
	holds := user{name: "u", server: "api.example:443", until: time.Unix(1000, 0)}
	for name, c := range map[string]struct {
		err  error
		user user
		kind error
		says string
	}{
		"no such name":     {&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.example", IsNotFound: true}}, holds, environment.ErrUnreachable, "the name of api.example:443 is not known: connect the VPN"},
		"no DNS server":    {&net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", Name: "api.example", IsTemporary: true}}, holds, environment.ErrUnreachable, "no DNS server could say what api.example:443 is"},
		"no way":           {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, holds, environment.ErrUnreachable, "no way leads to api.example:443"},
		"no network":       {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, holds, environment.ErrUnreachable, "no way leads to api.example:443"},
		"silence":          {os.ErrDeadlineExceeded, holds, environment.ErrUnreachable, "api.example:443 does not answer: connect the VPN"},
		"server's expired": {&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, holds, environment.ErrUnreachable, "compare this machine's clock"},
		"alert":            {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, holds, environment.ErrSignedOut, "does not accept the client certificate of user u"},
		"alert, expired":   {&net.OpError{Op: "remote error", Err: errors.New("tls: expired certificate")}, over, environment.ErrSignedOut, "ended on 1970-01-01 00:01:40 UTC: get a new kubeconfig"},
		"another alert":    {&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, holds, environment.ErrUnreachable, "kubectl get --raw /version"},
		"something else":   {errors.New("what nobody has seen"), holds, environment.ErrUnreachable, "kubectl get --raw /version"},
	} {
		k := &Cluster{name: "context c", user: c.user, patience: Patience, now: func() time.Time { return time.Unix(500, 0) }}
		k.user.kubectl = "kubectl"
		err := k.failure(context.Background(), "read the version", fmt.Errorf("ask: %w", &url.Error{Op: "Get", URL: "https://api.example", Err: c.err}))
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
