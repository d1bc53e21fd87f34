package binder

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"watari.dev/lab/binder/v1beta1"
)

// establishing is an API server that knows a definition some time after it was
// written, and that does not answer the first calls.
func establishing(t *testing.T, deaf int, objects ...client.Object) client.Client {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	gets := 0
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if gets++; gets <= deaf {
				return errors.New("connection refused")
			}
			if err := c.Get(ctx, key, o, opts...); err != nil {
				return err
			}
			if crd, ok := o.(*apiextensionsv1.CustomResourceDefinition); ok && gets > deaf+3 {
				crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{
					{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue},
				}
			}
			return nil
		},
	}).Build()
}

func TestTheDefinitionIsInstalled(t *testing.T) {
	older, err := v1beta1.CRD()
	if err != nil {
		t.Fatal(err)
	}
	want := older.DeepCopy()
	older.Spec.Names.ShortNames = []string{"old"}
	for name, c := range map[string]client.Client{
		"new":                       establishing(t, 0),
		"replacing an older one":    establishing(t, 0, older),
		"a server that is not up":   establishing(t, 2),
		"and is replaced after all": establishing(t, 1, older),
	} {
		t.Run(name, func(t *testing.T) {
			if err := installDefinition(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			var have apiextensionsv1.CustomResourceDefinition
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(want), &have); err != nil {
				t.Fatal(err)
			}
			if len(have.Spec.Names.ShortNames) != 0 || have.Spec.Names.Kind != "TargetGroupBinding" {
				t.Errorf("installed names %+v", have.Spec.Names)
			}
		})
	}
}

func TestInstallingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := installDefinition(ctx, establishing(t, 1000))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "targetgroupbindings.elbv2.k8s.aws") {
		t.Errorf("error %v", err)
	}
}

func TestGeneratedFilesAreFresh(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "tool", "controller-gen", "object", "crd", "paths=./v1beta1", "output:crd:dir="+dir, "output:object:dir="+dir)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, name := range []string{"elbv2.k8s.aws_targetgroupbindings.yaml", "zz_generated.deepcopy.go"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join("v1beta1", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != string(want) {
			t.Errorf("%s is stale; run go generate ./lab/binder/v1beta1", name)
		}
	}
}
