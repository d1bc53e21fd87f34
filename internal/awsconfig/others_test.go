package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMachine is the role of an EC2 instance or a node.
func TestMachine(t *testing.T) {
	c := newCloud(t)
	session := c.session("first")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const roles = "/latest/meta-data/iam/security-credentials/"
		switch r.URL.Path {
		case "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			fmt.Fprint(w, "token")
		case roles:
			fmt.Fprint(w, "node")
		case roles + "node":
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q}`,
				*session.AccessKeyId, *session.SecretAccessKey, *session.SessionToken, session.Expiration.Format(time.RFC3339))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	isolate(t, "[profile node]\nrole_arn = "+roleARN+"second\ncredential_source = Ec2InstanceMetadata\nrole_session_name = ops\n")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	t.Setenv("AWS_ENDPOINT_URL_STS", c.url)
	c.be(Settings{}, "assumed-role/first/other")
	c.be(Settings{RoleARN: roleARN + "second"}, "assumed-role/second/watari")
	c.be(Settings{Profile: "node"}, "assumed-role/second/ops")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	c.fail(Settings{Profile: "node"}, []string{"ask this machine for its role, as credential_source of profile node says: no EC2 IMDS role found"}, []string{"name a profile"})
}

// TestWhatARoleIsAssumedWithFails: the role of a profile is not to blame.
func TestWhatARoleIsAssumedWithFails(t *testing.T) {
	c := newCloud(t)
	agent := httptest.NewServer(&agent{status: http.StatusForbidden})
	defer agent.Close()
	role := func(name string) string {
		return "[profile " + name + "-role]\nrole_arn = " + roleARN + "first\nsource_profile = " + name + "\n"
	}
	home := isolate(t, ssoProfile+role("dev")+role("tool")+role("pod")+role("code")+
		"[profile task]\nrole_arn = "+roleARN+"first\ncredential_source = EcsContainer\n"+
		"[profile tool]\ncredential_process = exit 3\n"+
		"[profile pod]\nrole_arn = "+roleARN+"pod\nweb_identity_token_file = /nowhere/token\n"+
		"[profile code]\nrole_arn = "+roleARN+"pod\nweb_identity_token_file = TOKEN\n")
	token := filepath.Join(home, "token")
	write(t, token, c.token(pod, "vault", time.Now().Add(time.Hour)))
	config := os.Getenv("AWS_CONFIG_FILE")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, strings.ReplaceAll(string(text), "TOKEN", token))
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": c.url, "AWS_MAX_ATTEMPTS": "1", "AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.URL + "/credentials",
	} {
		t.Setenv(name, value)
	}
	for profile, f := range map[string][2]string{
		"dev-role":  {"use the single sign-on of profile dev", "aws sso login --profile dev"},
		"tool-role": {"run the credential_process of profile tool (exit): error in credential_process: exit status 3", "by hand"},
		"pod-role":  {"assume role " + roleARN + "pod with the token in /nowhere/token: unable to read file", "the token must be there"},
		"code-role": {"assume role " + roleARN + "pod with the token in " + token + ": InvalidIdentityToken", "audience"},
		"task":      {"ask " + agent.URL + "/credentials for the role of this pod or task: AccessDeniedException: the association is gone", "association"},
	} {
		c.fail(Settings{Profile: profile}, []string{f[0]}, []string{f[1]})
		c.fail(Settings{Profile: profile, RoleARN: roleARN + "second"}, []string{f[0]}, []string{f[1]})
	}
}

func TestSignInOfTheCommandLine(t *testing.T) {
	c := newCloud(t)
	isolate(t, "[profile mine]\nlogin_session = arn:aws:iam::123456789012:user/me\n")
	t.Setenv("AWS_LOGIN_CACHE_DIRECTORY", t.TempDir())
	c.fail(Settings{Profile: "mine"}, []string{"use the sign-in of profile mine"}, []string{"aws login --profile mine"})
}

// TestAProgramThatHangs holds nobody longer than he wants to wait, whatever it has
// started.
func TestAProgramThatHangs(t *testing.T) {
	home := isolate(t, "")
	script := filepath.Join(home, "hang")
	write(t, filepath.Join(home, ".aws", "config"), "[default]\ncredential_process = sh "+script+"\n")
	write(t, script, "sleep 2 & sleep 2\n")
	cfg, err := Load(t.Context(), Settings{Region: "eu-central-1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = cfg.Credentials.Retrieve(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 1500*time.Millisecond {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	var why *CredentialsError
	if !errors.As(err, &why) || !strings.HasPrefix(why.Error(), "run the credential_process of profile default (sh): it has not ended within ") || !strings.Contains(why.Advice(), "see why it takes so long: run the command") {
		t.Errorf("%v", err)
	}
}
