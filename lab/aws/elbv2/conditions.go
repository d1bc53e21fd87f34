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

// condition of a rule: host-header or path-pattern.
type condition struct {
	Field             string
	Values            []string         `xml:"Values>member"`
	HostHeaderConfig  *conditionValues `xml:",omitempty"`
	PathPatternConfig *conditionValues `xml:",omitempty"`
}

// conditionValues are the patterns of one condition.
type conditionValues struct {
	Values []string `xml:"Values>member"`
}

// decideConditions checks the conditions of a rule and returns them as AWS
// echoes them: with the values in both the legacy and the typed place.
func decideConditions(conditions []condition) ([]condition, *wire.Error) {
	if len(conditions) == 0 {
		return nil, wire.Errorf("ValidationError", "A condition must be specified")
	}
	total := 0
	decided := make([]condition, 0, len(conditions))
	for _, c := range conditions {
		d, err := decideCondition(c)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(decided, func(o condition) bool { return o.Field == d.Field }) {
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

func decideCondition(c condition) (condition, *wire.Error) {
	var typed *conditionValues
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
	d := condition{Field: c.Field, Values: values}
	if c.Field == "host-header" {
		d.HostHeaderConfig = &conditionValues{Values: values}
	} else {
		d.PathPatternConfig = &conditionValues{Values: values}
	}
	return d, nil
}
