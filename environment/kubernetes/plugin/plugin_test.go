//go:build unix

package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

// gate is a plugin that waits until it is let through.
type gate struct {
	*Plugin
	dir string
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{dir: t.TempDir()}
	command := filepath.Join(g.dir, "plugin")
	script := fmt.Sprintf("#!/bin/sh\ncd %s\nmkfifo through-$$\necho run >> runs\nread go < through-$$\n"+
		`printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'`+"\n", g.dir)
	if err := os.WriteFile(command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := Of(&rest.Config{ExecProvider: &api.ExecConfig{Command: command, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode}})
	if err != nil {
		t.Fatal(err)
	}
	g.Plugin = p
	return g
}

// await returns once what is true, and fails if it never is.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

func (g *gate) runs() int {
	text, _ := os.ReadFile(filepath.Join(g.dir, "runs"))
	return strings.Count(string(text), "run\n")
}

// letThrough lets every plugin through that waits.
func (g *gate) letThrough(t *testing.T) {
	t.Helper()
	fifos, err := filepath.Glob(filepath.Join(g.dir, "through-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range fifos {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString("go\n")
		t.Cleanup(func() { _ = f.Close() })
	}
}

// TestWhoGivesUpEndsNothingForOthers: the plugin goes on while somebody waits for it.
func TestWhoGivesUpEndsNothingForOthers(t *testing.T) {
	g := newGate(t)
	short, giveUp := context.WithCancel(t.Context())
	var both sync.WaitGroup
	both.Go(func() {
		_, err := g.Credentials(short)
		var why *Error
		if !errors.As(err, &why) || why.Reason != Silent || !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
	})
	both.Go(func() {
		if c, err := g.Credentials(t.Context()); err != nil || c.Token != "t" {
			t.Errorf("who waited: %+v, %v", c, err)
		}
	})
	await(t, "two wait", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.running != nil && g.running.waiting == 2
	})
	await(t, "it runs", func() bool { return g.runs() == 1 })
	giveUp()
	await(t, "one waits", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.running.waiting == 1
	})
	g.letThrough(t)
	both.Wait()
	if g.runs() != 1 {
		t.Errorf("it ran %d times", g.runs())
	}
}

// TestAfterTheLastHasGivenUp the next one begins anew.
func TestAfterTheLastHasGivenUp(t *testing.T) {
	g := newGate(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for g.runs() == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := g.Credentials(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := g.Credentials(ctx); !errors.Is(err, context.Canceled) || g.runs() != 1 {
		t.Errorf("%v after %d runs: a question whose time is over runs nothing", err, g.runs())
	}
	var next sync.WaitGroup
	next.Go(func() {
		if c, err := g.Credentials(t.Context()); err != nil || c.Token != "t" {
			t.Errorf("%+v, %v", c, err)
		}
	})
	await(t, "it runs again", func() bool { return g.runs() == 2 })
	g.letThrough(t)
	next.Wait()
}

// TestRefuse: two who were refused with the same credentials make one run.
func TestRefuse(t *testing.T) {
	old, newer := &Credentials{Token: "old"}, &Credentials{Token: "new"}
	p := &Plugin{known: old, now: time.Now}
	p.Refuse(old)
	if p.known != nil {
		t.Error("what was refused is still there")
	}
	p.known = newer
	p.Refuse(old)
	if p.known != newer {
		t.Error("who was refused with the old ones took the new ones away")
	}
}

// TestOtherCredentialsGoFirst, as client-go does it.
func TestOtherCredentialsGoFirst(t *testing.T) {
	exec := &api.ExecConfig{Command: "x", APIVersion: "client.authentication.k8s.io/v1"}
	for name, c := range map[string]*rest.Config{
		"no plugin":   {},
		"token":       {ExecProvider: exec, BearerToken: "t"},
		"token file":  {ExecProvider: exec, BearerTokenFile: "t"},
		"password":    {ExecProvider: exec, Username: "u"},
		"certificate": {ExecProvider: exec, TLSClientConfig: rest.TLSClientConfig{CertData: []byte("c"), KeyFile: "k"}},
	} {
		if p, err := Of(c); p != nil || err != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

// script is a plugin that runs a shell script.
func script(t *testing.T, text string) (p *Plugin, dir string) {
	t.Helper()
	dir = t.TempDir()
	command := filepath.Join(dir, "plugin")
	if err := os.WriteFile(command, []byte("#!/bin/sh\ncd "+dir+"\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := Of(&rest.Config{ExecProvider: &api.ExecConfig{Command: command, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode}})
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

// TestWhatAFailingPluginWroteHoldsNoSecrets, and nothing that moves a terminal's cursor.
func TestWhatAFailingPluginWroteHoldsNoSecrets(t *testing.T) {
	p, _ := script(t, `printf '\033[31mAuthorization: Bearer SECRETTOKEN\033[0m\r\nlogin with password=hunter2 failed\a\n' >&2; exit 3`)
	_, err := p.Credentials(t.Context())
	const want = `it ended with exit status 3; it wrote: Authorization: Bearer *** / login with password=*** failed\x07`
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%q, want %q", err, want)
	}
}

// alive reports whether the process runs whose id is in the file.
func alive(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if _, here := os.Stat("/proc/self/stat"); here != nil {
		return syscall.Kill(pid, 0) == nil
	}
	return err == nil && !strings.Contains(string(state), ") Z ") // nobody may be there to reap it
}

// TestOfAFailureNothingStays: what a plugin has started ends with it if it gave no
// credentials, and goes on if it did.
func TestOfAFailureNothingStays(t *testing.T) {
	const good = `printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'`
	for name, c := range map[string]struct {
		last  string
		stays bool
	}{
		"it fails":             {"exit 1", false},
		"it prints nonsense":   {"echo bad", false},
		"it prints nothing":    {"exit 0", false},
		"it gives credentials": {good, true},
	} {
		for _, holds := range []string{"", " >/dev/null 2>&1"} {
			p, dir := script(t, "trap '' TERM HUP\nsleep 36"+holds+" &\necho $! > left\n"+c.last)
			_, err := p.Credentials(t.Context())
			if (err == nil) != c.stays {
				t.Errorf("%s: %v", name, err)
			}
			left := filepath.Join(dir, "left")
			if c.stays {
				if !alive(t, left) {
					t.Errorf("%s%s: what it started was ended", name, holds)
				}
				text, _ := os.ReadFile(left)
				pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
				_ = syscall.Kill(pid, syscall.SIGKILL)
				continue
			}
			await(t, name+holds+": what it started ends", func() bool { return !alive(t, left) })
		}
	}
}

// TestAFailureIsRememberedForAWhile, and what nobody waited for is none.
func TestAFailureIsRememberedForAWhile(t *testing.T) {
	p, dir := script(t, "echo run >> runs\nexit 3")
	now := time.Now()
	p.now = func() time.Time { return now }
	ask := func(what string, runs int) {
		t.Helper()
		_, err := p.Credentials(t.Context())
		var why *Error
		text, _ := os.ReadFile(filepath.Join(dir, "runs"))
		if n := strings.Count(string(text), "run"); !errors.As(err, &why) || why.Reason != Failed || n != runs {
			t.Errorf("%s: %v after %d runs, want %d", what, err, n, runs)
		}
	}
	ask("at first", 1)
	ask("at once", 1)
	now = now.Add(remembered - time.Millisecond)
	ask("nearly forgotten", 1)
	now = now.Add(time.Millisecond)
	ask("forgotten", 2)
}
