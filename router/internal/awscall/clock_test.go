package awscall

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"watari.dev/lab/alb"
	lab "watari.dev/lab/aws"
	"watari.dev/lab/dnsserver"
	"watari.dev/router"
)

// far is the lab's AWS, reached without a network, with a clock of its own. This
// machine's clock is that of the bubble.
type far struct {
	t      *testing.T
	server *lab.Server
	off    time.Duration               // how far AWS's clock is ahead of this machine's
	forged bool                        // this machine signs with another secret than AWS has
	took   time.Duration               // how long a request is on its way
	way    func(header http.Header)    // what a proxy on the way makes of an answer's header
	before func(r *http.Request) error // nil: the request arrives
	sent   int
	elb    *elb.Client
	dns    *route53.Client
}

type noBalancer struct{}

func (noBalancer) Apply(alb.Config) error     { return nil }
func (noBalancer) Health(string) []alb.Health { return nil }

type noNames struct{}

func (noNames) Apply([]dnsserver.Zone) {}

func newFar(t *testing.T, off time.Duration) *far {
	t.Helper()
	time.Sleep(time.Until(time.Date(2027, time.March, 4, 5, 6, 7, 0, time.UTC))) // a bubble begins in 2000
	f := &far{t: t, off: off}
	var err error
	f.server, err = lab.New(lab.Config{Account: "123456789012", Region: "eu-central-1", AccessKey: "AKIALABEXAMPLE", SecretKey: "secret", Seed: 1,
		PropagationDelay: -1, InsyncDelay: -1, ProcessingTime: -1, Unthrottled: true,
	}, lab.Planes{Balancer: noBalancer{}, DNS: noNames{}, DNSAddr: "127.0.0.1:53", Now: func() time.Time { return time.Now().Add(f.off) }}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	config := Config(aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String("http://aws.test"), HTTPClient: f,
		Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", ""),
	})
	f.elb, f.dns = elb.NewFromConfig(config), route53.NewFromConfig(config)
	return f
}

func (f *far) Do(r *http.Request) (*http.Response, error) {
	f.sent++
	if f.before != nil {
		if err := f.before(r); err != nil {
			return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: err}
		}
	}
	time.Sleep(f.took)
	arrived := r.Clone(r.Context())
	arrived.Host = r.URL.Host
	if f.forged {
		arrived.Header.Set("Authorization", r.Header.Get("Authorization")+"0")
	}
	if arrived.Body == nil {
		arrived.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	f.server.ServeHTTP(recorder, arrived)
	response := recorder.Result()
	if f.way != nil {
		f.way(response.Header)
	}
	return response, nil
}

func (f *far) read() error {
	_, err := Read(f.t.Context(), Policy{}, func(ctx context.Context) (*elb.DescribeTargetGroupsOutput, error) {
		return f.elb.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{})
	})
	return err
}

func (f *far) readZones() error {
	_, err := Read(f.t.Context(), Policy{}, func(ctx context.Context) (*route53.ListHostedZonesOutput, error) {
		return f.dns.ListHostedZones(ctx, &route53.ListHostedZonesInput{})
	})
	return err
}

func (f *far) write(name string) error {
	_, err := Write(f.t.Context(), Policy{NotAfter: time.Now().Add(time.Minute)}, func(ctx context.Context) (*elb.CreateTargetGroupOutput, error) {
		return f.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
			Name: &name, Protocol: types.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: aws.String("vpc-1"), TargetType: types.TargetTypeEnumIp,
		})
	})
	return err
}

// wants makes a call, which must take so many requests.
func (f *far) wants(what string, requests int, call func() error) {
	f.t.Helper()
	f.sent = 0
	if err := call(); err != nil {
		f.t.Errorf("%s: %v", what, err)
	}
	if f.sent != requests {
		f.t.Errorf("%s: %d requests, want %d", what, f.sent, requests)
	}
}

// fails makes a call, which must fail in a way after so many requests.
func (f *far) fails(what string, requests int, kind error, says string, call func() error) {
	f.t.Helper()
	f.sent = 0
	err := call()
	if err == nil {
		f.t.Errorf("%s: it succeeds", what)
		return
	}
	e := WriteError("alb: set weights", "a rule", err)
	if !errors.Is(e.Kind, kind) || e.Effect != router.EffectNothing || f.sent != requests || !strings.Contains(e.Error(), says) {
		f.t.Errorf("%s: %d requests, want %d; kind %v, %v; it does not say %q:\n%v", what, f.sent, requests, e.Kind, e.Effect, says, e)
	}
}

func TestAClockThatIsOffCostsOneRequest(t *testing.T) {
	for _, off := range []time.Duration{10*time.Minute + 3*time.Second, -10 * time.Minute, 3 * time.Hour, -40 * 24 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, off)
				f.wants("the first read of a client", 2, f.read)
				f.wants("the next", 1, f.read)
				f.wants("a write", 1, func() error { return f.write("a") })
				f.wants("another client", 2, f.readZones)
				f.wants("it again", 1, f.readZones)
			})
		})
	}
}

func TestAWriteIsSentAgainWithTheRightTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, 10*time.Minute)
		f.wants("a write is the first call", 2, func() error { return f.write("a") })
	})
}

// TestAClockThatIsSetMeanwhile: by NTP in one step, or slowly.
func TestAClockThatIsSetMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, 0)
		f.wants("right", 1, f.read)
		for _, step := range []struct {
			off      time.Duration
			requests int
		}{
			{10 * time.Minute, 2}, {10 * time.Minute, 1}, {0, 2}, {0, 1}, {-7 * time.Minute, 2}, {-7 * time.Minute, 1},
			{-5 * time.Minute, 1}, {-3 * time.Minute, 1}, {-1 * time.Minute, 2}, {0, 1}, {2 * time.Minute, 1}, {4*time.Minute + 30*time.Second, 2},
		} {
			f.off = step.off
			f.wants("off by "+step.off.String(), step.requests, func() error { return f.write("g" + step.off.String()[:2] + time.Now().Format("150405")) })
			time.Sleep(time.Second)
		}
	})
}

// TestAMachineThatSleptIsNoClockThatIsOff: the request was on its way for long, and
// the next ones are signed with the time as it is.
func TestAMachineThatSleptIsNoClockThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, 0)
		f.before = func(*http.Request) error {
			if f.sent == 1 {
				time.Sleep(10 * time.Minute)
			}
			return nil
		}
		f.wants("asleep", 2, f.read)
		f.before = nil
		f.wants("awake", 1, f.read)
	})
}

func TestAWrongSecretStaysDenied(t *testing.T) {
	for name, off := range map[string]time.Duration{"with the right time": 0, "with a wrong one": 10 * time.Minute, "a little off": 3 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, off)
				f.forged = true
				requests := 1
				if off > 5*time.Minute {
					requests = 2
				}
				f.fails("a read", requests, router.ErrDenied, "check profile and keys", f.read)
				f.fails("a write", requests, router.ErrDenied, "check profile and keys", func() error { return f.write("a") })
				f.forged = false
				if err := f.read(); err != nil {
					t.Errorf("the right one afterwards: %v", err)
				}
			})
		})
	}
}

// TestATimeInTheText corrects as a Date does where AWS's answer has none that says
// anything.
func TestATimeInTheText(t *testing.T) {
	for name, way := range map[string]func(http.Header){
		"missing":     func(h http.Header) { h.Del("Date") },
		"nonsense":    func(h http.Header) { h.Set("Date", "yesterday") },
		"1970":        func(h http.Header) { h.Set("Date", time.Unix(0, 0).UTC().Format(http.TimeFormat)) },
		"two of them": func(h http.Header) { h.Add("Date", time.Now().UTC().Format(http.TimeFormat)) },
	} {
		for _, off := range []time.Duration{10*time.Minute + 3*time.Second, -20 * time.Minute} {
			t.Run(name+" "+off.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFar(t, off)
					f.way = way
					f.wants("the first read", 2, f.read)
					f.wants("the next", 1, f.read)
					f.wants("a write", 1, func() error { return f.write("a") })
					f.wants("another service", 2, f.readZones)
					f.forged = true
					f.fails("a wrong secret", 1, router.ErrDenied, "check profile and keys", f.read)
				})
			})
		}
	}
}

// TestRequestExpired without a Date is about the clock for keys that do not expire, and
// about the keys for those that do.
func TestRequestExpired(t *testing.T) {
	for token, kind := range map[string]error{"": router.ErrClockOff, "token": router.ErrSignedOut} {
		synctest.Test(t, func(t *testing.T) {
			newFar(t, 0) // which sets the clock
			client := elb.NewFromConfig(Config(aws.Config{Region: "eu-central-1", BaseEndpoint: aws.String("http://aws.test"),
				HTTPClient:  saying{http.StatusBadRequest, "<ErrorResponse><Error><Code>RequestExpired</Code><Message>Request has expired.</Message></Error><RequestId>1</RequestId></ErrorResponse>", http.Header{"X-Amzn-Requestid": {"1"}}},
				Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", token)}))
			_, err := client.DescribeTargetGroups(t.Context(), &elb.DescribeTargetGroupsInput{})
			if effect, got := Classify(err); got != kind || effect != router.EffectNothing {
				t.Errorf("with the session token %q: %v, %v", token, got, err)
			}
		})
	}
}

// saying answers everything with the same.
type saying struct {
	status int
	text   string
	header http.Header
}

func (s saying) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Header: s.header.Clone(), Body: io.NopCloser(strings.NewReader(s.text)), Request: r}, nil
}

// TestADateThatCannotBeBelieved corrects nothing if the whole answer may be another's,
// and the clock is named by what AWS says in its text.
func TestADateThatCannotBeBelieved(t *testing.T) {
	for name, way := range map[string]func(http.Header){
		"of a cache":  func(h http.Header) { h.Set("Age", "600") },
		"of somebody": func(h http.Header) { h.Del("X-Amzn-Requestid") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar(t, 10*time.Minute+3*time.Second)
				f.way = way
				for range 2 {
					f.fails("a read", 1, router.ErrClockOff, "this machine's clock is 10m3s behind AWS's (its answer's text): set it: chronyc makestep", f.read)
					f.fails("a write", 1, router.ErrClockOff, "nothing was changed", func() error { return f.write("a") })
				}
				f.way = nil
				f.wants("once the Date is there", 2, f.read)
			})
		})
	}
}

// TestAProxyThatSetsTheDate puts its own clock into every answer, as nginx does. As
// long as AWS accepts this machine's time, nobody goes by it.
func TestAProxyThatSetsTheDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, 0)
		f.way = func(h http.Header) { h.Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat)) }
		for range 3 {
			f.wants("a right clock", 1, f.read)
		}
		f.forged = true // the Date is far away, and the correction does not help
		f.fails("a wrong secret", 2, router.ErrClockOff, "", f.read)
		f.forged = false
		f.wants("the right secret", 1, f.read)
		f.off = 10 * time.Minute // now this clock is wrong, and so is the proxy's, differently
		f.fails("two wrong clocks", 2, router.ErrClockOff, "this machine's clock is 10m0s behind AWS's (its answer's text)", f.read)
	})
}

func TestTheClockIsNamedInOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, -10*time.Minute)
		f.way = func(h http.Header) { h.Set("Age", "1") }
		got := ReadError("alb: read rule", "arn", f.read()).Error()
		want := "alb: read rule of arn: the clock is off: DescribeTargetGroups: SignatureDoesNotMatch: Signature not yet current: 20270304T050607Z is still later than 20270304T050107Z" +
			" (20270304T045607Z + 5 min.); nothing was changed; this machine's clock is 10m0s ahead of AWS's (its answer's text): set it: chronyc makestep, or timedatectl set-ntp true"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// TestTheClockIsNamedWhereverItIsFound: the search for credentials has advice of its
// own, which is about something else.
func TestTheClockIsNamedWhereverItIsFound(t *testing.T) {
	tomorrow := x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{NotBefore: time.Now().Add(26 * time.Hour)}}
	e := WriteError("alb: set weights", "a rule", &credentialsError{&searched{&tls.CertificateVerificationError{Err: tomorrow}}})
	if !errors.Is(e, router.ErrClockOff) || !strings.Contains(e.Advice, "this machine's clock is 26h0m0s behind AWS's") {
		t.Error(e)
	}
}

// searched is how the search for credentials fails.
type searched struct{ error }

func (s *searched) Unwrap() error { return s.error }
func (*searched) Advice() string  { return "see what STS says" }

// TestACertificateOfTomorrow is the other thing that a clock which is behind meets.
func TestACertificateOfTomorrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar(t, 0)
		invalid := func(from, to time.Duration) error {
			return &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{
				NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to),
			}}}
		}
		f.before = func(*http.Request) error { return invalid(26*time.Hour, 1000*time.Hour) }
		f.fails("not valid yet", 1, router.ErrClockOff, "26h0m0s behind", func() error { return f.write("a") })
		f.before = func(*http.Request) error { return invalid(-1000*time.Hour, -26*time.Hour) }
		f.fails("not valid any more", 1, router.ErrUnavailable, "nothing was changed", func() error { return f.write("a") })
	})
}
