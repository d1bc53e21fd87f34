//go:build linux

package kube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// fakeModeEnv says what the fake go command does at `build`: ok, fail or block.
	fakeModeEnv = "WATARI_FAKE_GO"
	// fakeCountEnv names a file that gets one line per `build`.
	fakeCountEnv = "WATARI_FAKE_GO_COUNT"
	// builderEnv makes the test binary build into the named cache directory.
	builderEnv = "WATARI_KUBE_TEST_BUILDER"
)

func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == "go":
		os.Exit(playGo(os.Args[1:]))
	case os.Getenv(builderEnv) != "":
		playBuilder(os.Getenv(builderEnv))
	default:
		// The race detector's programs wait a second at their end by default.
		os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
		os.Exit(m.Run())
	}
}

// playGo is a go command that does what the tests want.
func playGo(args []string) int {
	switch args[0] {
	case "env":
		fmt.Println(`{"GOFLAGS": "", "GOVERSION": "go1.99.1", "GOCACHE": "/go/cache"}`)
	case "list":
		fmt.Fprintln(os.Stderr, "go: downloading example.com/a v1.0.0\ngo: downloading example.com/b v1.0.0")
		fmt.Println("example.com/a\nexample.com/b\nexample.com/main")
	case "build":
		return playGoBuild(args)
	}
	return 0
}

func playGoBuild(args []string) int {
	count, err := os.OpenFile(os.Getenv(fakeCountEnv), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(count, os.Getpid())
	out := ""
	for i, arg := range args {
		if arg == "-o" {
			out = args[i+1]
		}
	}
	fmt.Fprintln(os.Stderr, "example.com/a")
	switch os.Getenv(fakeModeEnv) {
	case "fail":
		fmt.Fprintln(os.Stderr, "# example.com/b\n./b.go:3:2: write: no space left on device")
		return 1
	case "block":
		if err := os.WriteFile(out, []byte("half of a prog"), 0o700); err != nil {
			return 1
		}
		<-time.After(time.Minute) // bounds a stray if the tests are killed
		return 1
	}
	if err := os.WriteFile(out, []byte("a whole program"), 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func playBuilder(cacheDir string) {
	ctx := context.Background()
	b, _, err := newBuilder(ctx, Options{CacheDir: cacheDir})
	if err == nil {
		_, err = b.build(ctx, fakeProgram())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func fakeProgram() program {
	return program{version: "9.9.9", files: map[string][]byte{"main.go": []byte("package main\n")}}
}

// useFakeGo puts the fake go command in the place of the real one and returns
// a function that counts its builds.
func useFakeGo(t *testing.T, mode string) (pids func() []string) {
	t.Helper()
	dir := t.TempDir()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "go")); err != nil {
		t.Fatal(err)
	}
	count := filepath.Join(dir, "count")
	t.Setenv("PATH", dir)
	t.Setenv(fakeModeEnv, mode)
	t.Setenv(fakeCountEnv, count)
	return func() []string {
		content, err := os.ReadFile(count)
		if err != nil {
			return nil
		}
		return strings.Fields(string(content))
	}
}
