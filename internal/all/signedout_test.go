package all

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// signedOut is a profile whose single sign-on has ended.
func signedOut(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"} {
		t.Setenv(name, "")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	file := filepath.Join(home, "config")
	text := "[profile shop]\nregion = eu-central-1\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Ops\n" +
		"[sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.awsapps.com/start\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
}

// TestSignedOutIsSaid: which profile, and what to do; nothing was asked of AWS and nothing
// changed, so a write is no try and nothing is rolled back because of it.
func TestSignedOutIsSaid(t *testing.T) {
	signedOut(t)
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	access := plan.AWS{Profile: "shop", EndpointURL: server.URL}
	const arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:"
	rule := router.Ref{Name: "rule", Driver: "alb", ID: arn + "listener-rule/app/a/1/2/3", Source: arn + "targetgroup/s/1", Target: arn + "targetgroup/t/2"}
	name := router.Ref{Name: "name", Driver: "route53", ID: "Z1", Names: []string{"a.example.com"}, Type: "A", Source: "s", Target: "t"}
	routes, err := Routes(t.Context(), []plan.Lever{{Ref: rule, AWS: access}, {Ref: name, AWS: access}}, newMeter(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		_, reading := r.Driver.Read(t.Context(), r.Ref)
		_, writing := r.Driver.Write(t.Context(), router.Change{ID: "w", Route: r.Ref, Share: traffic.Share(100)})
		for what, err := range map[string]error{"read": reading, "write": writing} {
			if !errors.Is(err, router.ErrSignedOut) || router.EffectOf(err) != router.EffectNothing {
				t.Errorf("%s of %s: %v", what, r.Ref.Name, err)
			}
			for _, part := range []string{"single sign-on of profile shop", "session corp", "aws sso login --profile shop"} {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%s of %s does not say %q: %v", what, r.Ref.Name, part, err)
				}
			}
		}
	}
	connected, closing, err := Signals(t.Context(), []plan.Signal{{
		Query:      signal.Query{Name: "requests", Requests: traffic.BySide[string]{Source: arn + "targetgroup/s/0123456789abcdef", Target: arn + "targetgroup/t/0123456789abcdef"}},
		CloudWatch: &plan.CloudWatch{Listener: arn + "listener/app/a/0123456789abcdef/0123456789abcdef", AWS: access},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer closing()
	to := time.Now().Add(-5 * time.Minute)
	counts, err := connected[0].Source.Counts(t.Context(), connected[0].Query, to.Add(-2*time.Minute), to)
	if err != nil || counts.Source.State != traffic.Failed || !strings.Contains(counts.Source.Err, "aws sso login --profile shop") {
		t.Errorf("%+v, %v", counts.Source, err)
	}
	if asked {
		t.Error("AWS was asked without credentials")
	}
}

// TestRoute53IsOfTheConfiguredPartition: a region that is not written in the migration is
// that of the environment or the profile, whose partition the zone is in.
func TestRoute53IsOfTheConfiguredPartition(t *testing.T) {
	const rule = ":elasticloadbalancing:cn-north-1:123456789012:listener-rule/app/a/1/2/3"
	for name, c := range map[string]struct{ env, written, beside, signs string }{
		"nothing":              {"", "", "", "us-east-1"},
		"the environment's":    {"cn-north-1", "", "", "cn-northwest-1"},
		"written":              {"eu-central-1", "us-gov-east-1", "", "us-gov-west-1"},
		"of the aws partition": {"ap-south-1", "", "", "us-east-1"},
		"of the other route":   {"", "", "arn:aws-cn" + rule, "cn-northwest-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_REGION", c.env)
			var mu sync.Mutex
			var signed string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				signed = r.Header.Get("Authorization")
				fmt.Fprint(w, `<ListResourceRecordSetsResponse><ResourceRecordSets></ResourceRecordSets><IsTruncated>false</IsTruncated></ListResourceRecordSetsResponse>`)
			}))
			defer server.Close()
			ref := router.Ref{Name: "r", Driver: "route53", ID: "Z1", Names: []string{"a.example.com"}, Type: "A", Source: "s", Target: "t"}
			levers := []plan.Lever{{Ref: ref, AWS: plan.AWS{Region: c.written, EndpointURL: server.URL}}}
			if c.beside != "" {
				levers = append(levers, plan.Lever{Ref: router.Ref{Name: "rule", Driver: "alb", ID: c.beside}, AWS: plan.AWS{Region: "cn-north-1"}})
			}
			routes, err := Routes(t.Context(), levers, newMeter(t))
			if err != nil {
				t.Fatal(err)
			}
			_, err = routes["r"].Driver.Read(t.Context(), ref)
			mu.Lock()
			defer mu.Unlock()
			if !strings.Contains(signed, "/"+c.signs+"/route53/aws4_request") {
				t.Errorf("signed %q, want it for %s: %v", signed, c.signs, err)
			}
		})
	}
}
