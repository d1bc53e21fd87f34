package kubernetes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"watari.dev/environment"
	"watari.dev/internal/bounded"
)

// user is who asks, as far as advice needs it.
type user struct {
	name    string // in the kubeconfig
	kubectl string // with the options that lead it to the same context
	signIn  string // the command that signs in, where it is known
	server  string // host and port
	until   time.Time
	secret  string // what the kubeconfig holds, in words: its token, its client certificate
}

// userOf reads it off the kubeconfig.
func userOf(raw *api.Config, context string, settings Settings, config *rest.Config) user {
	u := user{name: raw.Contexts[context].AuthInfo, kubectl: "kubectl", secret: "no credentials", server: config.Host}
	if settings.Kubeconfig != "" {
		u.kubectl += " --kubeconfig " + settings.Kubeconfig
	}
	u.kubectl += " --context " + context
	if at, err := url.Parse(config.Host); err == nil && at.Host != "" {
		u.server = at.Host
	}
	switch {
	case config.BearerToken != "" || config.BearerTokenFile != "":
		u.secret = "its token"
	case config.Username != "":
		u.secret = "its password"
	case len(config.CertData) > 0 || config.CertFile != "":
		u.secret, u.until = "its client certificate", endOf(config)
	case config.ExecProvider != nil:
		u.signIn = signIn(config.ExecProvider)
	}
	return u
}

// endOf is when the kubeconfig's client certificate ends; zero if that cannot be read.
func endOf(config *rest.Config) time.Time {
	text := config.CertData
	if len(text) == 0 {
		text, _ = bounded.File(config.CertFile, bounded.Secret(config.CertFile))
	}
	if block, _ := pem.Decode(text); block != nil {
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			return certificate.NotAfter
		}
	}
	return time.Time{}
}

// failure says what kind of failure err is, and what to do.
func (c *Cluster) failure(ctx context.Context, op string, err error) error {
	e := &environment.Error{Op: "kubernetes: " + op, On: c.name, Kind: environment.ErrUnreachable, Cause: err}
	switch {
	case apierrors.IsUnauthorized(err):
		e.Kind, e.Advice = environment.ErrSignedOut, c.signInAgain()
	case apierrors.IsForbidden(err):
		e.Kind, e.Advice = environment.ErrDenied, "grant this user the role view, and list of nodes"
	case ctx.Err() != nil:
		e.Cause = ctxError{why: "no answer within " + c.patience.String() + ", or the caller gave up", err: errors.Join(context.Cause(ctx), err)}
		if e.Advice = c.look(); errors.Is(ctx.Err(), context.DeadlineExceeded) {
			e.Advice = fmt.Sprintf(silent, c.user.server) + "; " + e.Advice
		}
	default:
		advice, kind := c.user.unreachable(err, c.now())
		if kind != nil {
			e.Kind = kind
		}
		if e.Advice = advice; advice == "" {
			e.Advice = c.look()
		}
	}
	return e
}

// look is what shows the cause where nobody knows it.
func (c *Cluster) look() string {
	return "see whether kubectl reaches it: " + c.user.kubectl + " get --raw /version"
}

// signInAgain is the advice where the cluster does not accept who asks.
func (c *Cluster) signInAgain() string {
	u := c.user
	switch {
	case u.signIn != "":
		return "sign in again: " + u.signIn + "; if it stays, the cluster does not know who that is: add an access entry for it"
	case c.plugin != nil:
		return "sign in again, as the plugin " + c.plugin.Command() + " does it, and try: " + u.kubectl + " get --raw /version"
	case u.hasEnded(c.now()):
		return u.ended()
	default:
		return fmt.Sprintf("sign in again: user %s of the kubeconfig has %s, which the cluster does not accept (any more): get a new kubeconfig", u.name, u.secret)
	}
}

// hasEnded reports whether the kubeconfig's client certificate has.
func (u user) hasEnded(now time.Time) bool { return !u.until.IsZero() && !now.Before(u.until) }

// ended says so.
func (u user) ended() string {
	return fmt.Sprintf("the client certificate of user %s ended on %s: get a new kubeconfig", u.name, u.until.UTC().Format(time.DateTime+" MST"))
}

// reason is one way of not being reached.
type reason struct {
	is     func(error) bool
	advice string // %s is the server
}

// as returns a test for a type of error.
func as[T error](err error) bool {
	var found T
	return errors.As(err, &found)
}

// reasons are tried in order.
var reasons = []reason{
	{as[x509.UnknownAuthorityError], "%s shows a certificate of another authority than the kubeconfig's: the cluster was made anew, or something in between answers for it: get a new kubeconfig (EKS: aws eks update-kubeconfig)"},
	{as[x509.HostnameError], "the certificate of %s is for other names: correct server in the kubeconfig, or set tls-server-name to one of them"},
	{expired, "the certificate of %s does not hold now: compare this machine's clock, and renew it if that is right"},
	{noTLS, "%s does not speak TLS: correct server in the kubeconfig"},
	{viaProxy, "the proxy does not lead to %s: look at HTTPS_PROXY, NO_PROXY and proxy-url of the kubeconfig"},
	{noSuchName, "the name of %s is not known: connect the VPN if its endpoint is private; if the cluster was made anew, get a new kubeconfig"},
	{as[*net.DNSError], "no DNS server could say what %s is: look at this machine's network"},
	{is(syscall.ECONNREFUSED), "nothing listens at %s: start the cluster or the tunnel to it, or correct server in the kubeconfig"},
	{is(syscall.EHOSTUNREACH, syscall.ENETUNREACH), "no way leads to %s: connect the VPN, or look at this machine's network"},
	{timeout, silent},
}

// silent is the advice where nothing comes back.
const silent = "%s does not answer: connect the VPN if its endpoint is private, and see that its access list and security groups let this machine in"

// unreachable says what err of a question that was not answered is. kind is nil where it
// is the usual one.
func (u user) unreachable(err error, now time.Time) (advice string, kind error) {
	if refusesCertificate(err) {
		if u.hasEnded(now) {
			return u.ended(), environment.ErrSignedOut
		}
		return "the cluster does not accept the client certificate of user " + u.name + ": get a new kubeconfig", environment.ErrSignedOut
	}
	for _, r := range reasons {
		if r.is(err) {
			return fmt.Sprintf(r.advice, u.server), nil
		}
	}
	return "", nil
}

// refusesCertificate reports whether the server broke the connection off because of the
// client certificate that it was shown or not shown. Alerts of TLS have no type of their
// own in crypto/tls; the names of those about certificates have that word in them.
func refusesCertificate(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && strings.Contains(op.Err.Error(), "certificate")
}

func is(numbers ...syscall.Errno) func(error) bool {
	return func(err error) bool {
		for _, n := range numbers {
			if errors.Is(err, n) {
				return true
			}
		}
		return false
	}
}

func expired(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.Expired
}

func noTLS(err error) bool {
	return errors.Is(err, http.ErrSchemeMismatch) || as[tls.RecordHeaderError](err)
}

func viaProxy(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "proxyconnect"
}

func noSuchName(err error) bool {
	var name *net.DNSError
	return errors.As(err, &name) && name.IsNotFound
}

func timeout(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout() || errors.Is(err, os.ErrDeadlineExceeded)
}

// ctxError says in words that nobody answered in time.
type ctxError struct {
	why string
	err error
}

func (e ctxError) Error() string { return e.why }
func (e ctxError) Unwrap() error { return e.err }
