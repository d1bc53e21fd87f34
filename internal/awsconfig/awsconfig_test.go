package awsconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// isolate hides the machine's own AWS settings, and its home.
func isolate(t *testing.T, config string) (home string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // so that it is put back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	home = t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	file := filepath.Join(home, ".aws", "config") // the SDK has looked for it before it was there
	write(t, file, config)
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(home, ".aws", "credentials"))
	return home
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
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
		{Settings{Profile: "shop", Global: true}, "eu-central-1", ""},
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
	isolate(t, "[profile code]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = keys\nmfa_serial = arn:aws:iam::111122223333:mfa/me\n"+
		"[profile keys]\naws_access_key_id = AKID\naws_secret_access_key = secret\n[profile alone]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = gone\n")
	for _, c := range []struct {
		settings Settings
		says     []string
	}{
		{Settings{}, []string{"no region is known"}},
		{Settings{Region: "eu-west-1", Profile: "nobody"}, []string{"of the profile nobody", "aws configure list-profiles"}},
		{Settings{Region: "eu-west-1", Profile: "code"}, []string{"of the profile code", "mfa_serial", "credential_process"}},
		{Settings{Region: "eu-west-1", Profile: "alone"}, []string{"of the profile alone", "gone"}},
		{Settings{Region: "eu-west-1", EndpointURL: "localhost:4566"}, []string{`"localhost:4566" is not a URL`}},
		{Settings{Region: "eu-west-1", EndpointURL: "/x"}, []string{"is not a URL"}},
	} {
		_, err := Load(t.Context(), c.settings)
		for _, says := range c.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%+v: %v; want %q", c.settings, err, says)
			}
		}
	}
}
