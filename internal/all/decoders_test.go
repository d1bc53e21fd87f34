package all

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"watari.dev/analyze/history"
	"watari.dev/environment/kubernetes"
	"watari.dev/internal/awsconfig"
	"watari.dev/internal/bounded"
	"watari.dev/router"
	"watari.dev/router/alb"
	"watari.dev/router/route53"
	"watari.dev/signal"
	"watari.dev/signal/cloudwatch"
	"watari.dev/signal/datadog"
	"watari.dev/signal/prometheus"
	"watari.dev/signal/scrape"
	"watari.dev/traffic"
)

// decoder is something that reads answers of a server.
type decoder struct {
	name  string
	limit string // of an answer's body, as its error says it
	bytes int64
	only  string // the attack that is tried; the others are on a decoder with the same library and settings; empty for all
	tries bool   // it asks again several times, and waits in between
	read  func(t *testing.T, server string) error
}

// decoders are all that read over HTTP. One that is missing here is found by
// TestOnlyOneRoomReadsFromOutside.
var decoders = []decoder{
	{"prometheus", "64 MiB", 64 << 20, "", false, func(t *testing.T, server string) error {
		s, err := prometheus.New(prometheus.Config{URL: server})
		return counted(t, s, err, promQuery)
	}},
	{"history", "128 MiB", 128 << 20, "gzip bomb", false, func(t *testing.T, server string) error {
		s, err := history.New(history.Config{URL: server})
		if err != nil {
			return err
		}
		defer s.Close()
		now := time.Now()
		_, err = history.Read(t.Context(), traffic.BySide[*history.Server]{Source: s, Target: s}, history.Ask{Query: promQuery, From: now.Add(-time.Hour), To: now, Every: time.Minute}, func(int, int) {})
		return err
	}},
	{"datadog", "8 MiB", 8 << 20, "", false, func(t *testing.T, server string) error {
		t.Setenv("DD_API_KEY", "first-secret")
		t.Setenv("DD_APP_KEY", "second-secret")
		s, err := datadog.New(datadog.Config{URL: server, Delay: time.Second})
		return counted(t, s, err, datadogQuery)
	}},
	{"scrape", "64 KiB", 32 << 20, "", false, scraped},
	{"cloudwatch", "16 MiB", 16 << 20, "", false, func(t *testing.T, server string) error {
		cfg, err := awsconfig.Load(t.Context(), awsconfig.Settings{EndpointURL: server})
		if err != nil {
			return err
		}
		s, err := cloudwatch.New(cloudwatch.Config{AWS: cfg})
		return counted(t, s, err, cloudwatchQuery)
	}},
	{"route53", "16 MiB", 16 << 20, "packed twice", true, func(t *testing.T, server string) error {
		cfg, err := awsconfig.Load(t.Context(), awsconfig.Settings{EndpointURL: server})
		if err != nil {
			return err
		}
		_, err = route53.New(route53.Options{Config: cfg}).Read(t.Context(), router.Ref{
			Name: "r", Driver: "route53", ID: "Z1", Names: []string{"a.example.com"}, Type: "A", Source: "s", Target: "t",
		})
		return err
	}},
	{"alb", "16 MiB", 16 << 20, "packed twice", true, func(t *testing.T, server string) error {
		cfg, err := awsconfig.Load(t.Context(), awsconfig.Settings{EndpointURL: server})
		if err != nil {
			return err
		}
		const arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:"
		_, err = alb.New(alb.Options{Config: cfg}).Read(t.Context(), router.Ref{
			Name: "r", Driver: "alb", ID: arn + "listener-rule/app/a/1/2/3", Source: arn + "targetgroup/s/1", Target: arn + "targetgroup/t/2",
		})
		return err
	}},
	{"assume role", "16 MiB", 16 << 20, "", false, func(t *testing.T, server string) error {
		t.Setenv("AWS_ENDPOINT_URL_STS", server)
		cfg, err := awsconfig.Load(t.Context(), awsconfig.Settings{RoleARN: "arn:aws:iam::123456789012:role/r"})
		if err != nil {
			return err
		}
		_, err = cfg.Credentials.Retrieve(t.Context())
		return err
	}},
	{"web identity", "16 MiB", 16 << 20, "gzip bomb", false, func(t *testing.T, server string) error {
		token := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(token, []byte("a.b.c"), 0o600); err != nil {
			t.Fatal(err)
		}
		return retrieved(t, map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r", "AWS_ENDPOINT_URL_STS": server})
	}},
	{"single sign-on", "16 MiB", 16 << 20, "gzip bomb", false, func(t *testing.T, server string) error {
		home := t.TempDir()
		config, token := filepath.Join(home, "config"), filepath.Join(home, ".aws", "sso", "cache", "a9993e364706816aba3e25717850c26c9cd0d89d.json") // SHA-1 of abc
		if err := errors.Join(os.MkdirAll(filepath.Dir(token), 0o700),
			os.WriteFile(config, []byte("[default]\nsso_session = abc\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session abc]\nsso_region = eu-central-1\nsso_start_url = https://abc.example.com\n"), 0o600),
			os.WriteFile(token, []byte(`{"accessToken": "t", "expiresAt": "2099-01-01T00:00:00Z"}`), 0o600)); err != nil {
			t.Fatal(err)
		}
		return retrieved(t, map[string]string{"HOME": home, "AWS_CONFIG_FILE": config, "AWS_ENDPOINT_URL_SSO": server})
	}},
	{"container credentials", "16 MiB", 16 << 20, "", false, func(t *testing.T, server string) error {
		return retrieved(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": server + "/creds"})
	}},
	{"metadata service", "16 MiB", 16 << 20, "", false, func(t *testing.T, server string) error {
		return retrieved(t, map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": server, "AWS_EC2_METADATA_DISABLED": "false"})
	}},
	{"kubernetes", "64 MiB", 64 << 20, "", false, func(t *testing.T, server string) error {
		path := filepath.Join(t.TempDir(), "kubeconfig")
		text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: secret}}]\nclusters: [{name: c, cluster: {server: %q}}]\n", server)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := kubernetes.New(kubernetes.Settings{Kubeconfig: path})
		if err != nil {
			return err
		}
		_, err = c.Inventory(t.Context())
		return err
	}},
}

var (
	promQuery     = signal.Query{Name: "test", Requests: traffic.BySide[string]{Source: `r{s="s"}`, Target: `r{s="t"}`}}
	datadogQuery  = signal.Query{Name: "test", Requests: traffic.BySide[string]{Source: "sum:r{s:s}.as_count()"}}
	cloudwatchOne = "app/lb/0123456789abcdef targetgroup/s/0123456789abcdef"

	cloudwatchQuery = signal.Query{Name: "test", Requests: traffic.BySide[string]{Source: cloudwatchOne}}
)

// counted asks once and returns why the source is not known.
func counted[S interface {
	signal.Source
	Close()
}](t *testing.T, s S, err error, q signal.Query) error {
	if err != nil {
		return err
	}
	defer s.Close()
	to := time.Now().Add(-5 * time.Minute)
	got, err := s.Counts(t.Context(), q, to.Add(-2*time.Minute), to)
	if err != nil {
		return err
	}
	return errors.New(got.Source.Err)
}

func scraped(t *testing.T, server string) error {
	s, err := scrape.New(scrape.Config{Endpoints: []string{server}, Interval: time.Hour, Timeout: 20 * time.Second, Queries: []signal.Query{promQuery}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		now := time.Now()
		got, err := s.Counts(t.Context(), promQuery, now.Add(-time.Minute), now)
		if err != nil || got.Source.State == traffic.Failed {
			return errors.Join(err, errors.New(got.Source.Err))
		}
	}
	return errors.New("nothing came of it")
}

// retrieved looks for credentials where the environment says.
func retrieved(t *testing.T, environment map[string]string) error {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	for name, value := range environment {
		t.Setenv(name, value)
	}
	cfg, err := awsconfig.Load(t.Context(), awsconfig.Settings{})
	if err != nil {
		return err
	}
	_, err = cfg.Credentials.Retrieve(t.Context())
	return err
}

// slack is what a decoder and the kernel may take beyond a bound: buffers of sockets,
// and what the garbage collector has not seen yet.
const slack = 32 << 20

// attack is an answer that is not meant to be read.
type attack struct {
	name   string
	answer func(*hostile, http.ResponseWriter, *http.Request)
	wanted string // in the error; empty for one that is wrong in another way as well
}

var attacks = []attack{
	{"gzip bomb", bomb, "LIMIT"},
	{"endless body", endless(" "), "LIMIT"},
	{"endless header", endlessHeader, "is longer than 256 KiB"},
	{"endless reason", endlessReason, "is longer than 256 KiB"},
	{"packed twice", packedTwice, `is packed as "gzip, gzip"`},
	{"deep JSON", deep(`[`), ""},
	{"deep objects", deep(`{"a":`), ""},
	{"deep XML", deep(`<a>`), ""},
	{"deep CBOR", deep("\x81"), ""},
	{"endless refusal", func(h *hostile, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		endless("no ")(h, w, r)
	}, ""},
}

// TestEveryDecoderHasABound: whatever a server answers, whoever reads it ends with an
// error that names the server and the bound, and with no more memory than the bound
// explains.
func TestEveryDecoderHasABound(t *testing.T) {
	for _, d := range decoders {
		if d.tries {
			continue // see TestLeversHaveABound
		}
		for _, a := range attacks {
			if d.only == "" || d.only == a.name {
				t.Run(d.name+"/"+a.name, func(t *testing.T) { d.withstands(t, a) })
			}
		}
	}
}

// TestLeversHaveABound is the same for those who ask again several times. They wait
// beside each other.
func TestLeversHaveABound(t *testing.T) {
	t.Parallel()
	for _, d := range decoders {
		if !d.tries {
			continue
		}
		for _, a := range attacks {
			if a.name == d.only {
				t.Run(d.name+"/"+a.name, func(t *testing.T) {
					t.Parallel()
					d.withstands(t, a)
				})
			}
		}
		t.Run(d.name+"/redirect", func(t *testing.T) {
			t.Parallel()
			d.staysHere(t, http.StatusTemporaryRedirect)
		})
	}
}

func (d decoder) withstands(t *testing.T, a attack) {
	h := newHostile(t, a.answer)
	err := d.read(t, h.URL)
	if err == nil || err.Error() == "" {
		t.Fatal("no error")
	}
	if wanted := strings.ReplaceAll(a.wanted, "LIMIT", "is longer than "+d.limit); wanted != "" {
		for _, part := range []string{wanted, host(h.URL)} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error does not say %q: %s", part, shortened(err))
			}
		}
	}
	if sent := h.sent.Load(); sent > d.bytes+slack {
		t.Errorf("%d MiB of an answer were taken; the bound is %s", sent>>20, d.limit)
	}
	if grown := h.grown(); grown > 12*d.bytes+slack {
		t.Errorf("the heap grew by %d MiB; the bound is %s", grown>>20, d.limit)
	}
}

func host(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	return u.Host
}

func shortened(err error) string { return fmt.Sprintf("%.400s", err.Error()) }

// TestNoDecoderFollowsToAnotherServer: nor does it go round for ever.
func TestNoDecoderFollowsToAnotherServer(t *testing.T) {
	for _, d := range decoders {
		if d.tries {
			continue // see TestLeversHaveABound
		}
		for _, status := range []int{302, 307} {
			t.Run(fmt.Sprintf("%s/%d", d.name, status), func(t *testing.T) { d.staysHere(t, status) })
		}
		t.Run(d.name+"/round", func(t *testing.T) {
			h := newHostile(t, round)
			began := time.Now()
			err := d.read(t, h.URL)
			if err == nil || err.Error() == "" || time.Since(began) > 30*time.Second {
				t.Errorf("%s: %v", time.Since(began), err)
			}
		})
	}
}

func (d decoder) staysHere(t *testing.T, status int) {
	answer, came := elsewhere(t, status)
	h := newHostile(t, answer)
	err := d.read(t, h.URL)
	if err == nil || err.Error() == "" {
		t.Fatal("no error")
	}
	if came.Load() != 0 {
		t.Errorf("the other server was asked %d times: %v", came.Load(), shortened(err))
	}
	if !strings.Contains(err.Error(), "redirects to http://127.0.0.1:") {
		t.Errorf("the error does not say where it leads: %s", shortened(err))
	}
}

// TestFilesHaveABound: a file that is larger than its kind can be, or that never ends, is
// not read.
func TestFilesHaveABound(t *testing.T) {
	huge := filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(huge)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<40), f.Close()); err != nil { // a hole: it takes no room
		t.Fatal(err)
	}
	ask := func(s *prometheus.Source, err error) error { return counted(t, s, err, promQuery) }
	for name, read := range map[string]func(path string) error{
		"kubeconfig": func(path string) error {
			_, err := kubernetes.New(kubernetes.Settings{Kubeconfig: path})
			return err
		},
		"KUBECONFIG": func(path string) error {
			t.Setenv("KUBECONFIG", path)
			_, err := kubernetes.New(kubernetes.Settings{})
			return err
		},
		"token": func(path string) error {
			return ask(prometheus.New(prometheus.Config{URL: "http://127.0.0.1:1", BearerTokenFile: path}))
		},
		"password": func(path string) error {
			return ask(prometheus.New(prometheus.Config{URL: "http://127.0.0.1:1", Username: "u", PasswordFile: path}))
		},
		"authority": func(path string) error {
			_, err := prometheus.New(prometheus.Config{URL: "http://127.0.0.1:1", CAFile: path})
			return err
		},
		"certificate": func(path string) error {
			_, err := prometheus.New(prometheus.Config{URL: "http://127.0.0.1:1", CertFile: path, KeyFile: path})
			return err
		},
		"key of Datadog": func(path string) error {
			s, err := datadog.New(datadog.Config{URL: "http://127.0.0.1:1", Delay: time.Second, APIKeyFile: path, AppKeyFile: path})
			return counted(t, s, err, datadogQuery)
		},
	} {
		for path, why := range map[string]string{huge: "is longer than ", "/dev/zero": "no regular file"} {
			err := read(path)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), why) {
				t.Errorf("%s %s: %v", name, path, err)
			}
		}
	}
}

// TestErrorsOfBoundsHaveTypes: callers act on types, through every layer in between.
func TestErrorsOfBoundsHaveTypes(t *testing.T) {
	for _, d := range decoders {
		switch d.name {
		case "prometheus", "datadog", "scrape", "cloudwatch": // they say it in a reading
			continue
		case "route53", "alb": // they try several times; assume role goes the same way
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			var over *bounded.Error
			if err := d.read(t, newHostile(t, endlessHeader).URL); !errors.As(err, &over) {
				t.Errorf("no *bounded.Error: %v", err)
			}
			answer, _ := elsewhere(t, http.StatusTemporaryRedirect)
			var led *bounded.RedirectError
			if err := d.read(t, newHostile(t, answer).URL); !errors.As(err, &led) {
				t.Errorf("no *bounded.RedirectError: %v", err)
			}
		})
	}
}
