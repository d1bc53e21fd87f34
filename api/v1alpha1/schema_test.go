package v1alpha1

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// structural are the fixtures with a mistake that a schema can see, and a part
// of what it says. All others are wrong in what they mean.
var structural = map[string]string{
	"invalid-arns.yaml":           "listenerRuleARN",
	"invalid-aws.yaml":            "spec.aws.roleARN",
	"invalid-durations.yaml":      "].hold",
	"invalid-gate.yaml":           "minRequests",
	"invalid-holds.yaml":          "].hold",
	"invalid-kinds.yaml":          "",
	"invalid-later.yaml":          "ecs",
	"invalid-names.yaml":          "hostedZoneID",
	"invalid-namespaces.yaml":     "spec.kubernetes.namespaces",
	"invalid-nulls.yaml":          "spec.gate",
	"invalid-object-names.yaml":   "metadata.name",
	"invalid-rollback.yaml":       "spec.rollback",
	"invalid-route53.yaml":        "type",
	"invalid-shares.yaml":         "].share",
	"invalid-signals.yaml":        "spec.signals",
	"invalid-steps-none.yaml":     "spec.steps",
	"invalid-types.yaml":          "metadata.name",
	"invalid-unions.yaml":         "spec.kubernetes",
	"invalid-unknown-fields.yaml": "kubernets",
	"invalid-sketch.yaml":         "threshold",
	"invalid-routes-twice.yaml":   "names",
}

func TestSchemaAcceptsValidFiles(t *testing.T) {
	for _, pattern := range []string{"valid-*.yaml", "valid-*.json"} {
		for name, data := range fixtures(t, pattern) {
			if wrong := schemaErrors(t, data); len(wrong) > 0 {
				t.Errorf("%s: %s", name, strings.Join(wrong, "\n"))
			}
		}
	}
}

func TestSchemaRejectsStructuralMistakes(t *testing.T) {
	all := fixtures(t, "invalid-*.yaml")
	for name, part := range structural {
		data, found := all[name]
		if !found {
			t.Errorf("%s: there is no such fixture", name)
		}
		wrong := schemaErrors(t, data)
		if len(wrong) == 0 || !strings.Contains(strings.Join(wrong, "\n"), part) {
			t.Errorf("%s: nothing about %q in: %s", name, part, strings.Join(wrong, "\n"))
		}
	}
}

func TestSchemaOfAFileHoldsThoseOfItsKinds(t *testing.T) {
	var file struct {
		AllOf []struct{ If, Then json.RawMessage }
	}
	read(t, "", &file)
	for i, kind := range []string{KindEnvironment, KindMigration} {
		var own, inFile any
		read(t, kind, &own)
		if err := json.Unmarshal(file.AllOf[i].Then, &inFile); err != nil {
			t.Fatal(err)
		}
		if !equalJSON(t, own, inFile) || !strings.Contains(string(file.AllOf[i].If), kind) {
			t.Errorf("the schema of files has another %s", kind)
		}
	}
}

func TestSchemaOfAnUnknownKind(t *testing.T) {
	_, err := Schema("Enviroment")
	if want := `schema of kind "Enviroment": it is not known; did you mean "Environment"?`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func read(t *testing.T, kind string, into any) {
	t.Helper()
	data, err := Schema(kind)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(x) == string(y)
}

// schemaErrors returns what the JSON Schemas say about a file's documents.
func schemaErrors(t *testing.T, data []byte) (wrong []string) {
	t.Helper()
	for _, c := range splitDocuments(data) {
		document := map[string]any{}
		if err := yaml.Unmarshal(c.text, &document); err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		kind, _ := document["kind"].(string)
		if _, err := Schema(kind); err != nil || kind == "" {
			wrong = append(wrong, "no schema for kind "+kind)
			continue
		}
		var schema spec.Schema
		read(t, kind, &schema)
		result := validate.NewSchemaValidator(&schema, nil, "", strfmt.Default).Validate(document)
		for _, err := range result.Errors {
			wrong = append(wrong, err.Error())
		}
	}
	return wrong
}

// An API server knows only the schema: a text that it lets pass and that cannot
// be decoded would hide every other object of a list from a controller.
func TestWhatTheSchemaLetsPassCanBeDecoded(t *testing.T) {
	var schema spec.Schema
	read(t, KindMigration, &schema)
	fields := schema.Properties["spec"].Properties
	step := fields["steps"].Items.Schema.Properties
	thresholds := fields["gate"].Properties["thresholds"].Properties
	share := step["share"].AnyOf[1]
	for name, field := range map[string]struct {
		schema spec.Schema
		into   func() json.Unmarshaler
	}{
		"share":         {share, func() json.Unmarshaler { return new(Share) }},
		"hold":          {step["hold"], func() json.Unmarshaler { return new(metav1.Duration) }},
		"window":        {thresholds["window"], func() json.Unmarshaler { return new(metav1.Duration) }},
		"maxErrorRatio": {thresholds["maxErrorRatio"], func() json.Unmarshaler { return new(Ratio) }},
	} {
		texts := rapid.StringMatching(field.schema.Pattern)
		rapid.Check(t, func(t *rapid.T) {
			text := texts.Draw(t, name)
			if most := field.schema.MaxLength; most != nil && int64(len(text)) > *most {
				return
			}
			data, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := field.into().UnmarshalJSON(data); err != nil {
				t.Fatalf("%s: the schema lets %q pass, but: %v", name, text, err)
			}
		})
	}
}
