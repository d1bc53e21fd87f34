package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
)

// ErrNoGo says that there is no go command to build with.
var ErrNoGo = errors.New("there is no go command in PATH; install Go from https://go.dev/dl/ (or your distribution's golang package) and try again")

// buildFlags are the flags of every build. They stand on the command line, where
// they win over GOFLAGS.
var buildFlags = []string{"-trimpath", "-buildvcs=false", "-mod=readonly"}

// goSettings are the settings of the user's go command that matter to a build.
type goSettings struct {
	Path      string `json:"-"`
	GOFLAGS   string
	GOVERSION string
	GOCACHE   string
}

// readGo asks the go command for its settings.
func readGo(ctx context.Context) (goSettings, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return goSettings{}, ErrNoGo
	}
	cmd := exec.CommandContext(ctx, path, "env", "-json", "GOFLAGS", "GOVERSION", "GOCACHE")
	cmd.Dir = "/" // outside of any module, whose toolchain line could change the answer
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return goSettings{}, fmt.Errorf("ask %s for its settings: %w: %s", path, err, strings.TrimSpace(stderr.String()))
	}
	settings := goSettings{Path: path}
	if err := json.Unmarshal(out, &settings); err != nil {
		return goSettings{}, fmt.Errorf("read the settings of %s: %w", path, err)
	}
	return settings, nil
}

// decideEnv returns the environment of a build from the caller's. What the user
// chose for their own modules (vendoring, tags, overlays, workspaces, another
// platform) would break or change this build and is left out; where modules
// come from and are kept stays as the user chose it. cgo is off because nothing
// here needs it, and a C compiler without headers would fail the build.
func decideEnv(env []string, settings goSettings, tmp string) []string {
	fixed := map[string]string{
		"GOFLAGS":     decideGoflags(settings.GOFLAGS),
		"GO111MODULE": "on",
		"GOWORK":      "off",
		"CGO_ENABLED": "0",
		"GOOS":        runtime.GOOS,
		"GOARCH":      runtime.GOARCH,
		"GOTMPDIR":    tmp,
	}
	kept := make([]string, 0, len(env)+len(fixed))
	for _, kv := range env {
		key, _, _ := strings.Cut(kv, "=")
		if _, ok := fixed[key]; !ok && key != "PWD" { // the build runs elsewhere
			kept = append(kept, kv)
		}
	}
	for key, value := range fixed {
		kept = append(kept, key+"="+value)
	}
	return kept
}

// decideGoflags keeps the flags that say how the user's machine is to be used.
// The result is never empty: an empty GOFLAGS would let the one of `go env -w`
// through.
func decideGoflags(goflags string) string {
	kept := []string{"-buildvcs=false"}
	for _, flag := range strings.Fields(goflags) {
		name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		switch name {
		case "modcacherw", "p", "insecure":
			kept = append(kept, flag)
		}
	}
	return strings.Join(kept, " ")
}
