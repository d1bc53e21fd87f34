package elbv2

import (
	"slices"

	"watari.dev/lab/aws/wire"
)

// Limits of a rule's conditions ("Condition types for listener rules" and the
// quota "Condition values per rule").
const (
	maxConditionValues = 5
	maxValueLength     = 128
)

// Condition of a rule: host-header or path-pattern.
type Condition struct {
	Field             string
	Values            []string         `xml:"Values>member"`
	HostHeaderConfig  *ConditionValues `xml:",omitempty"`
	PathPatternConfig *ConditionValues `xml:",omitempty"`
}

// ConditionValues are the patterns of one condition.
type ConditionValues struct {
	Values []string `xml:"Values>member"`
}

// decideConditions checks the conditions of a rule and returns them as AWS
// echoes them: with the values in both the legacy and the typed place.
func decideConditions(conditions []Condition) ([]Condition, *wire.Error) {
	if len(conditions) == 0 {
		return nil, wire.Errorf("ValidationError", "A condition must be specified")
	}
	total := 0
	decided := make([]Condition, 0, len(conditions))
	for _, c := range conditions {
		d, err := decideCondition(c)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(decided, func(o Condition) bool { return o.Field == d.Field }) {
			return nil, wire.Errorf("ValidationError", "A rule can have one condition with field '%s'", d.Field)
		}
		total += len(d.Values)
		decided = append(decided, d)
	}
	if total > maxConditionValues {
		return nil, wire.Errorf("ValidationError", "A rule can have up to %d condition values", maxConditionValues)
	}
	return decided, nil
}

func decideCondition(c Condition) (Condition, *wire.Error) {
	var typed *ConditionValues
	switch c.Field {
	case "host-header":
		typed = c.HostHeaderConfig
	case "path-pattern":
		typed = c.PathPatternConfig
	default:
		return c, wire.Errorf("ValidationError", "Condition field '%s' is not served by this emulator; it serves host-header and path-pattern", c.Field)
	}
	values := c.Values
	if typed != nil {
		if len(values) > 0 {
			return c, wire.Errorf("ValidationError", "Condition values can be specified in Values or in the typed configuration, not in both")
		}
		values = typed.Values
	}
	if len(values) == 0 {
		return c, wire.Errorf("ValidationError", "A condition value must be specified")
	}
	for _, v := range values {
		if v == "" || len(v) > maxValueLength {
			return c, wire.Errorf("ValidationError", "Condition value '%s' must have 1 to %d characters", v, maxValueLength)
		}
	}
	d := Condition{Field: c.Field, Values: values}
	if c.Field == "host-header" {
		d.HostHeaderConfig = &ConditionValues{Values: values}
	} else {
		d.PathPatternConfig = &ConditionValues{Values: values}
	}
	return d, nil
}
