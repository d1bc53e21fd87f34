package v1alpha1

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rollback says what happens when the target is worse, or when nobody can tell.
// A plain string is short for mode.
type Rollback struct {
	// "automatic" takes the traffic back at once; "manual" holds the share and
	// waits for "watari rollback". By default automatic.
	// +optional
	Mode RollbackMode `json:"mode,omitempty"`

	// What happens when nothing is known of the target for longer than
	// unknownAfter: "hold" keeps the share, "rollback" takes the traffic back; or
	// one of them for each kind of not knowing. By default the share is held, and
	// taken back where users should be on the target and nobody sees them.
	// +optional
	OnUnknown OnUnknown `json:"onUnknown,omitempty,omitzero"`

	// How long the target may stay unknown before onUnknown applies; by default
	// 60s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	UnknownAfter *metav1.Duration `json:"unknownAfter,omitempty"`
}

// RollbackMode says who takes the traffic back.
//
// +kubebuilder:validation:Enum=automatic;manual
type RollbackMode string

// The modes of a rollback.
const (
	RollbackAutomatic RollbackMode = "automatic"
	RollbackManual    RollbackMode = "manual"
)

// UnmarshalJSON reads a string or an object. Any other shape becomes a mode that
// Validate reports: a custom resource's schema cannot say "string or object", and
// an error here would hide every other object of a list.
func (r *Rollback) UnmarshalJSON(data []byte) error {
	type plain Rollback
	var mode RollbackMode
	if json.Unmarshal(data, &mode) == nil {
		*r = Rollback{Mode: mode}
		return nil
	}
	var long plain
	if unmarshalStrict(data, &long) != nil {
		long = plain{Mode: RollbackMode(data)}
	}
	*r = Rollback(long)
	return nil
}
