package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MigrationStatus is what Kubernetes shows of a running migration. It is a view:
// what the migration remembers lies in its store.
type MigrationStatus struct {
	// Generation of the spec that the rest speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// +optional
	Phase Phase `json:"phase,omitempty"`

	// Number of the step, counted from 1; 0 before the first.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Step int32 `json:"step,omitempty"`

	// The lowest share that was read from the routes; absent while not known.
	// +optional
	Share *Share `json:"share,omitempty"`

	// Why the migration is where it is, in words.
	// +optional
	Reason string `json:"reason,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Phase is where a migration stands.
//
// +kubebuilder:validation:Enum=Pending;Shifting;Holding;WaitingForApproval;Paused;RollingBack;Partial;RolledBack;Soaking;Complete;Failed
type Phase string

// The phases of a migration.
const (
	PhasePending            Phase = "Pending"
	PhaseShifting           Phase = "Shifting"
	PhaseHolding            Phase = "Holding"
	PhaseWaitingForApproval Phase = "WaitingForApproval"
	PhasePaused             Phase = "Paused"
	PhaseRollingBack        Phase = "RollingBack"
	PhasePartial            Phase = "Partial"
	PhaseRolledBack         Phase = "RolledBack"
	PhaseSoaking            Phase = "Soaking"
	PhaseComplete           Phase = "Complete"
	PhaseFailed             Phase = "Failed"
)
