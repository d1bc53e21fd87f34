package awsconfig

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// isolate hides the machine's own AWS settings.
func isolate(t *testing.T, config string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

const profiles = "[default]\nregion = eu-west-1\n[profile shop]\nregion = eu-central-1\naws_access_key_id = AKIDSHOP\naws_secret_access_key = secret\n"

func TestStandardChain(t *testing.T) {
	isolate(t, profiles)
	for _, c := range []struct {
		settings Settings
		region   string
		endpoint string
	}{
		{Settings{}, "eu-west-1", ""},
		{Settings{Profile: "shop"}, "eu-central-1", ""},
		{Settings{Profile: "shop", Region: "us-east-1"}, "us-east-1", ""},
		{Settings{EndpointURL: "http://127.0.0.1:4566"}, "eu-west-1", "http://127.0.0.1:4566"},
	} {
		got, err := Load(t.Context(), c.settings)
		if err != nil {
			t.Errorf("%+v: %v", c.settings, err)
			continue
		}
		endpoint := ""
		if got.BaseEndpoint != nil {
			endpoint = *got.BaseEndpoint
		}
		if got.Region != c.region || endpoint != c.endpoint {
			t.Errorf("%+v: region %q, endpoint %q", c.settings, got.Region, endpoint)
		}
	}
}

func TestMistakes(t *testing.T) {
	isolate(t, "")
	for _, c := range []struct {
		settings Settings
		says     string
	}{
		{Settings{}, "no region is known"},
		{Settings{Region: "eu-west-1", Profile: "nobody"}, "of the profile nobody"},
		{Settings{Region: "eu-west-1", EndpointURL: "localhost:4566"}, `"localhost:4566" is not a URL`},
		{Settings{Region: "eu-west-1", EndpointURL: "/x"}, "is not a URL"},
	} {
		if _, err := Load(t.Context(), c.settings); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v; want %q", c.settings, err, c.says)
		}
	}
}

func TestRoleIsAssumedAtTheEndpoint(t *testing.T) {
	isolate(t, profiles)
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		asked <- r.Form.Get("Action") + " " + r.Form.Get("RoleArn") + " " + r.Form.Get("RoleSessionName")
		fmt.Fprint(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>`+
			`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	}))
	defer server.Close()
	const role = "arn:aws:iam::111122223333:role/watari"
	c, err := Load(t.Context(), Settings{Profile: "shop", RoleARN: role, EndpointURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Credentials.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "ASIAROLE" {
		t.Fatalf("%q, %v", got.AccessKeyID, err)
	}
	if want := "AssumeRole " + role + " watari"; <-asked != want {
		t.Errorf("want %q", want)
	}
}
