package v1alpha1

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// server validates custom resources as an API server does that has our CRDs.
type server map[string]*kindValidator

type kindValidator struct {
	schema     validation.SchemaValidator
	structural *structuralschema.Structural
	rules      *cel.Validator
}

func newServer(t *testing.T) server {
	t.Helper()
	s := server{}
	for kind, file := range map[string]string{KindEnvironment: "watari.dev_environments.yaml", KindMigration: "watari.dev_migrations.yaml"} {
		crd := readDefinition(t, file)
		openAPI := crd.Spec.Versions[0].Schema
		if openAPI == nil {
			openAPI = crd.Spec.Validation
		}
		schema, _, err := validation.NewSchemaValidator(openAPI.OpenAPIV3Schema)
		if err != nil {
			t.Fatal(err)
		}
		structural, err := structuralschema.NewStructural(openAPI.OpenAPIV3Schema)
		if err != nil {
			t.Fatal(err)
		}
		s[kind] = &kindValidator{schema, structural, cel.NewValidator(structural, true, celconfig.PerCallLimit)}
	}
	return s
}

// readDefinition reads a CRD and has Kubernetes look at it, its rules and their
// cost included.
func readDefinition(t *testing.T, file string) *apiextensions.CustomResourceDefinition {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("crd", file))
	if err != nil {
		t.Fatal(err)
	}
	var v1 apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(data, &v1); err != nil {
		t.Fatal(err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&v1)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&v1.Spec)
	var crd apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, &crd, nil); err != nil {
		t.Fatal(err)
	}
	crd.Status.StoredVersions = []string{Version}
	if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), &crd); len(errs) > 0 {
		t.Fatalf("%s: %v", file, errs.ToAggregate())
	}
	return &crd
}

// refuse returns why the server would refuse a document.
func (s server) refuse(document map[string]any) (errs field.ErrorList) {
	kind, _ := document["kind"].(string)
	v := s[kind]
	pruned := pruning.PruneWithOptions(document, v.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range pruned {
		errs = append(errs, field.Invalid(field.NewPath(path), nil, "unknown field"))
	}
	errs = append(errs, validation.ValidateCustomResource(nil, document, v.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, v.structural, document)...)
	if len(errs) == 0 {
		// The server runs the rules only over objects of the right shape.
		broken, _ := v.rules.Validate(context.Background(), nil, v.structural, document, nil, math.MaxInt64)
		errs = append(errs, broken...)
	}
	return errs
}

func documents(t *testing.T, data []byte) (all []map[string]any) {
	t.Helper()
	for _, c := range splitDocuments(data) {
		data, err := yaml.YAMLToJSON(c.text)
		if err != nil {
			t.Fatal(err)
		}
		document := map[string]any{}
		if err := utiljson.Unmarshal(data, &document); err != nil { // keeps whole numbers, as a server does
			t.Fatal(err)
		}
		all = append(all, document)
	}
	return all
}

func TestCustomResourcesAcceptValidFiles(t *testing.T) {
	s := newServer(t)
	for _, pattern := range []string{"valid-*.yaml", "valid-*.json"} {
		for name, data := range fixtures(t, pattern) {
			for _, document := range documents(t, data) {
				if errs := s.refuse(document); len(errs) > 0 {
					t.Errorf("%s: %v", name, errs.ToAggregate())
				}
			}
		}
	}
}

func TestCustomResourcesRefuseWhatTheirSchemaSays(t *testing.T) {
	s := newServer(t)
	all := fixtures(t, "invalid-*.yaml")
	for name, part := range map[string]string{
		"invalid-sketch.yaml":         "threshold",
		"invalid-unknown-fields.yaml": "kubernets",
		"invalid-types.yaml":          "must be of type",
		"invalid-nulls.yaml":          "null",
		"invalid-durations.yaml":      "spec.steps[2].hold",
		"invalid-shares.yaml":         "spec.steps[5].share",
		"invalid-shares-bare.yaml":    "the last step must be 100%",
		"invalid-steps-none.yaml":     "spec.steps",
		"invalid-routes-twice.yaml":   "Duplicate value",
		"invalid-sides.yaml":          "source and target must be different target groups",
		"invalid-arns.yaml":           "spec.routes[0].alb.listenerRuleARN",
		"invalid-aws.yaml":            "spec.routes[0].alb.aws.region",
		"invalid-names.yaml":          "hostedZoneID",
		"invalid-route53.yaml":        "spec.routes[3].route53.target.setIdentifier",
		"invalid-unions.yaml":         "exactly one of",
		"invalid-later.yaml":          "ecs",
		"invalid-gate.yaml":           "minRequests",
		"invalid-namespaces.yaml":     "Duplicate value",
		"invalid-signals.yaml":        "spec.signals[2].scrape.endpoints",
		"invalid-analysis.yaml":       "spec.gate.analysis.ramp",
		"invalid-signals-more.yaml":   "spec.signals[2].accessLog.errors",
	} {
		refused := ""
		for _, document := range documents(t, all[name]) {
			if errs := s.refuse(document); len(errs) > 0 {
				refused += errs.ToAggregate().Error() + "\n"
			}
		}
		if !strings.Contains(refused, part) {
			t.Errorf("%s: nothing about %q in: %s", name, part, refused)
		}
	}
}

// change replaces one value of a valid Migration, for rules that no fixture
// breaks alone.
func change(document map[string]any, value any, path ...any) {
	var at any = document
	for _, key := range path[:len(path)-1] {
		switch key := key.(type) {
		case string:
			at = at.(map[string]any)[key]
		case int:
			at = at.([]any)[key]
		}
	}
	last := path[len(path)-1].(string)
	if value == nil {
		delete(at.(map[string]any), last)
		return
	}
	at.(map[string]any)[last] = value
}

func TestCustomResourceRules(t *testing.T) {
	s := newServer(t)
	valid := fixtures(t, "valid-everything.yaml")["valid-everything.yaml"]
	for rule, edit := range map[string]struct {
		value any
		path  []any
	}{
		"source and target must be different Environments":      {"eks-1-33", []any{"spec", "target"}},
		"source and target must have different set identifiers": {"eks-1-33", []any{"spec", "routes", 2, "route53", "target", "setIdentifier"}},
		"convert needs target.alias or target.value":            {nil, []any{"spec", "routes", 2, "route53", "target", "alias"}},
		"ttl belongs to value":                                  {int64(60), []any{"spec", "routes", 2, "route53", "target", "ttl"}},
		"at most one of the fields in [alias value]":            {"192.0.2.1", []any{"spec", "routes", 2, "route53", "target", "value"}},
		"exactly one of the fields in [listenerRuleARN listenerARN]": {
			"arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2",
			[]any{"spec", "routes", 0, "alb", "listenerARN"},
		},
		"exactly one of the fields in [alb route53]": {nil, []any{"spec", "routes", 1, "alb"}},
		"a share lies between 0 and 10000":           {int64(10001), []any{"spec", "steps", 0, "share"}},
		"the last step must be 100%":                 {int64(9999), []any{"spec", "steps", 3, "share"}},
	} {
		document := documents(t, valid)[2]
		change(document, edit.value, edit.path...)
		if got := s.refuse(document).ToAggregate(); got == nil || !strings.Contains(got.Error(), rule) {
			t.Errorf("%s: got %v", rule, got)
		}
	}
	document := documents(t, valid)[2]
	change(document, int64(10000), "spec", "steps", 3, "share")
	if errs := s.refuse(document); len(errs) > 0 {
		t.Error("100 % in basis points is refused:", errs.ToAggregate())
	}
}
