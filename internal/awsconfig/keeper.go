package awsconfig

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

const (
	// renewBefore is how long before they expire credentials are renewed, or a third of
	// their life if that is shorter. A role that is assumed is for 15 minutes (package
	// stscreds of the SDK, DefaultDuration).
	renewBefore = 5 * time.Minute
	// searchTime bounds one search. The SDK gives a credential_process as long.
	searchTime = time.Minute
	// searchPause is the least time between two searches.
	searchPause = 5 * time.Second
)

// keeper hands out credentials. It searches for new ones in the background before
// those that it has expire, and uses these until they really do: a search that fails
// meanwhile harms nobody. Each search reads the environment and the shared files anew,
// so keys that somebody replaced in a file are found after AWS has refused the old ones.
type keeper struct {
	search func(context.Context) (aws.Credentials, error)
	now    func() time.Time
	by     way // that search goes, as it was written at the beginning

	mu      sync.Mutex
	held    aws.Credentials
	found   time.Time // when held were
	refused bool      // AWS does not take held any more
	failed  error     // why the last search found nothing; nil if it did not fail
	again   time.Time // before which nothing is searched for
	under   *search   // way; nil if none is
}

// search is one that is under way, or has ended.
type search struct {
	began time.Time
	done  chan struct{}
	found aws.Credentials
	err   error
}

func newKeeper(search func(context.Context) (aws.Credentials, error), now func() time.Time) *keeper {
	return &keeper{search: search, now: now, by: way{text: "search for credentials"}}
}

// Retrieve implements aws.CredentialsProvider. It waits only if there is nothing that
// can be used.
func (k *keeper) Retrieve(ctx context.Context) (aws.Credentials, error) {
	for {
		creds, under, err := k.have(ctx)
		if under == nil {
			return creds, err
		}
		select {
		case <-under.done:
			if under.err == nil {
				return under.found, nil
			}
		case <-ctx.Done():
			return aws.Credentials{}, explain(k.by, &slowError{after: k.now().Sub(under.began), cause: context.Cause(ctx)})
		}
	}
}

// have returns what can be said at once, or the search to wait for. It begins one if
// it is due.
func (k *keeper) have(ctx context.Context) (creds aws.Credentials, under *search, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.under == nil && k.due(now) {
		k.begin(ctx)
	}
	switch {
	case k.usable(now):
		return k.held, nil, nil
	case k.under != nil:
		return aws.Credentials{}, k.under, nil
	case k.failed != nil:
		return aws.Credentials{}, nil, k.failed
	default:
		return k.held, nil, nil // refused a moment ago, and nothing else was found: AWS has the last word
	}
}

// due reports whether it is time for a search.
func (k *keeper) due(now time.Time) bool {
	if now.Before(k.again) {
		return false
	}
	return !k.held.HasKeys() || k.refused || k.held.CanExpire && !now.Before(k.held.Expires.Add(-k.window()))
}

func (k *keeper) window() time.Duration {
	return max(0, min(renewBefore, k.held.Expires.Sub(k.found)/3))
}

// usable reports whether the credentials may be used. New ones may, even if our clock
// says that they have expired. Those of the machine's own role may as long as no others
// can be had: AWS goes on taking them while its metadata service is away (package
// ec2rolecreds of the SDK, HandleFailToRefresh).
func (k *keeper) usable(now time.Time) bool {
	switch {
	case !k.held.HasKeys() || k.refused:
		return false
	case !k.held.CanExpire, now.Before(k.held.Expires), now.Before(k.found.Add(searchPause)):
		return true
	default:
		return k.held.Source == ec2rolecreds.ProviderName && k.failed != nil
	}
}

// begin starts a search that outlives the call it is for.
func (k *keeper) begin(ctx context.Context) {
	s := &search{began: k.now(), done: make(chan struct{})}
	k.under = s
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), searchTime)
	go func() {
		defer cancel()
		s.found, s.err = k.search(ctx)
		k.end(s)
		close(s.done)
	}()
}

func (k *keeper) end(s *search) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.under, k.failed, k.again = nil, s.err, now.Add(searchPause)
	if s.err == nil {
		k.held, k.found, k.refused = s.found, now, false
	}
}

// refuse says that AWS did not take the credentials of a call that began at began.
func (k *keeper) refuse(began time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.found.After(began) {
		k.refused = true
	}
}

// refusals are the codes of credentials that AWS does not take, in both spellings of
// its protocols (AWS "Common Error Types"; for RequestExpired aws-sdk-go pull request 253).
var refusals = []string{
	"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException",
	"SignatureDoesNotMatch", "InvalidSignatureException",
}

// watch makes clients say when AWS refuses what they sign with.
func (k *keeper) watch(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("WatariWatchCredentials", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		began := k.now()
		out, metadata, err := next.HandleInitialize(ctx, in)
		if refusal(err) {
			k.refuse(began)
		}
		return out, metadata, err
	}), middleware.Before)
}

// refusal reports whether an error says that AWS does not take the credentials. One
// that knows what to do is about something else: a clock that is off, or a search that
// has found nothing.
func refusal(err error) bool {
	var api smithy.APIError
	var knows interface{ Advice() string }
	return errors.As(err, &api) && slices.Contains(refusals, api.ErrorCode()) && !errors.As(err, &knows)
}
