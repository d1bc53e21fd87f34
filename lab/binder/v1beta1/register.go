package v1beta1

import (
	_ "embed"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Names of this version of the API.
const (
	Group   = "elbv2.k8s.aws"
	Version = "v1beta1"
)

//go:embed elbv2.k8s.aws_targetgroupbindings.yaml
var crd []byte

// AddToScheme makes the types known to a Kubernetes client.
func AddToScheme(s *runtime.Scheme) error {
	version := schema.GroupVersion{Group: Group, Version: Version}
	s.AddKnownTypes(version, &TargetGroupBinding{}, &TargetGroupBindingList{})
	metav1.AddToGroupVersion(s, version)
	return nil
}

// CRD returns the definition that makes an API server know TargetGroupBinding.
func CRD() (*apiextensionsv1.CustomResourceDefinition, error) {
	var out apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(crd, &out); err != nil {
		return nil, fmt.Errorf("targetgroupbinding: read the embedded definition: %w", err)
	}
	return &out, nil
}
