package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// source gives out credentials that are numbered.
type source struct {
	mu     sync.Mutex
	given  int
	asked  int
	life   time.Duration // 0: they do not expire
	err    error
	takes  time.Duration
	source string
}

func (s *source) search(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	s.asked++
	takes := s.takes
	s.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return aws.Credentials{}, s.err
	}
	s.given++
	return aws.Credentials{
		AccessKeyID: fmt.Sprint("key ", s.given), SecretAccessKey: "s", CanExpire: s.life != 0, Expires: time.Now().Add(s.life), Source: s.source,
	}, nil
}

func (s *source) set(change func(*source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// wants checks whom the keeper says we are, "" for nobody, and how often it has asked.
func (s *source) wants(t *testing.T, k *keeper, what, key string, asked int) {
	t.Helper()
	began := time.Now()
	got, err := k.Retrieve(t.Context())
	waited := time.Since(began)
	synctest.Wait() // for a search in the background
	s.mu.Lock()
	defer s.mu.Unlock()
	if got.AccessKeyID != key || (err == nil) != (key != "") || s.asked != asked || waited > s.takes {
		t.Errorf("%s: %q, %v, asked %d times, waited %s; want %q, %d times", what, got.AccessKeyID, err, s.asked, waited, key, asked)
	}
}

func TestCredentialsAreRenewedBeforeTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: 15 * time.Minute}
		k := newKeeper(s.search, time.Now)
		s.wants(t, k, "at first", "key 1", 1)
		time.Sleep(10*time.Minute - time.Second)
		s.wants(t, k, "not due", "key 1", 1)
		time.Sleep(time.Second)
		s.wants(t, k, "5 min before the end, in the background", "key 1", 2)
		s.wants(t, k, "renewed", "key 2", 2)
	})
}

func TestNobodyWaitsForARenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: 15 * time.Minute}
		k := newKeeper(s.search, time.Now)
		s.wants(t, k, "at first", "key 1", 1)
		time.Sleep(11 * time.Minute)
		s.set(func(s *source) { s.takes = 30 * time.Second })
		began := time.Now()
		for range 10 {
			if got, err := k.Retrieve(t.Context()); err != nil || got.AccessKeyID != "key 1" {
				t.Fatal(got, err)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %s", waited)
		}
		time.Sleep(31 * time.Second)
		s.set(func(s *source) { s.takes = 0 })
		s.wants(t, k, "afterwards", "key 2", 2)
	})
}

func TestARenewalThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: 15 * time.Minute}
		k := newKeeper(s.search, time.Now)
		s.wants(t, k, "at first", "key 1", 1)
		s.set(func(s *source) { s.err = errors.New("STS is away") })
		time.Sleep(11 * time.Minute)
		s.wants(t, k, "it fails in the background", "key 1", 2)
		s.wants(t, k, "not again at once", "key 1", 2)
		time.Sleep(searchPause)
		s.wants(t, k, "again after a pause", "key 1", 3)
		time.Sleep(4*time.Minute - searchPause - time.Second)
		s.wants(t, k, "up to the last second", "key 1", 4)
		time.Sleep(searchPause)
		s.wants(t, k, "they have expired", "", 5)
		if _, err := k.Retrieve(t.Context()); err == nil || err.Error() != "STS is away" {
			t.Error(err)
		}
		s.set(func(s *source) { s.err = nil })
		time.Sleep(searchPause)
		s.wants(t, k, "it is back", "key 2", 6)
	})
}

// TestTheMachinesRoleOutlivesItsMetadata: AWS goes on taking it.
func TestTheMachinesRoleOutlivesItsMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour, source: ec2rolecreds.ProviderName}
		k := newKeeper(s.search, time.Now)
		s.wants(t, k, "at first", "key 1", 1)
		s.set(func(s *source) { s.err = errors.New("no metadata") })
		time.Sleep(2 * time.Hour)
		s.wants(t, k, "expired, and nothing else", "key 1", 2)
		k.refuse(time.Now())
		time.Sleep(searchPause)
		s.wants(t, k, "AWS does not take them", "", 3)
	})
}

func TestManyAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: time.Second}
		k := newKeeper(s.search, time.Now)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got, err := k.Retrieve(t.Context()); err != nil || got.AccessKeyID != "key 1" {
					t.Error(got, err)
				}
			})
		}
		all.Wait()
		if s.asked != 1 {
			t.Errorf("asked %d times", s.asked)
		}
	})
}

// TestWhoGivesUpDoesNotEndTheSearch: nor does a command that hangs hold anybody for
// longer than he wants to wait.
func TestWhoGivesUpDoesNotEndTheSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 30 * time.Second}
		k := newKeeper(s.search, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "search for credentials: it has not ended within 1s") {
			t.Error(err)
		}
		time.Sleep(30 * time.Second)
		s.wants(t, k, "later", "key 1", 1)
		hangs := &source{takes: time.Hour}
		if _, err := newKeeper(hangs.search, time.Now).Retrieve(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestAFastClock: credentials that have expired by our clock when they come are used, and
// not asked for with every call.
func TestAFastClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: -time.Minute}
		k := newKeeper(s.search, time.Now)
		s.wants(t, k, "at first", "key 1", 1)
		s.wants(t, k, "at once", "key 1", 1)
		time.Sleep(searchPause)
		s.wants(t, k, "later", "key 2", 2)
	})
}

func TestShortLivesAreRenewedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: 3 * time.Minute}
		k := newKeeper(s.search, time.Now)
		s.wants(t, k, "at first", "key 1", 1)
		time.Sleep(2*time.Minute - time.Second)
		s.wants(t, k, "two thirds are not over", "key 1", 1)
		time.Sleep(time.Second)
		s.wants(t, k, "they are", "key 1", 2)
		s.wants(t, k, "renewed", "key 2", 2)
	})
}

// refusedWith sends a call through the keeper's watch that ends with err.
func refusedWith(k *keeper, err error, takes time.Duration) {
	stack := middleware.NewStack("test", func() any { return nil })
	if err := k.watch(stack); err != nil {
		panic(err)
	}
	_, _, _ = middleware.DecorateHandler(middleware.HandlerFunc(func(context.Context, any) (any, middleware.Metadata, error) {
		time.Sleep(takes)
		return nil, middleware.Metadata{}, err
	}), stack).Handle(context.Background(), nil)
}

func TestRefusedCredentialsAreSearchedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for code, again := range map[string]bool{
			"ExpiredToken": true, "ExpiredTokenException": true, "InvalidClientTokenId": true, "UnrecognizedClientException": true, "RequestExpired": true,
			"AccessDenied": false, "Throttling": false, "": false,
		} {
			s := &source{}
			k := newKeeper(s.search, time.Now)
			s.wants(t, k, code, "key 1", 1)
			time.Sleep(time.Hour)
			s.wants(t, k, code+": they do not expire", "key 1", 1)
			refusedWith(k, &smithy.GenericAPIError{Code: code}, 0)
			if !again {
				s.wants(t, k, code, "key 1", 1)
				continue
			}
			s.wants(t, k, code, "key 2", 2)
			refusedWith(k, &smithy.GenericAPIError{Code: code}, 0)
			s.wants(t, k, code+" of the new ones: AWS has the last word for a while", "key 2", 2)
			time.Sleep(searchPause)
			s.wants(t, k, code+" later", "key 3", 3)
		}
	})
}

// TestAnOldRefusalIsNoneOfNewCredentials: a call that began with the old ones says
// nothing of those that were found since.
func TestAnOldRefusalIsNoneOfNewCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		k := newKeeper(s.search, time.Now)
		s.wants(t, k, "at first", "key 1", 1)
		time.Sleep(time.Hour)
		var slow sync.WaitGroup
		slow.Go(func() { refusedWith(k, &smithy.GenericAPIError{Code: "ExpiredToken"}, time.Minute) })
		time.Sleep(time.Second)
		refusedWith(k, &smithy.GenericAPIError{Code: "ExpiredToken"}, 0)
		s.wants(t, k, "refused", "key 2", 2)
		slow.Wait()
		s.wants(t, k, "the old call ended", "key 2", 2)
	})
}

// TestWhatIsNotAboutCredentialsIsNoRefusal: an error that knows its own remedy.
func TestWhatIsNotAboutCredentialsIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		k := newKeeper(s.search, time.Now)
		s.wants(t, k, "at first", "key 1", 1)
		time.Sleep(time.Hour)
		refusedWith(k, &CredentialsError{Tried: "the clock is off", Do: "set it", Err: &smithy.GenericAPIError{Code: "SignatureDoesNotMatch"}}, 0)
		s.wants(t, k, "afterwards", "key 1", 1)
		refusedWith(k, &smithy.GenericAPIError{Code: "SignatureDoesNotMatch"}, 0)
		s.wants(t, k, "a secret that is wrong", "key 2", 2)
	})
}
