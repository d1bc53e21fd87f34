//go:build unix

package kubernetes

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"watari.dev/environment"
	"watari.dev/environment/environmenttest"
	"watari.dev/traffic"
)

// cluster is an API server over TLS that lets in who has the right token or a client
// certificate.
type cluster struct {
	*httptest.Server
	mu        sync.Mutex
	token     string // that is accepted; empty accepts any
	certified int    // questions that came with a client certificate
	asked     int
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{}
	lists := map[string]any{
		"/version":           map[string]string{"gitVersion": "v1.33.13"},
		"/api/v1/namespaces": corev1.NamespaceList{Items: []corev1.Namespace{*namespace("shop")}},
		"/api/v1/nodes":      corev1.NodeList{},
		"/api/v1/pods":       corev1.PodList{},
	}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked++
		if len(r.TLS.PeerCertificates) > 0 {
			c.certified++
		}
		w.Header().Set("Content-Type", "application/json")
		if c.token != "" && r.Header.Get("Authorization") != "Bearer "+c.token {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401,"message":"Unauthorized"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(lists[r.URL.Path])
	}))
	c.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	c.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that a test makes fail
	c.StartTLS()
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) authority() string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw}))
}

// signing is a kubeconfig whose users sign in by a shell script.
type signing struct {
	script  string // what the plugin does; it runs in a directory of its own with $dir
	name    string // of the script; get-token if empty
	command string // instead of the script
	mode    string // Never if empty
	version string // v1 if empty
	more    string // of the exec section
	user    string // instead of the exec section
	server  string // instead of the cluster's
	cluster string // instead of the cluster's authority
	dir     string // set by config
}

func (s *signing) config(t *testing.T, c *cluster) Settings {
	t.Helper()
	s.dir = t.TempDir()
	command := s.command
	if command == "" {
		command = filepath.Join(s.dir, cmp.Or(s.name, "get-token"))
		text := "#!/bin/sh\ndir=" + s.dir + "\necho run >> $dir/runs\n" + s.script + "\n"
		if err := os.WriteFile(command, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	server, ca := s.server, s.cluster
	if server == "" {
		server = c.URL
	}
	if ca == "" {
		ca = "certificate-authority-data: " + c.authority()
	}
	if s.mode == "" {
		s.mode = "Never"
	}
	if s.version == "" {
		s.version = "v1"
	}
	user := s.user
	if user == "" {
		user = fmt.Sprintf("exec: {apiVersion: client.authentication.k8s.io/%s, command: %q, interactiveMode: %s %s}", s.version, command, s.mode, s.more)
	}
	path := filepath.Join(s.dir, "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, %s}}]
users: [{name: u, user: {%s}}]
contexts: [{name: eks-1-36, context: {cluster: c, user: u}}]
current-context: eks-1-36
`, server, ca, user)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Settings{Kubeconfig: path}
}

func (s *signing) runs(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "runs"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(text), "run")
}

// prints is a script that prints a token.
func prints(token string) string {
	return fmt.Sprintf(`printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'`, token)
}

func opened(t *testing.T, s Settings) *Cluster {
	t.Helper()
	c, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says fails unless err is of the kind and its text has all of the words.
func says(t *testing.T, err error, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%v; want the kind %q", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\ndoes not say %q", err, w)
		}
	}
}

// TestPluginThatHangs: the question ends when its time is over, and with it the plugin
// and what it has started.
func TestPluginThatHangs(t *testing.T) {
	c := newCluster(t)
	s := &signing{script: "mkfifo $dir/never\nsleep 30 & echo $! > $dir/child\necho $$ > $dir/self\nread answer < $dir/never"}
	k := opened(t, s.config(t, c))
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		awaitFile(filepath.Join(s.dir, "self"))
		cancel(context.DeadlineExceeded)
	}()
	began := time.Now()
	_, err := k.Inventory(ctx)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	says(t, err, environment.ErrUnreachable, "context eks-1-36", filepath.Join(s.dir, "get-token"), "kubectl")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not tell that time was over", err)
	}
	for _, name := range []string{"self", "child"} {
		awaitEnd(t, filepath.Join(s.dir, name))
	}
}

// awaitFile returns once the file has a line, or after ten seconds.
func awaitFile(path string) {
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil && strings.HasSuffix(string(text), "\n") {
			return
		}
	}
}

// awaitEnd fails unless the process whose number is in the file ends.
func awaitEnd(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	var pid int
	if _, scanErr := fmt.Sscan(string(text), &pid); err != nil || scanErr != nil {
		t.Fatal(err, scanErr)
	}
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if syscall.Kill(pid, 0) != nil || isZombie(pid) {
			return
		}
	}
	t.Errorf("process %d of %s goes on", pid, filepath.Base(path))
}

// isZombie: one that has ended and that nobody has waited for, such as an orphan
// where no init collects it.
func isZombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(text), ") ")
	return err == nil && strings.HasPrefix(after, "Z")
}

// TestContractWithAPlugin: who signs in by a plugin keeps the contract as well.
func TestContractWithAPlugin(t *testing.T) {
	environmenttest.Run(t, func(t *testing.T) environmenttest.Harness {
		server := serve(t)
		s := &signing{server: server.URL, cluster: "insecure-skip-tls-verify: false", script: prints("any")}
		c := opened(t, s.config(t, newCluster(t)))
		c.patience = time.Second
		return environmenttest.Harness{
			Environment: c,
			Want: environment.Inventory{
				Kind: "Kubernetes", Version: "1.33.13", Pods: environment.Count{Total: 2, Ready: 1},
				Nodes: traffic.KnownAt(environment.Count{Total: 1, Ready: 1}, time.Time{}), Namespaces: []string{"shop"},
			},
			Deny:    func() { server.denied.Store(true) },
			Silence: func() { server.silent.Store(true) },
			Changes: func() int { return int(server.changes.Load()) },
		}
	})
}

// TestOwnPatience: nobody has to set a deadline.
func TestOwnPatience(t *testing.T) {
	s := &signing{script: "exec sleep 30"}
	k := opened(t, s.config(t, newCluster(t)))
	k.patience = 50 * time.Millisecond
	began := time.Now()
	_, err := k.Inventory(t.Context())
	says(t, err, environment.ErrUnreachable, "50ms")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestPluginSignsIn(t *testing.T) {
	for _, version := range []string{"v1", "v1beta1"} {
		c := newCluster(t)
		c.token = "right"
		s := &signing{version: version, script: strings.ReplaceAll(prints("right"), "io/v1", "io/"+version)}
		settings := s.config(t, c)
		var all sync.WaitGroup
		for range 8 { // as plan asks about both environments
			k := opened(t, settings)
			all.Go(func() {
				if found, err := k.Inventory(t.Context()); err != nil || found.Version != "1.33.13" {
					t.Errorf("%s: %+v, %v", version, found, err)
				}
			})
		}
		all.Wait()
		if n := s.runs(t); n != 1 {
			t.Errorf("%s: the plugin ran %d times for 8 questions", version, n)
		}
	}
}

// TestCertificateOfAPlugin: it may give a client certificate as well, or only that.
func TestCertificateOfAPlugin(t *testing.T) {
	c := newCluster(t)
	s := &signing{script: "cat $dir/answer"}
	settings := s.config(t, c)
	certificate, key := certificate(t, time.Now().Add(time.Hour))
	answer, err := json.Marshal(map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
		"status": map[string]string{"clientCertificateData": certificate, "clientKeyData": key},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "answer"), answer, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, settings).Inventory(t.Context()); err != nil {
		t.Error(err)
	}
	if c.certified == 0 || c.certified != c.asked {
		t.Errorf("%d of %d questions came with the certificate", c.certified, c.asked)
	}
}

// certificate makes one that ends at a time.
func certificate(t *testing.T, end time.Time) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "me"}, NotBefore: end.Add(-24 * time.Hour), NotAfter: end}
	made, err := x509.CreateCertificate(rand.Reader, about, about, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: packed}))
}

// TestCredentialsEnd: those that have expired, or that the cluster refuses, are asked
// for anew, the refused ones within the same question.
func TestCredentialsEnd(t *testing.T) {
	until := func(at time.Time) string {
		return strings.Replace(prints("right"), `"status":{`, `"status":{"expirationTimestamp":"`+at.UTC().Format(time.RFC3339)+`",`, 1)
	}
	for name, c := range map[string]struct {
		script string
		runs   int // after three questions
	}{
		"no end":     {prints("right"), 1},
		"later":      {until(time.Now().Add(time.Hour)), 1},
		"is over":    {until(time.Now().Add(-time.Hour)), 3},
		"is refused": {`test -e $dir/second && ` + prints("right") + ` || ` + prints("old") + `; : > $dir/second`, 2},
	} {
		cluster := newCluster(t)
		cluster.token = "right"
		s := &signing{script: c.script}
		k := opened(t, s.config(t, cluster))
		for range 3 {
			if _, err := k.Inventory(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := s.runs(t); n != c.runs {
			t.Errorf("%s: the plugin ran %d times, want %d", name, n, c.runs)
		}
	}
}

// TestWhatAPluginIsTold is the protocol of client-go's plugins.
func TestWhatAPluginIsTold(t *testing.T) {
	c := newCluster(t)
	s := &signing{
		script: `printf '%s\n' "$KUBERNETES_EXEC_INFO" > $dir/info; printf '%s %s %s' "$1" "$2" "$MORE" > $dir/with; ` + prints("any"),
		more:   `, provideClusterInfo: true, args: [token, "--of=shop"], env: [{name: MORE, value: "yes"}]`,
	}
	if _, err := opened(t, s.config(t, c)).Inventory(t.Context()); err != nil {
		t.Fatal(err)
	}
	var told struct {
		APIVersion, Kind string
		Spec             struct {
			Interactive bool
			Cluster     struct {
				Server    string
				Authority string `json:"certificate-authority-data"`
			}
		}
	}
	text, _ := os.ReadFile(filepath.Join(s.dir, "info"))
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if told.APIVersion != "client.authentication.k8s.io/v1" || told.Kind != "ExecCredential" || told.Spec.Interactive || told.Spec.Cluster.Server != c.URL || told.Spec.Cluster.Authority != c.authority() {
		t.Errorf("it is told %s", text)
	}
	if with, _ := os.ReadFile(filepath.Join(s.dir, "with")); string(with) != "token --of=shop yes" {
		t.Errorf("it runs with %q", with)
	}
}

// TestPluginsThatGiveNothing: each is named with its context, why, and what to do, and
// no token of it is ever shown.
func TestPluginsThatGiveNothing(t *testing.T) {
	const secret = "k8s-aws-v1.c2VjcmV0"
	for name, c := range map[string]struct {
		signing
		kind  error
		words []string
	}{
		"nothing":            {signing{script: "exit 0"}, environment.ErrUnreachable, []string{"printed nothing", "kubectl --kubeconfig "}},
		"no credential":      {signing{script: "printf '" + secret + "'"}, environment.ErrUnreachable, []string{"19 bytes that are no ExecCredential"}},
		"another version":    {signing{script: strings.ReplaceAll(prints(secret), "io/v1", "io/v1beta1")}, environment.ErrUnreachable, []string{"v1beta1"}},
		"empty status":       {signing{script: prints("")}, environment.ErrUnreachable, []string{"neither a token nor a certificate"}},
		"megabytes":          {signing{script: "while :; do echo " + strings.Repeat(secret, 50) + "; done"}, environment.ErrUnreachable, []string{"more than 1 MiB"}},
		"an error":           {signing{script: "echo Traceback >&2; echo the session has expired >&2; exit 3"}, environment.ErrSignedOut, []string{"exit status 3", "it wrote: Traceback / the session has expired", "get --raw /version"}},
		"many errors":        {signing{script: "for i in 1 2 3 4 5 6 7 8; do head -c 9000 /dev/zero | tr '\\0' x >&2; done; echo >&2; echo at last >&2; exit 1"}, environment.ErrSignedOut, []string{"at last"}},
		"AWS":                {signing{name: "aws", script: "echo Token has expired and refresh failed >&2; exit 255", more: ", args: [eks, get-token, --profile, shop]"}, environment.ErrSignedOut, []string{"aws sso login --profile shop"}},
		"AWS by environment": {signing{name: "aws", script: "exit 255", more: ", env: [{name: AWS_PROFILE, value: night}]"}, environment.ErrSignedOut, []string{"aws sso login --profile night"}},
		"asks":               {signing{mode: "IfAvailable", script: "printf 'Code: ' >&2; read code || { echo nobody answers >&2; exit 1; }; " + prints(secret)}, environment.ErrSignedOut, []string{"nobody answers"}},
		"asks the terminal":  {signing{mode: "IfAvailable", script: "(read code < /dev/tty) 2>/dev/null || { echo no terminal >&2; exit 1; }; " + prints(secret)}, environment.ErrSignedOut, []string{"no terminal"}},
		"is killed":          {signing{script: "kill -9 $$"}, environment.ErrSignedOut, []string{"signal: killed"}},
		"no executable":      {signing{command: "/dev/null"}, environment.ErrNotFound, []string{"/dev/null", "permission denied"}},
		"missing":            {signing{command: "watari-no-such-plugin", more: ", installHint: \"brew install it\""}, environment.ErrNotFound, []string{"watari-no-such-plugin", "no such command", "brew install it"}},
		"missing path":       {signing{command: "/nowhere/at/all"}, environment.ErrNotFound, []string{"/nowhere/at/all", "no such command"}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := newCluster(t)
			_, err := opened(t, c.config(t, cluster)).Inventory(t.Context())
			says(t, err, c.kind, append(c.words, "context eks-1-36")...)
			if err != nil && (strings.Contains(err.Error(), secret) || len(err.Error()) > 1500) {
				t.Errorf("it shows too much: %v", err)
			}
			if cluster.asked != 0 {
				t.Error("the cluster was asked without credentials")
			}
		})
	}
}

// TestPluginsThatAreNotRun are refused by what the kubeconfig says of them.
func TestPluginsThatAreNotRun(t *testing.T) {
	for _, c := range []struct {
		signing
		kind  error
		words []string
	}{
		{signing{mode: "Always"}, environment.ErrDenied, []string{"interactiveMode: Always"}},
		{signing{version: "v1alpha1"}, environment.ErrNotFound, []string{"v1alpha1", "aws eks update-kubeconfig"}},
	} {
		_, err := New(c.config(t, newCluster(t)))
		says(t, err, c.kind, append(c.words, "context eks-1-36", "get-token")...)
		if c.runs(t) != 0 {
			t.Error("it was run")
		}
	}
}

// TestWhatItLeavesBehind: a plugin may start something that goes on, such as a cache of
// keys, and nobody waits for that.
func TestWhatItLeavesBehind(t *testing.T) {
	s := &signing{script: "sleep 60 & echo $! > $dir/child; " + prints("any")}
	k := opened(t, s.config(t, newCluster(t)))
	began := time.Now()
	if _, err := k.Inventory(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "child"))
	var pid int
	if _, scanErr := fmt.Sscan(string(text), &pid); err != nil || scanErr != nil {
		t.Fatal(err, scanErr)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("what it left behind was ended: %v", err)
	}
}

// TestRefused: 401 is another thing than 403, and who signs in how says what to do.
func TestRefused(t *testing.T) {
	old, oldKey := certificate(t, time.Now().Add(-time.Hour))
	fresh, freshKey := certificate(t, time.Now().Add(time.Hour))
	data := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, c := range map[string]struct {
		signing
		words []string
	}{
		"plugin":      {signing{script: prints("old")}, []string{"sign in again, as the plugin", "get-token"}},
		"AWS":         {signing{name: "aws", script: prints("old")}, []string{"sign in again: aws sso login", "access entry"}},
		"Azure":       {signing{name: "kubelogin", script: prints("old")}, []string{"sign in again: az login"}},
		"OIDC":        {signing{name: "kubelogin", script: prints("old"), more: ", args: [get-token, --oidc-issuer-url=https://a]"}, []string{"sign in again, as the plugin"}},
		"token":       {signing{user: "token: old"}, []string{"sign in again", "user u", "its token"}},
		"certificate": {signing{user: "client-certificate-data: " + data(fresh) + ", client-key-data: " + data(freshKey)}, []string{"its client certificate"}},
		"old one":     {signing{user: "client-certificate-data: " + data(old) + ", client-key-data: " + data(oldKey)}, []string{"ended on", "get a new kubeconfig"}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := newCluster(t)
			cluster.token = "new"
			_, err := opened(t, c.config(t, cluster)).Inventory(t.Context())
			says(t, err, environment.ErrSignedOut, c.words...)
			if !errors.Is(err, environment.ErrDenied) || strings.Contains(err.Error(), "role view") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestNotReached: each way of not reaching a cluster has its own advice.
func TestNotReached(t *testing.T) {
	other, _ := certificate(t, time.Now().Add(time.Hour))
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, c := range map[string]struct {
		signing
		words []string
	}{
		"another authority": {signing{cluster: "certificate-authority-data: " + base64.StdEncoding.EncodeToString([]byte(other))}, []string{"another authority", "aws eks update-kubeconfig"}},
		"another name":      {signing{cluster: "tls-server-name: other.example, certificate-authority-data: AUTHORITY"}, []string{"for other names", "tls-server-name"}},
		"no TLS":            {signing{server: strings.Replace(plain.URL, "http:", "https:", 1)}, []string{"does not speak TLS"}},
		"nobody listens":    {signing{server: strings.Replace(gone.URL, "http:", "https:", 1)}, []string{"nothing listens at 127.0.0.1:"}},
		"proxy":             {signing{cluster: "proxy-url: " + gone.URL + ", certificate-authority-data: AUTHORITY"}, []string{"the proxy does not lead to 127.0.0.1:"}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := newCluster(t)
			c.user = "token: any"
			c.cluster = strings.Replace(c.cluster, "AUTHORITY", cluster.authority(), 1)
			_, err := opened(t, c.config(t, cluster)).Inventory(t.Context())
			says(t, err, environment.ErrUnreachable, append(c.words, "context eks-1-36")...)
		})
	}
}

// TestClientCertificateThatIsRefused: an API server that wants one breaks off while
// TLS is agreed on, and never answers 401.
func TestClientCertificateThatIsRefused(t *testing.T) {
	data := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, c := range map[string]struct {
		end   time.Time
		words string
	}{
		"it has ended":         {time.Now().Add(-time.Hour), "ended on"},
		"of another authority": {time.Now().Add(time.Hour), "does not accept the client certificate of user u"},
	} {
		cluster := newCluster(t)
		cluster.TLS.ClientAuth, cluster.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		text, key := certificate(t, c.end)
		s := &signing{user: "client-certificate-data: " + data(text) + ", client-key-data: " + data(key)}
		_, err := opened(t, s.config(t, cluster)).Inventory(t.Context())
		if !errors.Is(err, environment.ErrSignedOut) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
