//go:build linux

package lab

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"watari.dev/lab/fault"
	"watari.dev/lab/kube"
	"watari.dev/lab/proc"
)

func TestDecideRestart(t *testing.T) {
	for _, c := range []struct {
		name   string
		h      history
		delay  time.Duration
		giveUp bool
	}{
		{"first failure at start", history{failures: 1}, 200 * time.Millisecond, false},
		{"second failure at start", history{failures: 2}, 400 * time.Millisecond, false},
		{"third failure at start", history{failures: 3}, 0, true},
		{"first death", history{everReady: true, failures: 1}, 200 * time.Millisecond, false},
		{"fifth death in a row", history{everReady: true, failures: 5}, 3200 * time.Millisecond, false},
		{"hundredth death in a row", history{everReady: true, failures: 100}, 5 * time.Second, false},
	} {
		if delay, giveUp := decideRestart(c.h); delay != c.delay || giveUp != c.giveUp {
			t.Errorf("%s: %s, %t; want %s, %t", c.name, delay, giveUp, c.delay, c.giveUp)
		}
	}
	h := history{everReady: true, failures: 9}
	if got := h.ended(29 * time.Second).failures; got != 10 {
		t.Errorf("after a short life: %d failures, want 10", got)
	}
	if got := h.ended(30 * time.Second).failures; got != 1 {
		t.Errorf("after a long life: %d failures, want 1", got)
	}
}

func TestCheckComponents(t *testing.T) {
	for name, c := range map[string]struct {
		components []component
		ok         bool
	}{
		"in order":         {[]component{{name: "a"}, {name: "b", after: []string{"a"}}}, true},
		"no name":          {[]component{{}}, false},
		"twice":            {[]component{{name: "a"}, {name: "a"}}, false},
		"needs a later":    {[]component{{name: "b", after: []string{"a"}}, {name: "a"}}, false},
		"needs itself":     {[]component{{name: "a", after: []string{"a"}}}, false},
		"needs a stranger": {[]component{{name: "a", after: []string{"x"}}}, false},
	} {
		if err := checkComponents(c.components); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecideEvents(t *testing.T) {
	before := []ComponentInfo{
		{Name: "etcd", State: Starting},
		{Name: "api", State: Ready},
		{Name: "node", State: Restarting, Restarts: 1, Reason: "exited with code 1"},
		{Name: "aws", State: Ready},
	}
	after := []ComponentInfo{
		{Name: "etcd", State: Ready, ReadyAfter: 1500 * time.Millisecond},
		{Name: "api", State: Ready},
		{Name: "node", State: Restarting, Restarts: 2, Reason: "exited with code 1"},
		{Name: "aws", State: Stopping},
	}
	var got []string
	for _, e := range decideEvents(before, after) {
		got = append(got, e.Component+" "+e.Text)
	}
	if want := []string{"etcd ready after 1.5s", "node restarting: exited with code 1"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	if events := decideEvents(nil, before); len(events) != 3 {
		t.Errorf("at first sight: %v, want those that are ready or in trouble", events)
	}
}

func TestEventString(t *testing.T) {
	e := Event{Elapsed: 1234 * time.Millisecond, Component: "aws", State: Ready}
	if got, want := e.String(), "   1.2s  aws                              ready"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	e = Event{Elapsed: 61 * time.Second, Text: "the lab is ready"}
	if got, want := e.String(), "  61.0s  the lab is ready"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDecideStatus(t *testing.T) {
	supervisor, api, node := proc.Identity{PID: 1, Start: 10}, proc.Identity{PID: 2, Start: 10}, proc.Identity{PID: 3, Start: 10}
	info := Info{State: Ready, Supervisor: supervisor, Components: []ComponentInfo{
		{Name: "api", State: Ready, Process: api}, {Name: "node", State: Ready, Process: node},
	}}
	alive := map[proc.Identity]bool{supervisor: true, api: true}
	if got := decideStatus(info, alive); got.State != Ready || got.Components[1].State != Ready {
		t.Errorf("with a supervisor: %+v", got)
	}
	got := decideStatus(info, map[proc.Identity]bool{api: true, {PID: 1, Start: 99}: true})
	if got.State != Gone || got.Components[0].State != Ready || got.Components[1].State != Gone || got.Components[1].Process != (proc.Identity{}) {
		t.Errorf("without: %+v", got)
	}
	if info.State != Ready || info.Components[1].State != Ready {
		t.Error("the argument was changed")
	}
	info.State = Failed
	if got := decideStatus(info, nil); got.State != Failed {
		t.Errorf("a failed lab is %s", got.State)
	}
}

func TestDecideStopped(t *testing.T) {
	a, b := proc.Found{Identity: proc.Identity{PID: 1}}, proc.Found{Identity: proc.Identity{PID: 2}}
	got := decideStopped([]proc.Found{a, b}, []proc.Stopped{{Found: b, Outcome: proc.Killed}})
	want := []proc.Stopped{{Found: b, Outcome: proc.Killed}, {Found: a, Outcome: proc.Ended}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTail(t *testing.T) {
	for _, c := range []struct {
		content string
		cut     bool
		want    string
	}{
		{"", false, ""},
		{"one\ntwo\n", false, "one\ntwo"},
		{"f a line\ntwo\n", true, "two"},
		{"one long line", true, "one long line"},
		{strings.Repeat("x\n", 100) + "end\n", false, strings.Repeat("x\n", tailLines-1) + "end"},
	} {
		if got := decideTail(c.content, c.cut); got != c.want {
			t.Errorf("decideTail(%q, %t) = %q, want %q", c.content, c.cut, got, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat(strings.Repeat("y", 1000)+"\n", 20)+"end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if tail := readTail(path); !strings.HasSuffix(tail, "\nend") || len(tail) > tailBytes {
		t.Errorf("tail of %d bytes", len(tail))
	}
	if tail := readTail(path + ".none"); !strings.Contains(tail, "no such file") {
		t.Errorf("tail of nothing: %q", tail)
	}
}

// A reader never sees half of the state.
func TestWriteIsAtomic(t *testing.T) {
	l, err := newLayout(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{1, 2000}
	info := func(i int) Info { return Info{State: Ready, Components: make([]ComponentInfo, sizes[i%2])} }
	if err := writeInfo(l, info(0)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		defer close(done)
		for i := range 60 {
			if err := writeInfo(l, info(i)); err != nil {
				t.Error(err)
			}
		}
	})
	reads := 0
	for running := true; running; reads++ {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := readInfo(l)
		if err != nil || !slices.Contains(sizes, len(got.Components)) {
			t.Fatalf("read %d components, %v", len(got.Components), err)
		}
	}
	writer.Wait()
	if stat, err := os.Stat(l.info()); err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want it private", stat.Mode(), err)
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v (after %d reads)", entries, err, reads)
	}
}

func TestFailedWriteKeepsWhatWasThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, []byte("x")); err == nil {
		t.Error("replaced a directory")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
	if err := writeFile(filepath.Join(dir, "none", "x"), nil); err == nil {
		t.Error("wrote into a directory that is not there")
	}
}

// One directory has one mark, whatever way leads to it, also before it exists.
func TestLayoutResolvesLinks(t *testing.T) {
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(real)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newLayout(filepath.Join(link, "a", "b"))
	if err != nil || got.dir != filepath.Join(want, "a", "b") {
		t.Errorf("before it exists: %q, %v", got.dir, err)
	}
	if err := got.create(); err != nil {
		t.Fatal(err)
	}
	again, err := newLayout(filepath.Join(link, "a", "..", "a", "b"))
	if err != nil || again != got {
		t.Errorf("after: %q, %v; want %q", again.dir, err, got.dir)
	}
	t.Setenv(DirEnv, link)
	if def, err := newLayout(""); err != nil || def.dir != want {
		t.Errorf("from %s: %q, %v; want %q", DirEnv, def.dir, err, want)
	}
}

func TestKeepVariable(t *testing.T) {
	for name, want := range map[string]bool{
		"PATH": true, "HOME": true, "LC_ALL": true, "XDG_CACHE_HOME": true, "WATARI_LAB": true,
		"HTTPS_PROXY": false, "http_proxy": false, "KUBECONFIG": false, "AWS_PROFILE": false, "AWS_ENDPOINT_URL": false, "GOFLAGS": false,
	} {
		if keepVariable(name) != want {
			t.Errorf("keepVariable(%q) = %t, want %t", name, !want, want)
		}
	}
}

func TestFindCondition(t *testing.T) {
	object := `{"status": {"conditions": [{"type": "Ready", "status": "False", "message": "no network"}, {"type": "Established", "status": "True"}]}}`
	for condition, want := range map[string]string{
		"Established": "", "Ready": "Ready is False: no network", "Other": "Other is not set yet",
	} {
		err := findCondition([]byte(object), condition)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", condition, err, want)
		}
	}
	if err := findCondition([]byte("{"), "Ready"); err == nil {
		t.Error("nonsense has a condition")
	}
}

// The plan of the real lab, without running it.
func TestPlanLab(t *testing.T) {
	l, err := newLayout(filepath.Join(t.TempDir(), "lab"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.create(), os.Mkdir(l.data(), 0o700)); err != nil {
		t.Fatal(err)
	}
	p, err := planLab(t.Context(), l, settings{Executable: "/opt/watari", ControlPlanes: map[kube.Version]string{kube.V1_33: "/opt/kube33", kube.V1_36: "/opt/kube36"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	if err := checkComponents(p.components); err != nil {
		t.Error(err)
	}
	if len(p.components) != 15 || len(p.info.Clusters) != 2 || p.info.Clusters[0].Side != "source" {
		t.Errorf("%d components, clusters %+v", len(p.components), p.info.Clusters)
	}
	var names []string
	for _, c := range p.components {
		names = append(names, c.name)
	}
	for _, c := range p.info.Clusters {
		side := p.sides[c.Side]
		for _, component := range fault.Components() {
			if len(side.components[component]) == 0 {
				t.Errorf("nothing can be killed as the %s's %s", c.Side, component)
			}
			for _, name := range side.components[component] {
				if !slices.Contains(names, name) || !strings.HasPrefix(name, c.Name) {
					t.Errorf("the %s's %s is %s, which does not run there", c.Side, component, name)
				}
			}
		}
		if !slices.Equal(side.components[fault.Node], c.Nodes) || len(c.Nodes) != 2 || len(side.relays) != 2 {
			t.Errorf("%s: nodes %v, relays %v", c.Side, c.Nodes, side.relays)
		}
		if content, err := os.ReadFile(c.Kubeconfig); err != nil || !strings.Contains(string(content), "server: "+c.Server) {
			t.Errorf("the kubeconfig of %s leads past its relay: %v", c.Name, err)
		}
	}
	for _, c := range p.components {
		if c.ready == nil {
			t.Errorf("%s: nobody asks whether it is ready", c.name)
		}
		line := strings.Join(c.args, " ")
		if strings.Contains(line, p.info.AWS.SecretKey) || strings.Contains(line, p.info.Control.Token) {
			t.Errorf("%s: the secret shows in ps: %s", c.name, line)
		}
		want := "/opt/kube36"
		if strings.HasPrefix(c.name, "eks-1-33") {
			want = "/opt/kube33"
		}
		if c.args[0] == "lab" {
			want = "/opt/watari"
			checkConfigFile(t, c.args[len(c.args)-1])
		}
		if c.path != want {
			t.Errorf("%s runs %s, want %s", c.name, c.path, want)
		}
	}
}

func checkConfigFile(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil || !json.Valid(content) {
		t.Errorf("%s: %v: %s", path, err, content)
	}
	if stat, err := os.Stat(path); err == nil && stat.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %s, want it private", path, stat.Mode())
	}
}
