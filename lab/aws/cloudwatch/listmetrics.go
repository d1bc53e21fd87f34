package cloudwatch

import (
	"slices"
	"strconv"

	"watari.dev/lab/aws/wire"
)

// maxListed per page (ListMetrics API reference).
const maxListed = 500

// recently is how far RecentlyActive looks back, in minutes: PT3H is its only
// value.
const recently = 180

type listMetricsInput struct {
	Namespace      string
	MetricName     string
	Dimensions     []dimensionFilter
	NextToken      *string
	RecentlyActive string
}

// dimensionFilter wants a dimension, and its value if there is one.
type dimensionFilter struct {
	Name  string
	Value *string
}

type listMetricsOutput struct {
	Metrics   []metricName
	NextToken string `cbor:",omitempty"`
}

func (s *Service) listMetrics(in listMetricsInput) (listMetricsOutput, *wire.Error) {
	out := listMetricsOutput{Metrics: []metricName{}}
	end := minuteOf(s.opts.Now().Add(-s.opts.PublishDelay))
	first := minute(0)
	switch in.RecentlyActive {
	case "":
	case "PT3H":
		first = end - recently
	default:
		return out, wire.Errorf("InvalidParameterValue", "The value %s for parameter RecentlyActive is not PT3H.", in.RecentlyActive)
	}
	start := 0
	if in.NextToken != nil {
		var err error
		if start, err = strconv.Atoi(*in.NextToken); err != nil || start < 0 {
			return out, wire.Errorf("InvalidParameterValue", "The value %s for parameter NextToken is not valid.", *in.NextToken)
		}
	}
	var found []metricName
	for _, m := range s.opts.Numbers.metrics(first, end) {
		if n := m.named(); in.matches(n) {
			found = append(found, n)
		}
	}
	start = min(start, len(found))
	stop := min(start+maxListed, len(found))
	if stop < len(found) {
		out.NextToken = strconv.Itoa(stop)
	}
	out.Metrics = append(out.Metrics, found[start:stop]...)
	return out, nil
}

func (in listMetricsInput) matches(n metricName) bool {
	if in.Namespace != "" && in.Namespace != n.Namespace || in.MetricName != "" && in.MetricName != n.MetricName {
		return false
	}
	for _, f := range in.Dimensions {
		if !slices.ContainsFunc(n.Dimensions, func(d dimension) bool { return d.Name == f.Name && (f.Value == nil || *f.Value == d.Value) }) {
			return false
		}
	}
	return true
}
