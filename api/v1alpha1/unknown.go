package v1alpha1

import "encoding/json"

// OnUnknown says what to do when nothing is known of the target, for each kind of
// not knowing. A plain word is meant for all kinds. By default the share is held,
// and taken back where users should be on the target and nobody sees them:
// noTargetData and silentTarget.
type OnUnknown struct {
	// The target got no request, and by its share none was to be expected.
	// +optional
	NoTraffic Reaction `json:"noTraffic,omitempty"`

	// The target has a share, its data are missing, and the source reports.
	// +optional
	NoTargetData Reaction `json:"noTargetData,omitempty"`

	// The source's data are missing: there is nothing to compare with.
	// +optional
	NoSourceData Reaction `json:"noSourceData,omitempty"`

	// The data of both sides are missing.
	// +optional
	NoData Reaction `json:"noData,omitempty"`

	// Where the counts come from does not answer.
	// +optional
	Unreachable Reaction `json:"unreachable,omitempty"`

	// By its share the target should have requests, and it is seen to have none.
	// +optional
	SilentTarget Reaction `json:"silentTarget,omitempty"`

	// The clocks of those who count the two sides disagree.
	// +optional
	ClockSkew Reaction `json:"clockSkew,omitempty"`

	// Requests are not split as the levers say, so the counts are not trusted.
	// "ignore" where the reason is known, such as users who reach the source by
	// another way.
	// +optional
	SampleRatio SampleRatioReaction `json:"sampleRatio,omitempty"`

	// Latency is asked for, by the analysis or by maxP99, and that of a side is not
	// known: none is counted, or its buckets cannot be compared. "ignore" goes on
	// without it.
	// +optional
	NoLatency LatencyReaction `json:"noLatency,omitempty"`

	All Reaction `json:"-"` // the plain word, where one was written
}

// Reaction says what to do when nothing is known.
//
// +kubebuilder:validation:Enum=hold;rollback
type Reaction string

// SampleRatioReaction says what to do when requests are not split as intended.
//
// +kubebuilder:validation:Enum=hold;rollback;ignore
type SampleRatioReaction string

// LatencyReaction says what to do when the latency of a side is not known.
//
// +kubebuilder:validation:Enum=hold;rollback;ignore
type LatencyReaction string

// What may be done when nothing is known.
const (
	ReactionHold     Reaction = "hold"
	ReactionRollback Reaction = "rollback"

	SampleRatioIgnore SampleRatioReaction = "ignore"
	LatencyIgnore     LatencyReaction     = "ignore"
)

// Everything returns o with r for every kind.
func (o OnUnknown) Everything(r Reaction) OnUnknown {
	return OnUnknown{
		NoTraffic: ReactionHold, NoTargetData: r, NoSourceData: r, NoData: r, Unreachable: r, SilentTarget: r, ClockSkew: r,
		SampleRatio: SampleRatioReaction(r), NoLatency: LatencyReaction(r), All: r,
	}
}

func (o OnUnknown) defaulted() OnUnknown {
	if o.All != "" {
		return o
	}
	fill := func(field *Reaction, r Reaction) {
		if *field == "" {
			*field = r
		}
	}
	fill(&o.NoTraffic, ReactionHold)
	fill(&o.NoTargetData, ReactionRollback)
	fill(&o.NoSourceData, ReactionHold)
	fill(&o.NoData, ReactionHold)
	fill(&o.Unreachable, ReactionHold)
	fill(&o.SilentTarget, ReactionRollback)
	fill(&o.ClockSkew, ReactionHold)
	if o.SampleRatio == "" {
		o.SampleRatio = SampleRatioReaction(ReactionHold)
	}
	if o.NoLatency == "" {
		o.NoLatency = LatencyReaction(ReactionHold)
	}
	return o
}

// MarshalJSON writes the plain word where one was written.
func (o OnUnknown) MarshalJSON() ([]byte, error) {
	if o.All != "" {
		return json.Marshal(o.All)
	}
	type plain OnUnknown
	return json.Marshal(plain(o))
}

// UnmarshalJSON reads a word or an object. Any other shape becomes a word that
// Validate reports: a custom resource's schema cannot say "string or object", and
// an error here would hide every other object of a list.
func (o *OnUnknown) UnmarshalJSON(data []byte) error {
	var word Reaction
	if err := json.Unmarshal(data, &word); err == nil {
		*o = OnUnknown{}.Everything(word)
		return nil
	}
	type plain OnUnknown
	var long plain
	if unmarshalStrict(data, &long) == nil {
		*o = OnUnknown(long)
	} else {
		*o = OnUnknown{}.Everything(Reaction(data))
	}
	return nil
}
