package v1alpha1

import (
	"bytes"
	"encoding/json"
	"strings"
)

// EnvironmentPlaceholder stands in an Expression for the name of the side's
// Environment.
const EnvironmentPlaceholder = "${environment}"

// Expression selects the series of each side. A plain string is meant for both
// sides and tells them apart by EnvironmentPlaceholder.
type Expression struct {
	// Expression of the source.
	// +kubebuilder:validation:MinLength=1
	Source string `json:"source"`
	// Expression of the target.
	// +kubebuilder:validation:MinLength=1
	Target string `json:"target"`
}

// For returns the expression of each side with the placeholder replaced by the
// names of the two Environments.
func (e Expression) For(source, target string) (ofSource, ofTarget string) {
	return strings.ReplaceAll(e.Source, EnvironmentPlaceholder, source),
		strings.ReplaceAll(e.Target, EnvironmentPlaceholder, target)
}

// MarshalJSON writes the short form where both sides read alike.
func (e Expression) MarshalJSON() ([]byte, error) {
	if e.Source == e.Target {
		return json.Marshal(e.Source)
	}
	type plain Expression
	return json.Marshal(plain(e))
}

// UnmarshalJSON reads a string or an object. Any other shape gives the empty
// expression, which Validate reports: a custom resource's schema cannot say
// "string or object", and an error here would hide every other object of a list.
func (e *Expression) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*e = Expression{Source: text, Target: text}
		return nil
	}
	type plain Expression
	*e = Expression{}
	var both plain
	if unmarshalStrict(data, &both) == nil {
		*e = Expression(both)
	}
	return nil
}

func unmarshalStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
