package plan

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"watari.dev/engine"
)

// TestStoredPlanIsEnough reads back what was stored of every valid file: a
// rollback has the levers of the file without the file.
func TestStoredPlanIsEnough(t *testing.T) {
	files, err := filepath.Glob(fixtures + "valid-*")
	if err != nil {
		t.Fatal(err)
	}
	plans := map[string]Plan{}
	for _, file := range files {
		for _, p := range resolvedAll(t, file) {
			plans[file+" "+p.Spec.Name] = p
		}
	}
	if len(plans) < 4 {
		t.Fatalf("%d migrations in %d fixtures, want at least 4", len(plans), len(files))
	}
	for file, p := range plans {
		stored, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(stored)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Errorf("%s: stored -, read +\n%s", file, diff)
		}
		for _, l := range p.Levers {
			if got, found := again.Lever(l.Ref.Name); !found || !cmp.Equal(got, l) {
				t.Errorf("%s: lever %s is %+v, want %+v", file, l.Ref.Name, got, l)
			}
		}
		if _, found := again.Lever("nobody"); found {
			t.Error("a lever that nobody wrote")
		}
	}
}

// TestAPlanFromBeforeDriftHadAPolicy: what was stored without one holds, as it did.
func TestAPlanFromBeforeDriftHadAPolicy(t *testing.T) {
	stored, err := resolved(t, "valid-minimal.yaml").Encode()
	if err != nil {
		t.Fatal(err)
	}
	older := strings.Replace(string(stored), `,"onDrift":"hold"`, "", 1)
	if older == string(stored) {
		t.Fatalf("the stored plan has no policy:\n%s", stored)
	}
	p, err := Decode(json.RawMessage(older))
	if err != nil || p.Spec.OnDrift == engine.DriftReasserts || p.Version != formatVersion {
		t.Errorf("read as %q of format %d, %v", p.Spec.OnDrift, p.Version, err)
	}
}

// TestOtherFormatsAreRefused: misreading a stored plan could move the wrong
// weights.
func TestOtherFormatsAreRefused(t *testing.T) {
	stored, err := resolved(t, "valid-minimal.yaml").Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, says string }{
		{strings.Replace(string(stored), `"version":2`, `"version":3`, 1), "it has format 3 and this watari reads up to 2; it needs watari v0.1.0 or later; nothing was changed"},
		{`{"version":3,"spec":"elsewhere"}`, "it has format 3 and this watari reads up to 2; use the version that wrote it"},
		{`{}`, "it has format 0"},
		{`null`, "it has format 0"},
		{`{"version":1`, "read the stored plan: unexpected end"},
		{`{"version":1,"levers":"all"}`, "read the stored plan: "},
	} {
		if p, err := Decode(json.RawMessage(c.text)); err == nil || !strings.Contains(err.Error(), c.says) || len(p.Levers) > 0 {
			t.Errorf("%.40s: %v; want %q", c.text, err, c.says)
		}
	}
}
