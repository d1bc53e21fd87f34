//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestProbeTimes(t *testing.T) {
	for _, c := range []struct {
		name    string
		probe   v1.Probe
		results string // one per try; probing ends with them
		want    []string
	}{
		{"at once", v1.Probe{PeriodSeconds: 10}, "++", []string{"100ms good", "10.1s good"}},
		{"delay, failures and recovery", v1.Probe{InitialDelaySeconds: 5, PeriodSeconds: 2, FailureThreshold: 2, SuccessThreshold: 2}, "++-+--++", []string{"7s good", "15s bad", "19s good"}},
		{"period of one second if none", v1.Probe{FailureThreshold: 3}, "----", []string{"2.1s bad", "3.1s bad"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began, n := time.Now(), 0
				var got []string
				try := func(context.Context, *v1.Probe) error {
					n++
					if c.results[n-1] == '-' {
						return errors.New("no")
					}
					return nil
				}
				runProbe(ctx, &c.probe, began, try, func(err error) bool {
					word := map[bool]string{true: "good", false: "bad"}[err == nil]
					got = append(got, fmt.Sprintf("%s %s", time.Since(began), word))
					return n < len(c.results)
				})
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A probe that is cut off by the end of its container says nothing about it.
func TestProbeEndsQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		runProbe(ctx, &v1.Probe{}, time.Now(), func(context.Context, *v1.Probe) error {
			cancel()
			return ctx.Err()
		}, func(err error) bool {
			t.Errorf("reported %v", err)
			return true
		})
	})
}

func TestHTTPProbe(t *testing.T) {
	var seen *http.Request
	elsewhere := "http://127.0.0.2/"
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { seen = r })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) })
	mux.HandleFunc("/there", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/bad", http.StatusFound) })
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "broken inside", http.StatusInternalServerError)
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	plain, secure := httptest.NewServer(mux), httptest.NewTLSServer(mux)
	defer plain.Close()
	defer secure.Close()
	port := func(s *httptest.Server) intstr.IntOrString {
		return intstr.FromInt(s.Listener.Addr().(*net.TCPAddr).Port)
	}
	to := target{podIP: "127.0.0.1"}
	for _, c := range []struct {
		name  string
		get   v1.HTTPGetAction
		wrong string
	}{
		{"good", v1.HTTPGetAction{Path: "/ok", Port: port(plain), HTTPHeaders: []v1.HTTPHeader{{Name: "host", Value: "me"}, {Name: "X", Value: "y"}}}, ""},
		{"no slash", v1.HTTPGetAction{Path: "ok", Port: port(plain)}, ""},
		{"https is not verified", v1.HTTPGetAction{Path: "/ok", Port: port(secure), Scheme: v1.URISchemeHTTPS}, ""},
		{"another host is an answer", v1.HTTPGetAction{Path: "/away", Port: port(plain)}, ""},
		{"the same host is followed", v1.HTTPGetAction{Path: "/there", Port: port(plain)}, "broken inside"},
		{"not found", v1.HTTPGetAction{Path: "/none", Port: port(plain)}, "404"},
		{"too slow", v1.HTTPGetAction{Path: "/slow", Port: port(plain)}, "deadline"},
		{"not of the lab", v1.HTTPGetAction{Host: "192.0.2.1", Port: port(plain)}, "192.0.2.1"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := to.http(ctx, &c.get)
		cancel()
		if (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
		if c.name == "good" && (seen.Host != "me" || seen.Header.Get("X") != "y" || !strings.HasPrefix(seen.UserAgent(), "kube-probe/")) {
			t.Errorf("the server saw host %s, %v", seen.Host, seen.Header)
		}
	}
}

func TestTCPProbe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	action := &v1.TCPSocketAction{Port: intstr.FromInt(ln.Addr().(*net.TCPAddr).Port)}
	if err := (target{podIP: "127.0.0.1"}).tcp(t.Context(), action); err != nil {
		t.Errorf("open port: %v", err)
	}
	ln.Close()
	if err := (target{podIP: "127.0.0.1"}).tcp(t.Context(), action); err == nil {
		t.Error("closed port: no error")
	}
}

func TestExecProbe(t *testing.T) {
	s := newSpawner()
	defer s.close()
	to := target{spawner: s, env: []string{"WORD=hidden"}, dir: "/", lookup: func(command, _ []string) ([]string, error) { return command, nil }}
	sh := func(script string) *v1.Probe {
		return &v1.Probe{TimeoutSeconds: 1, ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"/bin/sh", "-c", script}}}}
	}
	for script, wrong := range map[string]string{
		"test $WORD = hidden":    "",
		"echo oh no >&2; exit 3": "ended with 3: oh no",
		"sleep 1000":             "deadline",
	} {
		err := to.tryProbe(t.Context(), sh(script))
		if (err != nil) != (wrong != "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, want %q", script, err, wrong)
		}
	}
	if err := to.tryProbe(t.Context(), &v1.Probe{ProbeHandler: v1.ProbeHandler{GRPC: &v1.GRPCAction{}}}); err == nil {
		t.Error("a probe that is not supported succeeds")
	}
}
