package awscall

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"watari.dev/router"
)

func TestNothingIsSentOnceTheRightHasEnded(t *testing.T) {
	slow := func(d time.Duration) func(context.Context) error {
		return func(context.Context) error { time.Sleep(d); return nil }
	}
	for name, c := range map[string]struct {
		policy Policy
		right  time.Duration
		errs   []error
		calls  int
	}{
		"before it begins":         {Policy{}, 0, nil, 0},
		"while it waits in turn":   {Policy{Turn: slow(time.Second)}, time.Second, nil, 0},
		"in time, in turn":         {Policy{Turn: slow(time.Second)}, time.Second + 1, nil, 1},
		"while it waits to repeat": {Policy{}, time.Nanosecond, []error{api("Throttling"), api("Throttling")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.policy.NotAfter = time.Now().Add(c.right)
				call, n := tries(c.errs...)
				_, err := Write(t.Context(), c.policy, call)
				if *n != c.calls {
					t.Errorf("%d calls, want %d", *n, c.calls)
				}
				effect, kind := Classify(err)
				if late := c.calls == len(c.errs)/2; late && (kind != router.ErrExpired || effect != router.EffectNothing) || !late && err != nil {
					t.Errorf("%v is %v, %v", err, kind, effect)
				}
			})
		})
	}
}

func TestReadingNeedsNoRight(t *testing.T) {
	call, n := tries()
	if _, err := Read(t.Context(), Policy{NotAfter: time.Unix(1, 0)}, call); err != nil || *n != 1 {
		t.Errorf("%d calls, %v", *n, err)
	}
}

func TestTheTextSaysWhenTheRightEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, _ := tries(api("Throttling"), api("Throttling"))
		_, err := Write(t.Context(), Policy{NotAfter: time.Now().Add(time.Nanosecond)}, call)
		got := WriteError("route53: set weights", "api.example.com", err).Error()
		want := "route53: set weights of api.example.com: the right to write has ended: at " + time.Now().Format(time.TimeOnly) +
			", after GetChange: Throttling: said so; nothing was changed; whoever runs the migration now goes on with it"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// slowly is a clock that jumps while somebody waits, as that of a machine does
// which was suspended.
type slowly struct {
	mu  sync.Mutex
	now time.Time
}

func (s *slowly) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *slowly) jump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(time.Hour)
}

// TestTheSDKSendsNothingLate lets the right end in the two places where the SDK
// itself waits: for credentials and for a connection.
func TestTheSDKSendsNothingLate(t *testing.T) {
	for name, c := range map[string]struct{ credentials, dial, late bool }{
		"in time":         {},
		"for credentials": {credentials: true, late: true},
		"to connect":      {dial: true, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			var served atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err == nil {
					served.Add(1) // a request whose body is missing cannot be carried out
				}
			}))
			defer server.Close()
			clock := &slowly{now: time.Unix(1000, 0)}
			transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if c.dial {
					clock.jump()
				}
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}}
			defer transport.CloseIdleConnections()
			client := elb.NewFromConfig(Config(aws.Config{
				Region: "eu-central-1", BaseEndpoint: &server.URL, HTTPClient: &http.Client{Transport: transport},
				Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
					if c.credentials {
						clock.jump()
					}
					return credentials.NewStaticCredentialsProvider("key", "secret", "").Retrieve(ctx)
				}),
			}))
			p := Policy{NotAfter: clock.Now().Add(time.Minute), Now: clock.Now}
			_, err := Write(t.Context(), p, func(ctx context.Context) (*elb.ModifyRuleOutput, error) {
				return client.ModifyRule(ctx, &elb.ModifyRuleInput{RuleArn: aws.String("arn")})
			})
			if !c.late {
				if served.Load() != 1 {
					t.Errorf("%d requests served, %v", served.Load(), err)
				}
				return
			}
			if effect, kind := Classify(err); served.Load() != 0 || kind != router.ErrExpired || effect != router.EffectNothing {
				t.Errorf("%d requests served: %v is %v, %v", served.Load(), err, kind, effect)
			}
		})
	}
}
