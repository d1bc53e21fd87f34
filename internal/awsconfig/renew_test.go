package awsconfig

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
)

// migration is a client that outlives its credentials. Its keeper has the clock of the
// cloud.
type migration struct {
	*cloud
	keeper *keeper
	api    *sts.Client
}

func (c *cloud) migrate(s Settings) migration {
	c.t.Helper()
	s.EndpointURL, s.Region = c.url, "eu-central-1"
	cfg, err := Load(c.t.Context(), s)
	if err != nil {
		c.t.Fatal(err)
	}
	k := cfg.Credentials.(*keeper)
	k.now = c.time
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return migration{c, k, sts.NewFromConfig(cfg)}
}

// call returns AWS's code; empty if the call was answered.
func (m migration) call() string {
	m.t.Helper()
	_, err := m.api.GetCallerIdentity(m.t.Context(), &sts.GetCallerIdentityInput{})
	var absent *CredentialsError
	var api smithy.APIError
	switch {
	case errors.As(err, &absent):
		return "nobody"
	case errors.As(err, &api):
		return api.ErrorCode()
	case err != nil:
		m.t.Fatal(err)
	}
	return ""
}

func (m migration) wants(what, want string) {
	m.t.Helper()
	if got := m.call(); got != want {
		m.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// settle waits for a search in the background.
func (m migration) settle() {
	m.t.Helper()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		m.keeper.mu.Lock()
		under := m.keeper.under
		m.keeper.mu.Unlock()
		if under == nil {
			return
		}
		if time.Now().After(until) {
			m.t.Fatal("the search does not end")
		}
	}
}

// at sets the clock of the cloud and of the keeper.
func (c *cloud) at(began time.Time, after time.Duration) {
	at := began.Add(after)
	c.now.Store(&at)
}

// TestAMigrationOutlivesItsSessions: of a role of two minutes.
func TestAMigrationOutlivesItsSessions(t *testing.T) {
	c := newCloud(t)
	isolate(t, "[profile shop]\n"+longLived)
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	began := time.Now()
	c.at(began, 0)
	m := c.migrate(Settings{Profile: "shop", RoleARN: roleARN + "short"})
	m.wants("at first", "")
	first := m.keeper.held
	c.at(began, 90*time.Second)
	m.wants("nearly over", "")
	m.settle()
	if m.keeper.held.AccessKeyID == first.AccessKeyID {
		t.Error("not renewed before the end")
	}
	c.at(began, 3*time.Minute)
	m.wants("the first session is over", "")

	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1") // from now on there is no way to STS
	m.settle()
	last := m.keeper.held.Expires
	c.at(last, -30*time.Second)
	m.wants("it cannot be renewed, and is still good", "")
	m.settle()
	c.at(last, -10*time.Second)
	m.wants("nor now", "")
	m.settle()
	c.at(last, 10*time.Second)
	m.wants("it is over", "nobody")
	m.settle()
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	c.at(last, 20*time.Second)
	m.wants("STS is back", "")
}

// TestNewKeysInTheFileAreFound: somebody signs in again, which only writes a file; AWS
// has refused what was there.
func TestNewKeysInTheFileAreFound(t *testing.T) {
	c := newCloud(t)
	home := isolate(t, "")
	file := filepath.Join(home, ".aws", "credentials")
	put := func(s *types.Credentials) {
		write(t, file, "[default]\naws_access_key_id = "+*s.AccessKeyId+"\naws_secret_access_key = "+*s.SecretAccessKey+"\naws_session_token = "+*s.SessionToken+"\n")
	}
	began := time.Now()
	c.at(began, 0)
	put(c.session("short"))
	m := c.migrate(Settings{})
	m.wants("at first", "")
	c.at(began, 2*time.Minute+time.Second)
	m.wants("the session is over", "ExpiredToken")
	m.wants("and nobody has signed in", "ExpiredToken")
	put(c.session("short"))
	c.at(began, 2*time.Minute+10*time.Second)
	m.wants("signed in", "")
}

// TestATokenThatIsWrittenAnewIsRead: Kubernetes does that with a web identity.
func TestATokenThatIsWrittenAnewIsRead(t *testing.T) {
	c := newCloud(t)
	file := filepath.Join(isolate(t, ""), "token")
	for name, value := range map[string]string{
		"AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": roleARN + "short", "AWS_ENDPOINT_URL_STS": c.url, "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	began := time.Now()
	c.at(began, 0)
	write(t, file, c.token(pod, "sts.amazonaws.com", began.Add(time.Minute)))
	m := c.migrate(Settings{})
	m.wants("at first", "")
	c.at(began, 3*time.Minute)
	m.wants("session and token are over", "nobody")
	write(t, file, c.token(pod, "sts.amazonaws.com", began.Add(time.Hour)))
	c.at(began, 3*time.Minute+searchPause)
	m.wants("there is a new token", "")
}

// TestAnAgentIsAskedAgain: a session of Pod Identity ends as well.
func TestAnAgentIsAskedAgain(t *testing.T) {
	c := newCloud(t)
	began := time.Now()
	c.at(began, 0)
	var now atomic.Pointer[agent]
	now.Store(&agent{session: c.session("short")})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().ServeHTTP(w, r) }))
	defer server.Close()
	isolate(t, "")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL+"/credentials")
	m := c.migrate(Settings{})
	m.wants("at first", "")
	c.at(began, 2*time.Minute)
	now.Store(&agent{session: c.session("short")})
	m.wants("the next session", "")
}
