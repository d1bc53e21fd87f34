package v1alpha1

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the .want files anew")

// fixtures returns the files of testdata that match, by name and content.
func fixtures(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures like %s: %v", pattern, err)
	}
	found := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(file)] = data
	}
	return found
}

func TestParseValid(t *testing.T) {
	for _, ext := range []string{"yaml", "json"} {
		for name, data := range fixtures(t, "valid-*."+ext) {
			if bundle, err := Parse(name, data); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if len(bundle.Environments) == 0 {
				t.Errorf("%s: nothing was read", name)
			}
		}
	}
}

func TestParseInvalid(t *testing.T) {
	for name, data := range fixtures(t, "invalid-*.yaml") {
		t.Run(name, func(t *testing.T) {
			bundle, err := Parse(name, data)
			if err == nil || bundle != nil {
				t.Fatal("no mistake was found")
			}
			got := err.Error() + "\n"
			want := filepath.Join("testdata", strings.TrimSuffix(name, ".yaml")+".want")
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			expected, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(expected), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
