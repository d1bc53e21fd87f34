package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group, Version and APIVersion name this version of what users write.
const (
	Group      = "watari.dev"
	Version    = "v1alpha1"
	APIVersion = Group + "/" + Version
)

// The kinds that users write.
const (
	KindEnvironment = "Environment"
	KindMigration   = "Migration"
)

// AddToScheme makes the types known to a Kubernetes client.
func AddToScheme(s *runtime.Scheme) error {
	version := schema.GroupVersion{Group: Group, Version: Version}
	s.AddKnownTypes(version, &Environment{}, &EnvironmentList{}, &Migration{}, &MigrationList{})
	metav1.AddToGroupVersion(s, version)
	return nil
}
