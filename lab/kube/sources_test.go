package kube

import (
	"strings"
	"testing"
)

func TestControlPlaneSources(t *testing.T) {
	keys := map[string]bool{}
	for _, v := range Versions() {
		p, err := controlPlane(v)
		if err != nil {
			t.Fatal(err)
		}
		staging := "v0." + strings.TrimPrefix(string(v), "1.")
		for _, line := range []string{"\tk8s.io/kubernetes v" + string(v) + "\n", "\tk8s.io/apiserver " + staging + " // indirect\n"} {
			if !strings.Contains(string(p.files["go.mod"]), line) {
				t.Errorf("%s: go.mod does not say %q", v, line)
			}
		}
		if strings.Contains(string(p.files["go.mod"]), "replace") {
			t.Errorf("%s: go.mod has a replace", v)
		}
		if !strings.Contains(string(p.files["go.sum"]), "k8s.io/kubernetes v"+string(v)+" h1:") {
			t.Errorf("%s: go.sum does not know the release", v)
		}
		if !strings.Contains(p.ldflags, "-X k8s.io/component-base/version.gitVersion=v"+string(v)) {
			t.Errorf("%s: the linker is not told the release: %s", v, p.ldflags)
		}
		key := p.key("go1.26.8")
		if !strings.HasPrefix(key, string(v)+"-") || !strings.HasSuffix(key, "-go1.26.8") || keys[key] {
			t.Errorf("%s: key %q", v, key)
		}
		keys[key] = true
	}
	for _, v := range []Version{"", "1.36", "1.36.4", "../1.36.3"} {
		if _, err := controlPlane(v); err == nil {
			t.Errorf("%q: no error", v)
		}
	}
}

func TestDecideGoflags(t *testing.T) {
	for given, want := range map[string]string{
		"":                                "-buildvcs=false",
		"-mod=readonly":                   "-buildvcs=false",
		"-buildvcs=false":                 "-buildvcs=false",
		"-mod=vendor -tags=x -race":       "-buildvcs=false",
		"-modcacherw -p=1":                "-buildvcs=false -modcacherw -p=1",
		"--modcacherw -toolexec=/bin/foo": "-buildvcs=false --modcacherw",
	} {
		if got := decideGoflags(given); got != want {
			t.Errorf("decideGoflags(%q) = %q, want %q", given, got, want)
		}
	}
}

func TestDecideEnv(t *testing.T) {
	env := decideEnv([]string{"HOME=/h", "GOFLAGS=-race", "GOPROXY=https://proxy", "GOOS=plan9", "PWD=/x", "CGO_ENABLED=1"}, goSettings{}, "/tmp/x")
	got := map[string]string{}
	for _, kv := range env {
		key, value, _ := strings.Cut(kv, "=")
		if _, twice := got[key]; twice {
			t.Errorf("%s is set twice", key)
		}
		got[key] = value
	}
	for key, want := range map[string]string{
		"HOME": "/h", "GOPROXY": "https://proxy", "GOFLAGS": "-buildvcs=false",
		"GOWORK": "off", "CGO_ENABLED": "0", "GOTMPDIR": "/tmp/x", "GO111MODULE": "on",
	} {
		if got[key] != want {
			t.Errorf("%s=%q, want %q", key, got[key], want)
		}
	}
	if got["GOOS"] == "plan9" {
		t.Error("builds for another platform")
	}
	if _, ok := got["PWD"]; ok {
		t.Error("PWD of another directory is kept")
	}
}

func TestOutput(t *testing.T) {
	var o output
	for line := range strings.Lines("go: downloading k8s.io/api v0.36.3\nk8s.io/api/core/v1\nunsafe\n\n# k8s.io/x\nx.go:1:2: bad\nnet/http\n") {
		o.add(strings.TrimSuffix(line, "\n"))
	}
	if o.downloads != 1 || o.packages != 3 || len(o.rest) != 2 {
		t.Errorf("%+v, want 1 download, 3 packages, 2 lines of the rest", o)
	}
	for range 3 * maxRest {
		o.add("go: warning about something")
	}
	o.add("dial tcp: lookup proxy.golang.org: no such host")
	if len(o.rest) != maxRest {
		t.Errorf("keeps %d lines, want %d", len(o.rest), maxRest)
	}
	if text := o.explain(); !strings.Contains(text, "set GOPROXY or HTTPS_PROXY") {
		t.Errorf("explains %q without a hint", text)
	}
}

func TestProgressString(t *testing.T) {
	for _, c := range []struct {
		p    Progress
		want string
	}{
		{Progress{Stage: StageDownloading, Done: 7, Elapsed: 3_400_000_000}, "Kubernetes 1.36.3: 3s downloading, 7 modules so far"},
		{Progress{Stage: StageCompiling, Done: 7, Total: 90, Elapsed: 61_000_000_000}, "Kubernetes 1.36.3: 1m1s compiling, 7 of 90 packages"},
		{Progress{Stage: StageCompiling, Done: 89, Total: 90}, "Kubernetes 1.36.3: 0s linking"},
		{Progress{Stage: StageWaiting, Holder: 42}, "Kubernetes 1.36.3: process 42 compiles it already; waiting for it"},
		{Progress{Stage: StageDone, Elapsed: 61_000_000_000}, "Kubernetes 1.36.3: built in 1m1s"},
	} {
		c.p.Version = V1_36
		if got := c.p.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
