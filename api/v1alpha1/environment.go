package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Environment is a place where the service runs: one side of a migration.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced,categories=watari
// +kubebuilder:printcolumn:name="Context",type=string,JSONPath=`.spec.kubernetes.context`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Environment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec EnvironmentSpec `json:"spec"`
}

// EnvironmentSpec says what kind of place it is: exactly one of its fields.
//
// +kubebuilder:validation:ExactlyOneOf=kubernetes
type EnvironmentSpec struct {
	// A Kubernetes cluster.
	// +optional
	Kubernetes *KubernetesEnvironment `json:"kubernetes,omitempty"`
}

// KubernetesEnvironment names a cluster and the part of it that is meant.
type KubernetesEnvironment struct {
	// Path of the kubeconfig; in a file relative to the directory of that file.
	// By default what kubectl uses: KUBECONFIG, then ~/.kube/config.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Kubeconfig string `json:"kubeconfig,omitempty"`

	// Context of the kubeconfig; by default its current context.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Context string `json:"context,omitempty"`

	// Namespaces that hold the service; by default all.
	// +optional
	Namespaces NamespaceSelection `json:"namespaces,omitempty,omitzero"`
}

// NamespaceSelection picks namespaces by name.
type NamespaceSelection struct {
	// The namespaces that are meant; empty means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Include []string `json:"include,omitempty"`

	// Namespaces that are not meant, out of those included.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Exclude []string `json:"exclude,omitempty"`
}

// EnvironmentList is a list of Environments, as Kubernetes returns it.
//
// +kubebuilder:object:root=true
type EnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Environment `json:"items"`
}
