package kube

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed _controlplane/main.go _controlplane/etcd.go
//go:embed _controlplane/go.1.33.mod _controlplane/go.1.33.sum
//go:embed _controlplane/go.1.36.mod _controlplane/go.1.36.sum
var controlplane embed.FS

// program is a Go program to build: one main package in a module of its own.
type program struct {
	version Version
	files   map[string][]byte // by name, all in one directory
	ldflags string
}

// controlPlane returns the program that is the control plane of a release.
func controlPlane(v Version) (program, error) {
	major, minor, err := v.numbers()
	if err != nil {
		return program{}, err
	}
	if !slices.Contains(Versions(), v) {
		return program{}, fmt.Errorf("kubernetes %s: the lab cannot build it; it builds %v", v, Versions())
	}
	p := program{version: v, files: map[string][]byte{}, ldflags: versionFlags(v, major, minor)}
	for name, from := range map[string]string{
		"main.go": "main.go",
		"etcd.go": "etcd.go",
		"go.mod":  "go." + v.Minor() + ".mod",
		"go.sum":  "go." + v.Minor() + ".sum",
	} {
		content, err := controlplane.ReadFile("_controlplane/" + from)
		if err != nil {
			return program{}, fmt.Errorf("kubernetes %s: read its embedded sources: %w", v, err)
		}
		p.files[name] = content
	}
	return p, nil
}

// versionFlags tells the program its release. Kubernetes learns it from the
// linker only (hack/lib/version.sh); without, /version says v0.0.0-master.
func versionFlags(v Version, major, minor string) string {
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, set := range []string{
			"gitVersion=v" + string(v),
			"gitMajor=" + major,
			"gitMinor=" + minor,
			"gitTreeState=clean",
			"gitCommit=v" + string(v),
			"buildDate=1970-01-01T00:00:00Z",
		} {
			flags = append(flags, "-X", pkg+"."+set)
		}
	}
	return strings.Join(flags, " ")
}

// key names what a build of the program with a Go release depends on, in a form
// that is good for a directory: 1.36.3-0123456789ab-go1.26.8.
func (p program) key(goVersion string) string { return p.keyPrefix() + goVersion }

// keyPrefix is key without the Go release.
func (p program) keyPrefix() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		fmt.Fprintf(h, "%s %d\n%s", name, len(p.files[name]), p.files[name])
	}
	fmt.Fprintf(h, "\n%s\n%s", p.ldflags, strings.Join(buildFlags, " "))
	return string(p.version) + "-" + hex.EncodeToString(h.Sum(nil))[:12] + "-"
}
