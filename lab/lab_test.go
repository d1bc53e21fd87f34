//go:build linux

package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"watari.dev/lab/proc"
)

// three is a small lab with the shape of the real one.
func three() []fake {
	return []fake{
		{Name: "etcd"},
		{Name: "api", After: []string{"etcd"}},
		{Name: "node", After: []string{"api"}},
	}
}

func TestUpAndDown(t *testing.T) {
	useFakes(t, three()...)
	o := newLab(t)
	info := mustUp(t, o)
	if info.State != Ready || info.ReadyAfter <= 0 || info.Dir != o.layout.dir {
		t.Errorf("info %+v", info)
	}
	status := mustStatus(t, o)
	for _, c := range status.Components {
		if c.State != Ready || c.Restarts != 0 || c.ReadyAfter <= 0 || !proc.Alive(o.layout.dir, c.Process) {
			t.Errorf("component %+v", c)
		}
	}
	if path, err := Kubeconfig(o.layout.dir); err != nil || path != o.layout.kubeconfig() {
		t.Errorf("Kubeconfig = %q, %v", path, err)
	}

	report, err := operatorFor(t, o.layout.dir).down(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Stopped) != 4 {
		t.Errorf("stopped %+v, want the supervisor and three components", report.Stopped)
	}
	for _, s := range report.Stopped {
		if s.Outcome != proc.Ended {
			t.Errorf("%s: %s, want it to end by itself", s.Component, s.Outcome)
		}
	}
	checkNothingLeft(t, o)
	want := "start etcd, start api, start node, stop node, stop api, stop etcd"
	if got := strings.Join(order(t, o), ", "); got != want {
		t.Errorf("order: %s\nwant:  %s", got, want)
	}
	if _, err := Status(o.layout.dir); !errors.Is(err, ErrNoLab) {
		t.Errorf("Status after down = %v, want ErrNoLab", err)
	}
	if _, err := Kubeconfig(o.layout.dir); !errors.Is(err, ErrNoLab) {
		t.Errorf("Kubeconfig after down = %v, want ErrNoLab", err)
	}
	if again, err := o.down(t.Context()); err != nil || len(again.Stopped) != 0 {
		t.Errorf("second down = %+v, %v; want nothing", again, err)
	}
}

func TestUpOfARunningLab(t *testing.T) {
	useFakes(t, three()...)
	o := newLab(t)
	first := mustUp(t, o)
	var both sync.WaitGroup
	for range 2 {
		other := operatorFor(t, o.layout.dir)
		both.Go(func() {
			info, err := other.up(t.Context())
			if err != nil || info.Supervisor != first.Supervisor {
				t.Errorf("up again = supervisor %+v, %v; want %+v", info.Supervisor, err, first.Supervisor)
			}
		})
	}
	both.Wait()

	copied := filepath.Join(t.TempDir(), "watari")
	if err := os.WriteFile(copied, []byte("another build"), 0o700); err != nil {
		t.Fatal(err)
	}
	other := operatorFor(t, o.layout.dir)
	other.executable = copied
	if _, err := other.up(t.Context()); !errors.Is(err, ErrOtherBuild) {
		t.Errorf("up of another build = %v, want ErrOtherBuild", err)
	}
	if got := mustStatus(t, o); got.State != Ready || got.Supervisor != first.Supervisor {
		t.Errorf("the running lab was touched: %+v", got)
	}
}

func TestComponentThatDiesIsStartedAgain(t *testing.T) {
	useFakes(t, three()...)
	o := newLab(t)
	before := mustUp(t, o)
	kill(t, find(t, before, "api").Process)
	var after Info
	eventually(t, "api is ready again", func() bool {
		after = mustStatus(t, o)
		c := find(t, after, "api")
		return c.State == Ready && c.Process != find(t, before, "api").Process
	})
	api := find(t, after, "api")
	if api.Restarts != 1 || api.Reason != "" || !api.Since.After(find(t, before, "api").Since) {
		t.Errorf("api %+v, want one restart", api)
	}
	for _, name := range []string{"etcd", "node"} {
		if c := find(t, after, name); c != find(t, before, name) {
			t.Errorf("%s was touched: %+v", name, c)
		}
	}
	if after.State != Ready {
		t.Errorf("the lab is %s", after.State)
	}
}

func TestComponentThatDoesNotComeUp(t *testing.T) {
	useFakes(t, fake{Name: "etcd"}, fake{Name: "api", After: []string{"etcd"}, Mode: "crash"}, fake{Name: "node", After: []string{"api"}})
	o := newLab(t)
	_, err := o.up(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"api", "exited with code 7 before it was ready (tried 3 times)", "the port is taken", o.layout.log("api")} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error does not say %q:\n%v", part, err)
		}
	}
	if left, err := proc.Find(o.layout.dir); err != nil || len(left) != 0 {
		t.Errorf("left over: %+v, %v", left, err)
	}
	info := mustStatus(t, o)
	if info.State != Failed || info.Failure == nil || info.Failure.Component != "api" ||
		find(t, info, "api").State != Failed || find(t, info, "etcd").State != Stopped || find(t, info, "node").State != Stopped {
		t.Errorf("status %+v", info)
	}
	if got := strings.Join(order(t, o), ", "); got != "start etcd, start api, start api, start api, stop etcd" {
		t.Errorf("order: %s", got)
	}

	useFakes(t, three()...)
	if info := mustUp(t, operatorFor(t, o.layout.dir)); info.State != Ready || info.Failure != nil {
		t.Errorf("up after a failure: %+v", info)
	}
}

func TestCancelledUpLeavesTheLabStarting(t *testing.T) {
	useFakes(t, fake{Name: "etcd", Mode: "never"})
	o := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := o.up(ctx)
		done <- err
	}()
	eventually(t, "etcd runs", func() bool {
		info, err := Status(o.layout.dir)
		return err == nil && find(t, info, "etcd").State == Starting
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "watari lab down") {
		t.Errorf("up = %v, want it cancelled, and the way out", err)
	}
	if info := mustStatus(t, o); info.State != Starting {
		t.Errorf("the lab is %s, want starting", info.State)
	}
	if err := os.WriteFile(filepath.Join(o.layout.data(), "etcd.ready"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if info := mustUp(t, operatorFor(t, o.layout.dir)); info.State != Ready {
		t.Errorf("the next up: %s, want ready", info.State)
	}
}

func TestUpKeepsAForeignDirectory(t *testing.T) {
	useFakes(t, three()...)
	dir := t.TempDir()
	thesis := filepath.Join(dir, "data")
	if err := os.WriteFile(thesis, []byte("my thesis"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := operatorFor(t, dir)
	if _, err := o.up(t.Context()); !errors.Is(err, ErrNotALab) {
		t.Errorf("up = %v, want ErrNotALab", err)
	}
	if _, err := o.down(t.Context()); err != nil {
		t.Errorf("down = %v", err)
	}
	if content, err := os.ReadFile(thesis); err != nil || string(content) != "my thesis" {
		t.Errorf("the file holds %q, %v", content, err)
	}
}

func TestLogs(t *testing.T) {
	useFakes(t, three()...)
	o := newLab(t)
	mustUp(t, o)
	names, err := LogNames(o.layout.dir)
	if err != nil || !slices.Equal(names, []string{"api", "etcd", "node", "supervisor"}) {
		t.Errorf("LogNames = %v, %v", names, err)
	}
	var out strings.Builder
	if err := Logs(t.Context(), o.layout.dir, "api", false, &out); err != nil || out.String() != "I am api\n" {
		t.Errorf("Logs = %q, %v", out.String(), err)
	}
	if err := Logs(t.Context(), o.layout.dir, "../lab", false, &out); err == nil || !strings.Contains(err.Error(), "there are: api, etcd") {
		t.Errorf("Logs of nothing = %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w := &cancelAt{text: "added later", cancel: cancel}
	go func() {
		file, err := os.OpenFile(o.layout.log("api"), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString("added later\n")
		}
		if err != nil {
			t.Error(err)
		}
		file.Close()
	}()
	if err := Logs(ctx, o.layout.dir, "api", true, w); err != nil || !w.seen {
		t.Errorf("followed: %v, saw what was added: %t", err, w.seen)
	}
	if _, err := LogNames(t.TempDir()); !errors.Is(err, ErrNoLab) {
		t.Errorf("LogNames without a lab = %v", err)
	}
}

// cancelAt cancels when it is given a text.
type cancelAt struct {
	text   string
	cancel func()
	all    strings.Builder
	seen   bool
}

func (c *cancelAt) Write(p []byte) (int, error) {
	c.all.Write(p)
	if !c.seen && strings.Contains(c.all.String(), c.text) {
		c.seen = true
		c.cancel()
	}
	return len(p), nil
}
