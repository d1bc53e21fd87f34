package v1alpha1

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (e *Environment) problems() (ps problems) {
	checkMetadata(&ps, &e.ObjectMeta)
	spec := field.NewPath("spec")
	checkUnion(&ps, spec, e.Spec)
	if k := e.Spec.Kubernetes; k != nil {
		checkKubernetes(&ps, spec.Child("kubernetes"), k)
	}
	return ps
}

func checkKubernetes(ps *problems, path *field.Path, k *KubernetesEnvironment) {
	if strings.HasPrefix(k.Kubeconfig, "~") {
		ps.add(path.Child("kubeconfig"), "%q: only a shell knows what ~ is: write the whole path", k.Kubeconfig)
	}
	namespaces := path.Child("namespaces")
	included := checkNamespaces(ps, namespaces.Child("include"), k.Namespaces.Include)
	excluded := checkNamespaces(ps, namespaces.Child("exclude"), k.Namespaces.Exclude)
	for i, name := range k.Namespaces.Exclude {
		if included[name] && excluded[name] {
			ps.add(namespaces.Child("exclude").Index(i), "%q is included too: keep one of them", name)
		}
	}
}

func checkNamespaces(ps *problems, path *field.Path, names []string) map[string]bool {
	checkCount(ps, path, len(names), 1000, "namespaces")
	seen := map[string]bool{}
	for i, name := range names {
		switch {
		case len(validation.IsDNS1123Label(name)) > 0:
			ps.add(path.Index(i), "%q is not a namespace: use small letters, digits and -", name)
		case seen[name]:
			ps.add(path.Index(i), "%q is listed twice: remove one", name)
		}
		seen[name] = true
	}
	return seen
}
