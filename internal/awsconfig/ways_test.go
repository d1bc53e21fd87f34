package awsconfig

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"watari.dev/internal/bounded"
	balancer "watari.dev/lab/alb"
	lab "watari.dev/lab/aws"
	labsts "watari.dev/lab/aws/sts"
	"watari.dev/lab/dnsserver"
)

const (
	labKey    = "AKIALABEXAMPLE"
	labSecret = "lab-secret"
	roleARN   = "arn:aws:iam::123456789012:role/"
	issuer    = "https://oidc.eks.eu-central-1.amazonaws.com/id/A"
	pod       = "system:serviceaccount:watari:watari"
	longLived = "aws_access_key_id = " + labKey + "\naws_secret_access_key = " + labSecret + "\n"
)

// cloud is the lab's AWS.
type cloud struct {
	t   *testing.T
	url string
	now atomic.Pointer[time.Time] // nil: the real time
	key *ecdsa.PrivateKey         // of the issuer of web identities
}

type noBalancer struct{}

func (noBalancer) Apply(balancer.Config) error     { return nil }
func (noBalancer) Health(string) []balancer.Health { return nil }

type noDNS struct{}

func (noDNS) Apply([]dnsserver.Zone) {}

func (c *cloud) time() time.Time {
	if at := c.now.Load(); at != nil {
		return *at
	}
	return time.Now()
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, key: key}
	server, err := lab.New(lab.Config{
		Account: "123456789012", Region: "eu-central-1", AccessKey: labKey, SecretKey: labSecret, Seed: 1, Unthrottled: true,
		Roles: []labsts.Role{
			{Name: "first"}, {Name: "second"}, {Name: "pod", Subjects: []string{pod}}, {Name: "short", MaxSession: 2 * time.Minute},
		},
		Providers: []labsts.Provider{{Issuer: issuer, Key: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}},
	}, lab.Planes{Balancer: noBalancer{}, DNS: noDNS{}, DNSAddr: "127.0.0.1:53", Now: c.time}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	listening := httptest.NewServer(server)
	t.Cleanup(func() {
		listening.Close()
		cancel()
		running.Wait()
	})
	c.url = listening.URL
	return c
}

// token is the file of a service account.
func (c *cloud) token(subject, audience string, expires time.Time) string {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{"iss": issuer, "sub": subject, "aud": audience, "exp": expires.Unix()})
	if err != nil {
		c.t.Fatal(err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, c.key, sum[:])
	if err != nil {
		c.t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// session is a session of a role, as somebody else gets one.
func (c *cloud) session(role string) *types.Credentials {
	c.t.Helper()
	out, err := sts.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &c.url, Credentials: credentials.NewStaticCredentialsProvider(labKey, labSecret, ""),
	}).AssumeRole(c.t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(roleARN + role), RoleSessionName: aws.String("other")})
	if err != nil {
		c.t.Fatal(err)
	}
	return out.Credentials
}

// printed is a session as credential processes and agents print it.
func printed(c *types.Credentials) string {
	text, err := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": *c.AccessKeyId, "SecretAccessKey": *c.SecretAccessKey, "SessionToken": *c.SessionToken, "Token": *c.SessionToken, "Expiration": *c.Expiration,
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// who asks the cloud who the settings make us.
func (c *cloud) who(s Settings) (string, error) {
	c.t.Helper()
	s.EndpointURL, s.Region = c.url, "eu-central-1"
	cfg, err := Load(c.t.Context(), s)
	if err != nil {
		return "", err
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(c.t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	arn := *out.Arn
	return arn[strings.LastIndex(arn, ":")+1:], nil
}

// be fails unless the settings make us somebody.
func (c *cloud) be(s Settings, want string) {
	c.t.Helper()
	if got, err := c.who(s); err != nil || !strings.HasPrefix(got, want) {
		c.t.Errorf("%q, %v; want %s", got, err, want)
	}
}

// fail wants an error that says all of says, and advice with all of do.
func (c *cloud) fail(s Settings, says, do []string) {
	c.t.Helper()
	got, err := c.who(s)
	var e *CredentialsError
	if !errors.As(err, &e) {
		c.t.Fatalf("%q, %v; want a *CredentialsError", got, err)
	}
	for _, part := range says {
		if !strings.Contains(e.Error(), part) {
			c.t.Errorf("the error does not say %q: %s", part, e)
		}
	}
	for _, part := range do {
		if !strings.Contains(e.Advice(), part) {
			c.t.Errorf("the advice to %q does not say %q: %s", e, part, e.Advice())
		}
	}
}

func TestRole(t *testing.T) {
	c := newCloud(t)
	isolate(t, "[profile shop]\n"+longLived+"[profile rotated]\naws_access_key_id = AKIAOLD\naws_secret_access_key = x\n")
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	c.be(Settings{Profile: "shop"}, "user/lab")
	c.be(Settings{Profile: "shop", RoleARN: roleARN + "first"}, "assumed-role/first/watari")
	c.fail(Settings{Profile: "shop", RoleARN: roleARN + "gone"},
		[]string{"assume role " + roleARN + "gone with the access key of profile shop", "AccessDenied: User: arn:aws:iam::123456789012:user/lab is not authorized"},
		[]string{"the trust policy of " + roleARN + "gone", "sts:AssumeRole"})
	c.fail(Settings{Profile: "rotated", RoleARN: roleARN + "first"}, []string{"with the access key of profile rotated", "InvalidClientTokenId"}, []string{"renew the credentials"})
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
	c.fail(Settings{Profile: "shop", RoleARN: roleARN + "first"}, []string{"assume role", "http://127.0.0.1:1"}, []string{"can be reached", "AWS_ENDPOINT_URL_STS"})
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	t.Setenv("AWS_ACCESS_KEY_ID", labKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	c.fail(Settings{RoleARN: roleARN + "first"}, []string{"with the access key of the environment", "SignatureDoesNotMatch"}, []string{"renew the credentials"})
}

func TestProfilesThatLeadToOthers(t *testing.T) {
	c := newCloud(t)
	isolate(t, "[profile keys]\n"+longLived+
		"[profile one]\nrole_arn = "+roleARN+"first\nsource_profile = keys\nrole_session_name = ops\n"+
		"[profile two]\nrole_arn = "+roleARN+"second\nsource_profile = one\nrole_session_name = ops\n"+
		"[profile bad]\nrole_arn = "+roleARN+"gone\nsource_profile = one\n"+
		"[profile env]\nrole_arn = "+roleARN+"first\ncredential_source = Environment\nrole_session_name = ops\n")
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	c.be(Settings{Profile: "one"}, "assumed-role/first/ops")
	c.be(Settings{Profile: "two"}, "assumed-role/second/ops")
	c.be(Settings{Profile: "two", RoleARN: roleARN + "first"}, "assumed-role/first/watari")
	c.fail(Settings{Profile: "bad"},
		[]string{roleARN + "first of profile one, then " + roleARN + "gone of profile bad", "with the access key of profile keys", "AccessDenied", "assumed-role/first"},
		[]string{"the trust policy of"})
	c.fail(Settings{Profile: "env"}, []string{"use the access key of the environment, as credential_source of profile env says"}, []string{"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"})
	c.fail(Settings{Profile: "env", RoleARN: roleARN + "second"}, []string{"credential_source of profile env"}, []string{"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"})
	t.Setenv("AWS_ACCESS_KEY_ID", labKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", labSecret)
	c.be(Settings{Profile: "env"}, "assumed-role/first/ops")
}

// TestWebIdentity is IRSA: EKS puts a token into the pod and two variables into its
// environment.
func TestWebIdentity(t *testing.T) {
	c := newCloud(t)
	file := filepath.Join(isolate(t, "[profile pod]\nrole_arn = "+roleARN+"pod\nweb_identity_token_file = /nowhere/token\n"), "token")
	for name, value := range map[string]string{
		"AWS_WEB_IDENTITY_TOKEN_FILE": file, "AWS_ROLE_ARN": roleARN + "pod", "AWS_ROLE_SESSION_NAME": "irsa", "AWS_ENDPOINT_URL_STS": c.url, "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	hour := time.Now().Add(time.Hour)
	write(t, file, c.token(pod, "sts.amazonaws.com", hour))
	c.be(Settings{}, "assumed-role/pod/irsa")
	c.be(Settings{RoleARN: roleARN + "first"}, "assumed-role/first/watari")

	tried := "assume role " + roleARN + "pod with the token in " + file
	for _, f := range []struct {
		token string
		says  string
		do    string
	}{
		{c.token(pod, "sts.amazonaws.com", time.Now().Add(-time.Minute)), "ExpiredTokenException: Token expired", "whether that is the file"},
		{c.token(pod, "vault", hour), "InvalidIdentityToken: Incorrect token audience", "with the audience of the token"},
		{c.token("system:serviceaccount:default:default", "sts.amazonaws.com", hour), "AccessDenied: Not authorized", "trust policy of " + roleARN + "pod"},
	} {
		write(t, file, f.token)
		c.fail(Settings{}, []string{tried, f.says}, []string{f.do})
	}
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file+".gone")
	c.fail(Settings{}, []string{file + ".gone", "no such file"}, []string{"service account", "AWS_WEB_IDENTITY_TOKEN_FILE"})
	c.fail(Settings{Profile: "pod"}, []string{"/nowhere/token", "no such file"}, []string{"service account"})
}

// agent is the EKS Pod Identity Agent, or the one of ECS.
type agent struct {
	token   string
	session *types.Credentials
	status  int
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		fmt.Fprint(w, `{"code": "AccessDeniedException", "message": "the association is gone"}`)
	case r.Header.Get("Authorization") != a.token || !strings.HasSuffix(r.URL.Path, "/credentials"):
		http.Error(w, "who are you?", http.StatusUnauthorized)
	default:
		fmt.Fprint(w, printed(a.session))
	}
}

func TestPodIdentity(t *testing.T) {
	c := newCloud(t)
	a := &agent{token: "pod-token", session: c.session("first")}
	server := httptest.NewServer(a)
	defer server.Close()
	file := filepath.Join(isolate(t, ""), "eks-pod-identity-token")
	write(t, file, a.token)
	for name, value := range map[string]string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL + "/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": file, "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	c.be(Settings{}, "assumed-role/first/other")
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	c.be(Settings{RoleARN: roleARN + "second"}, "assumed-role/second/watari")

	tried := "ask " + server.URL + "/v1/credentials for the role of this pod or task"
	a.status = http.StatusForbidden
	c.fail(Settings{}, []string{tried, "AccessDeniedException: the association is gone"}, []string{"pod identity association"})
	a.status = 0
	write(t, file, "old-token")
	c.fail(Settings{}, []string{tried, "who are you?"}, []string{"pod identity association"})
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file+".gone")
	c.fail(Settings{}, []string{tried, file + ".gone"}, []string{file + ".gone", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"})
}

// network replaces the network, and lets nobody try twice.
func network(dial func(context.Context, string, string) (net.Conn, error)) []func(*config.LoadOptions) error {
	client := awshttp.NewBuildableClient().WithTransportOptions(bounded.Guard, func(t *http.Transport) { t.DialContext = dial })
	return []func(*config.LoadOptions) error{
		config.WithHTTPClient(client), config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = client }),
	}
}

// lead dials to where, whatever address is asked for.
func lead(where string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if where == "" {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("no route to " + address)}
		}
		if strings.HasPrefix(address, "169.254.") {
			address = where
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// TestAgentsAtTheirAddresses are those of EKS and ECS, which are link-local.
func TestAgentsAtTheirAddresses(t *testing.T) {
	c := newCloud(t)
	server := httptest.NewServer(&agent{session: c.session("first"), token: "given"})
	defer server.Close()
	for name, env := range map[string][2]string{
		"EKS": {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"},
		"ECS": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t, "[profile task]\nrole_arn = "+roleARN+"second\ncredential_source = EcsContainer\nrole_session_name = ops\n")
			t.Setenv(env[0], env[1])
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "given")
			t.Setenv("AWS_MAX_ATTEMPTS", "1")
			s := Settings{more: network(lead(strings.TrimPrefix(server.URL, "http://")))}
			c.be(s, "assumed-role/first/other")
			t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
			s.Profile = "task"
			c.be(s, "assumed-role/second/ops")
			c.fail(Settings{more: network(lead(""))}, []string{"ask http://169.254.170.2", "/credentials", "no route"}, map[string][]string{
				"EKS": {"eks-pod-identity-agent", "NO_PROXY"}, "ECS": {"the task gives this one a role"},
			}[name])
		})
	}
}

const ssoProfile = `[profile dev]
region = eu-central-1
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Admin
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.awsapps.com/start
[profile old]
region = eu-central-1
sso_start_url = https://old.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = Admin
`

// keep writes the file in which "aws sso login" keeps a token (AWS CLI User Guide,
// "Configuring IAM Identity Center authentication").
func keep(t *testing.T, home, of, text string) string {
	t.Helper()
	sum := sha1.Sum([]byte(of))
	file := filepath.Join(home, ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json")
	write(t, file, text)
	return file
}

func TestSingleSignOn(t *testing.T) {
	c := newCloud(t)
	session := c.session("first")
	refuse := ""
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch query := r.URL.Query(); {
		case r.URL.Path == "/token": // of ssooidc: the session is renewed
			fmt.Fprint(w, `{"accessToken": "renewed", "expiresIn": 3600, "refreshToken": "next"}`)
		case refuse != "":
			w.Header().Set("X-Amzn-ErrorType", refuse)
			w.WriteHeader(map[string]int{"UnauthorizedException": 401, "ForbiddenException": 403}[refuse])
			fmt.Fprint(w, `{"message": "No access"}`)
		case r.Header.Get("X-Amz-Sso_bearer_token") != "good" && r.Header.Get("X-Amz-Sso_bearer_token") != "renewed", query.Get("account_id") != "123456789012", query.Get("role_name") != "Admin":
			http.Error(w, "{}", http.StatusTeapot)
		default:
			fmt.Fprintf(w, `{"roleCredentials":{"accessKeyId":%q,"secretAccessKey":%q,"sessionToken":%q,"expiration":%d}}`,
				*session.AccessKeyId, *session.SecretAccessKey, *session.SessionToken, session.Expiration.UnixMilli())
		}
	}))
	defer portal.Close()
	home := isolate(t, ssoProfile)
	for _, name := range []string{"AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"} {
		t.Setenv(name, portal.URL)
	}
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	const tried = "use the single sign-on of profile dev (session corp, role Admin of account 123456789012)"
	c.fail(Settings{Profile: "dev"}, []string{tried, "no such file"}, []string{"aws sso login --profile dev"})
	c.fail(Settings{Profile: "old"}, []string{"profile old (https://old.awsapps.com/start"}, []string{"aws sso login --profile old"})

	good := `{"accessToken": "good", "expiresAt": "2099-01-01T00:00:00Z"}`
	keep(t, home, "corp", good)
	keep(t, home, "https://old.awsapps.com/start", good)
	c.be(Settings{Profile: "dev"}, "assumed-role/first/other")
	c.be(Settings{Profile: "old"}, "assumed-role/first/other")
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	c.be(Settings{Profile: "dev", RoleARN: roleARN + "second"}, "assumed-role/second/watari")

	refuse = "UnauthorizedException"
	c.fail(Settings{Profile: "dev"}, []string{tried, "UnauthorizedException"}, []string{"aws sso login --profile dev"})
	refuse = "ForbiddenException"
	c.fail(Settings{Profile: "dev"}, []string{tried, "ForbiddenException: No access"}, []string{"you may not use role Admin of account 123456789012"})
	refuse = ""
	for of, name := range map[string]string{"corp": "dev", "https://old.awsapps.com/start": "old"} {
		keep(t, home, of, `{"accessToken": "good", "expiresAt": "2020-01-01T00:00:00Z"}`)
		c.fail(Settings{Profile: name}, []string{"expired"}, []string{"aws sso login --profile " + name})
	}
	keep(t, home, "corp", `{"accessToken": "good", "expiresAt": "2020-01-01T00:00:00Z", "clientId": "c", "clientSecret": "s", "refreshToken": "r"}`)
	c.be(Settings{Profile: "dev"}, "assumed-role/first/other")
}

func TestCredentialProcess(t *testing.T) {
	c := newCloud(t)
	home := isolate(t, "")
	script := filepath.Join(home, "print")
	write(t, filepath.Join(home, ".aws", "config"), "[profile tool]\ncredential_process = TOKEN=hunter2 sh "+script+" --password hunter2\n")
	write(t, script, "cat "+script+".json\n")
	write(t, script+".json", printed(c.session("first")))
	c.be(Settings{Profile: "tool"}, "assumed-role/first/other")
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	c.be(Settings{Profile: "tool", RoleARN: roleARN + "second"}, "assumed-role/second/watari")

	const tried = "run the credential_process of profile tool (sh)"
	do := []string{"by hand", "Version 1"}
	for text, says := range map[string]string{
		"exit 3":                       "exit status 3",
		`echo '{"Version": 2}'`:        "version",
		`echo 'SecretAccessKey: abc'`:  "what it printed is not the JSON that is wanted",
		`echo '{"Version": "abc"}'`:    "what it printed is not the JSON that is wanted",
		`echo '{"Version": 1}'`:        "missing AccessKeyId",
		`echo '{"SecretAccessKey": "'`: "what it printed is not the JSON that is wanted",
		`echo '{"Expiration": "abc"}'`: "what it printed is not the JSON that is wanted",
	} {
		write(t, script, text+"\n")
		c.fail(Settings{Profile: "tool"}, []string{tried, says}, do)
		if _, err := c.who(Settings{Profile: "tool"}); strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "abc") {
			t.Errorf("the error shows what may be a secret: %v", err)
		}
	}
}

func TestNobody(t *testing.T) {
	c := newCloud(t)
	isolate(t, "")
	c.fail(Settings{}, []string{"ask this machine for its role"}, []string{"name a profile", "aws sso login"})
	t.Setenv("AWS_ACCESS_KEY_ID", labKey)
	if _, err := c.who(Settings{}); err == nil {
		t.Error("a key without a secret is enough")
	}
}
