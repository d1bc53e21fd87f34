//go:build linux

package kube

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func newTestBuilder(t *testing.T, cacheDir string, report func(Progress)) *builder {
	t.Helper()
	b, _, err := newBuilder(t.Context(), Options{CacheDir: cacheDir, Progress: report})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// With the real go command, and settings that would break or change the build.
func TestBuildWithRealGo(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=vendor -buildvcs=true -tags=other")
	t.Setenv("GOWORK", "/does/not/exist/go.work")
	t.Setenv("GOOS", "windows")
	t.Setenv("GO111MODULE", "off")
	p := program{
		version: "9.9.9",
		ldflags: "-s -w -X main.version=v9.9.9",
		files: map[string][]byte{
			"go.mod":   []byte("module watari.dev/lab/kube/tiny\n\ngo 1.24.0\n"),
			"go.sum":   nil,
			"main.go":  []byte("package main\n\nimport \"os\"\n\nvar version string\n\nfunc main() { os.Stdout.WriteString(version) }\n"),
			"other.go": []byte("//go:build other\n\npackage main\n\nfunc init() { panic(\"the user's tags are in force\") }\n"),
		},
	}
	var stages []Stage
	cacheDir := filepath.Join(t.TempDir(), "cache")
	b := newTestBuilder(t, cacheDir, func(p Progress) {
		if n := len(stages); n == 0 || stages[n-1] != p.Stage {
			stages = append(stages, p.Stage)
		}
	})
	if _, ok := b.cached(p); ok {
		t.Fatal("cached before it was built")
	}
	path, err := b.build(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path).Output(); err != nil || string(out) != "v9.9.9" {
		t.Errorf("the program says %q, %v; want v9.9.9", out, err)
	}
	want := []Stage{StageAnnounced, StageDownloading, StageCompiling, StageDone}
	if len(stages) != len(want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
	stages = nil
	again, err := b.build(t.Context(), p)
	if err != nil || again != path || len(stages) != 0 {
		t.Errorf("second build = %q, %v with stages %v; want %q from the cache", again, err, stages, path)
	}
	checkNoWorkDirs(t, cacheDir)
}

func TestBuildChangedSourcesAnew(t *testing.T) {
	pids := useFakeGo(t, "ok")
	b := newTestBuilder(t, t.TempDir(), nil)
	first, second := fakeProgram(), fakeProgram()
	second.files["main.go"] = []byte("package main // changed\n")
	third := fakeProgram()
	third.ldflags = "-X main.version=2"
	paths := map[string]bool{}
	for _, p := range []program{first, second, third, first} {
		path, err := b.build(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		paths[path] = true
	}
	if len(paths) != 3 || len(pids()) != 3 {
		t.Errorf("%d programs in %d builds, want 3 in 3", len(paths), len(pids()))
	}
}

func TestBuildReportsCounts(t *testing.T) {
	useFakeGo(t, "ok")
	var announced, compiling Progress
	b := newTestBuilder(t, t.TempDir(), func(p Progress) {
		switch p.Stage {
		case StageAnnounced:
			announced = p
		case StageCompiling:
			compiling = p
		}
	})
	if _, err := b.build(t.Context(), fakeProgram()); err != nil {
		t.Fatal(err)
	}
	if compiling.Total != 3 {
		t.Errorf("compiling %+v, want a total of 3", compiling)
	}
	for _, part := range []string{"9.9.9", "5 minutes", "90 MB", "3 GB", "/go/cache"} {
		if !strings.Contains(announced.String(), part) {
			t.Errorf("announcement %q does not say %q", announced, part)
		}
	}
}

func TestOnlyOneBuildsAtATime(t *testing.T) {
	pids := useFakeGo(t, "ok")
	cacheDir := t.TempDir()
	const builders = 4
	paths := make([]string, builders)
	errs := make([]error, builders)
	var group sync.WaitGroup
	for i := range builders {
		b := newTestBuilder(t, cacheDir, nil)
		group.Go(func() { paths[i], errs[i] = b.build(t.Context(), fakeProgram()) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if len(pids()) != 1 {
		t.Errorf("%d builds, want 1", len(pids()))
	}
	for _, path := range paths {
		checkWhole(t, path)
	}
}

func TestFailedBuildExplains(t *testing.T) {
	useFakeGo(t, "fail")
	cacheDir := t.TempDir()
	b := newTestBuilder(t, cacheDir, nil)
	_, err := b.build(t.Context(), fakeProgram())
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"9.9.9", "no space left on device", "free about 4 GB"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if _, ok := b.cached(fakeProgram()); ok {
		t.Error("a failed build is in the cache")
	}
	checkNoWorkDirs(t, cacheDir)
}

func TestBuildWithoutGo(t *testing.T) {
	useFakeGo(t, "ok")
	cacheDir := t.TempDir()
	path, err := newTestBuilder(t, cacheDir, nil).build(t.Context(), fakeProgram())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	got, err := newTestBuilder(t, cacheDir, nil).build(t.Context(), fakeProgram())
	if err != nil || got != path {
		t.Errorf("with a built program: %q, %v; want %q", got, err, path)
	}
	if _, err := newTestBuilder(t, t.TempDir(), nil).build(t.Context(), fakeProgram()); !errors.Is(err, ErrNoGo) {
		t.Errorf("without one: %v, want ErrNoGo", err)
	}
}

func TestCancelledBuildLeavesNothing(t *testing.T) {
	pids := useFakeGo(t, "block")
	cacheDir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := newTestBuilder(t, cacheDir, nil)
	done := make(chan error)
	go func() {
		_, err := b.build(ctx, fakeProgram())
		done <- err
	}()
	eventually(t, "the build runs", func() bool { return len(pids()) == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("build = %v, want it cancelled", err)
	}
	checkGone(t, pids()[0])
	checkNoWorkDirs(t, cacheDir)
}

// SIGKILL in the middle: the go command ends, the half program is not taken for
// a whole one, and the next build removes what is left.
func TestKilledBuild(t *testing.T) {
	pids := useFakeGo(t, "block")
	cacheDir := t.TempDir()
	builder := exec.Command(os.Args[0])
	builder.Env = append(os.Environ(), builderEnv+"="+cacheDir)
	if err := builder.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "half of the program is written", func() bool {
		half, err := filepath.Glob(filepath.Join(cacheDir, "*", binaryName))
		return err == nil && len(half) == 1 && len(pids()) == 1
	})
	if err := builder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = builder.Wait() // says that it was killed
	checkGone(t, pids()[0])

	t.Setenv(fakeModeEnv, "ok")
	b := newTestBuilder(t, cacheDir, nil)
	if path, ok := b.cached(fakeProgram()); ok {
		t.Errorf("%s is taken for a whole program", path)
	}
	path, err := b.build(t.Context(), fakeProgram())
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, path)
	checkNoWorkDirs(t, cacheDir)
}

func checkWhole(t *testing.T, path string) {
	t.Helper()
	if content, err := os.ReadFile(path); err != nil || string(content) != "a whole program" {
		t.Errorf("%s holds %q, %v", path, content, err)
	}
}

func checkNoWorkDirs(t *testing.T, cacheDir string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(cacheDir, "*"+workInfix+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func checkGone(t *testing.T, pid string) {
	t.Helper()
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the go command is gone", func() bool { return syscall.Kill(number, 0) == syscall.ESRCH })
}

// eventually polls until ok or a deadline that only a broken program reaches.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("still not so after 10 s: %s", what)
}
