//go:build linux

package kube

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"watari.dev/lab/proc"
)

// Each release boots, says who it is, lets nobody in without a key, and stops.
func TestRealControlPlane(t *testing.T) {
	for _, version := range Versions() {
		t.Run(string(version), func(t *testing.T) {
			binary := realBinary(t, version)
			lab := t.TempDir()
			plane, err := Prepare(Config{Name: "eks-test", Version: version, Binary: binary, Dir: filepath.Join(lab, "plane")})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			running, err := Start(t.Context(), plane, lab, filepath.Join(lab, "logs"))
			if err != nil {
				t.Fatal(errors.Join(err, logTails(lab)))
			}
			t.Logf("ready after %s", time.Since(began).Round(time.Millisecond))
			checkVersion(t, plane, version)
			checkClosed(t, plane)
			checkStop(t, running, lab)
		})
	}
}

// realBinary builds only when it was asked to: the first build takes minutes.
func realBinary(t *testing.T, version Version) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no real control plane")
	}
	if path, ok, err := Built(t.Context(), "", version); err != nil {
		t.Fatal(err)
	} else if ok {
		return path
	}
	if os.Getenv("WATARI_LAB_TESTS") == "" {
		t.Skipf("Kubernetes %s is not built yet; WATARI_LAB_TESTS=1 builds it (minutes, once)", version)
	}
	built, err := Build(t.Context(), Options{Versions: []Version{version}, Progress: func(p Progress) { t.Log(p) }})
	if err != nil {
		t.Fatal(err)
	}
	return built[version]
}

func checkVersion(t *testing.T, plane *Plane, want Version) {
	t.Helper()
	got, err := plane.ServerVersion(t.Context())
	if err != nil || got != "v"+string(want) {
		t.Errorf("version = %q, %v; want v%s", got, err, want)
	}
}

// Pods of the lab are processes of its user, so an open door would let any
// other user of the machine run programs in their name.
func checkClosed(t *testing.T, plane *Plane) {
	t.Helper()
	if _, err := plane.plain.get(t.Context(), plane.Server()+"/api/v1/pods"); err == nil {
		t.Error("the API server answers without a token")
	}
	if _, err := plane.plain.get(t.Context(), loopbackURL(plane.ports.client)+"/health"); err == nil {
		t.Error("etcd answers without a certificate")
	}
	for _, port := range []int{plane.ports.controller, plane.ports.scheduler} {
		if _, err := plane.plain.get(t.Context(), loopbackURL(port)+"/metrics"); err == nil {
			t.Errorf("port %d shows its metrics without a token", port)
		}
	}
	if resp, err := http.Get("http://" + plane.Server()[len("https://"):] + "/version"); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("the API server speaks plain HTTP")
		}
	}
}

func checkStop(t *testing.T, running *Running, lab string) {
	t.Helper()
	began := time.Now()
	if err := running.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("stopped after %s", time.Since(began).Round(time.Millisecond))
	for i, p := range running.processes {
		if exit := p.Exit(); exit == "" || strings.Contains(exit, "signal 9") {
			t.Errorf("%s %q, want it to end at TERM", running.commands[i].Name, exit)
		}
	}
	if left, err := proc.Find(lab); err != nil || len(left) != 0 {
		t.Errorf("left over: %+v, %v", left, err)
	}
}

// logTails returns the ends of all logs of a lab as one error.
func logTails(lab string) error {
	logs, err := filepath.Glob(filepath.Join(lab, "logs", "*.log"))
	if err != nil {
		return err
	}
	var tails []error
	for _, log := range logs {
		content, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		tails = append(tails, errors.New(filepath.Base(log)+":\n"+string(content[max(0, len(content)-2000):])))
	}
	return errors.Join(tails...)
}
