package v1beta1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TargetType is what the targets of a group are.
//
// +kubebuilder:validation:Enum=instance;ip
type TargetType string

// The types of targets. The lab has no instances.
const (
	TargetTypeInstance TargetType = "instance"
	TargetTypeIP       TargetType = "ip"
)

// ServiceReference names one port of a Service in the same namespace.
type ServiceReference struct {
	Name string             `json:"name"`
	Port intstr.IntOrString `json:"port"`
}

// TargetGroupBindingSpec says which Service's pods belong into which target group.
type TargetGroupBindingSpec struct {
	// +kubebuilder:validation:MinLength=1
	TargetGroupARN string `json:"targetGroupARN"`

	// MultiClusterTargetGroup says that others register targets in the group too,
	// and that theirs are to be left alone.
	// +optional
	MultiClusterTargetGroup bool `json:"multiClusterTargetGroup,omitempty"`

	// TargetType is ip by default here; AWS's controller asks the target group.
	// +optional
	TargetType *TargetType `json:"targetType,omitempty"`

	ServiceRef ServiceReference `json:"serviceRef"`

	// Networking is about security groups, which the lab does not have. Ignored.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Networking *apiextensionsv1.JSON `json:"networking,omitempty"`

	// NodeSelector is about instances. Ignored.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// IPAddressType is always ipv4 in the lab. Ignored.
	// +optional
	// +kubebuilder:validation:Enum=ipv4;ipv6
	IPAddressType string `json:"ipAddressType,omitempty"`

	// VpcID is ignored.
	// +optional
	VpcID string `json:"vpcID,omitempty"`
}

// TargetGroupBindingStatus says what the binder has seen.
type TargetGroupBindingStatus struct {
	// +optional
	ObservedGeneration *int64 `json:"observedGeneration,omitempty"`
}

// TargetGroupBinding keeps the pods of a Service registered in a target group.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="SERVICE-NAME",type="string",JSONPath=".spec.serviceRef.name",description="The Kubernetes Service's name"
// +kubebuilder:printcolumn:name="SERVICE-PORT",type="string",JSONPath=".spec.serviceRef.port",description="The Kubernetes Service's port"
// +kubebuilder:printcolumn:name="TARGET-TYPE",type="string",JSONPath=".spec.targetType",description="The AWS TargetGroup's TargetType"
// +kubebuilder:printcolumn:name="ARN",type="string",JSONPath=".spec.targetGroupARN",description="The AWS TargetGroup's Amazon Resource Name",priority=1
// +kubebuilder:printcolumn:name="AGE",type="date",JSONPath=".metadata.creationTimestamp"
type TargetGroupBinding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   TargetGroupBindingSpec   `json:"spec,omitempty"`
	Status TargetGroupBindingStatus `json:"status,omitempty"`
}

// TargetGroupBindingList is a list of bindings.
//
// +kubebuilder:object:root=true
type TargetGroupBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TargetGroupBinding `json:"items"`
}
