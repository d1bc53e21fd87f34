package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Migration moves live traffic from one Environment to another, step by step,
// and takes it back when the target is worse.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,categories=watari
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.spec.source`
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.target`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Step",type=integer,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Share",type=string,JSONPath=`.status.share`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Migration struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec MigrationSpec `json:"spec"`
	// +optional
	Status MigrationStatus `json:"status,omitempty,omitzero"`
}

// MigrationSpec is the whole wish.
//
// +kubebuilder:validation:XValidation:rule="self.source != self.target",message="source and target must be different Environments"
type MigrationSpec struct {
	// Name of the Environment that has the traffic now.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Source string `json:"source"`

	// Name of the Environment that is to have the traffic.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Target string `json:"target"`

	// The levers that split the traffic; all move together.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Routes []Route `json:"routes"`

	// Where requests, errors and latencies of both sides are counted. Without
	// signals every step needs "approval: required".
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Signals []Signal `json:"signals,omitempty"`

	// Shares of the target in rising order; the last is 100%.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule="string(self[size(self)-1].share).matches('^(10000|100([.]0{1,2})? ?%)$')",message="the last step must be 100%"
	Steps []Step `json:"steps"`

	// What must hold before the share rises; empty means that both sides are
	// compared, with good defaults.
	// +optional
	Gate Gate `json:"gate,omitempty,omitzero"`

	// What happens when the target is worse: "automatic" or "manual", or the
	// long form.
	// +optional
	Rollback Rollback `json:"rollback,omitempty,omitzero"`

	// What happens when somebody else changes a weight of a route: "hold" stops
	// and names who it was; "reassert" writes the share again where somebody has
	// raised it, up to 3 times for each route, and holds where it was lowered. By
	// default hold. While everything is taken back, 0 is written again in any case.
	// +optional
	OnDrift DriftReaction `json:"onDrift,omitempty"`

	// Longest time from the first rise until the share of the last step is
	// reached, such as 48h; soaking, the hold of the last step, does not count.
	// After it everything is taken back, or with "rollback: manual" an operator
	// is asked. By default there is no limit.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Deadline *metav1.Duration `json:"deadline,omitempty"`

	// How AWS is reached, for all routes that do not say it themselves.
	// +optional
	AWS *AWSAccess `json:"aws,omitempty"`
}

// Step is a share of the target and how long to hold it.
type Step struct {
	// The target's part of the traffic: "1%", "0.5%", or a whole number of basis
	// points (50 is 0.5%).
	Share Share `json:"share"`

	// How long the share is held before the next step, or before the migration is
	// complete, such as 10m; at least the window of the gate. Time that nobody
	// watched does not count.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Hold metav1.Duration `json:"hold"`

	// "required": after the step's hold, "watari approve" must come before the
	// migration goes on from this step; for the last step, before it is complete.
	// +optional
	Approval Approval `json:"approval,omitempty"`
}

// Approval says whether a person must agree before a step is left.
//
// +kubebuilder:validation:Enum=required
type Approval string

// ApprovalRequired is the one value of Approval; empty asks nobody.
const ApprovalRequired Approval = "required"

// DriftReaction says what happens when somebody else changes a route.
//
// +kubebuilder:validation:Enum=hold;reassert
type DriftReaction string

// The reactions to somebody else's change.
const (
	DriftHold     DriftReaction = "hold"
	DriftReassert DriftReaction = "reassert"
)

// MigrationList is a list of Migrations, as Kubernetes returns it.
//
// +kubebuilder:object:root=true
type MigrationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Migration `json:"items"`
}
