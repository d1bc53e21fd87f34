package cloudwatch

import (
	"time"

	"watari.dev/lab/aws/wire"
)

// maxStatisticsPoints of one call (GetMetricStatistics API reference).
const maxStatisticsPoints = 1440

type getMetricStatisticsInput struct {
	Namespace          string
	MetricName         string
	Dimensions         []dimension
	StartTime          *time.Time
	EndTime            *time.Time
	Period             int64
	Statistics         []string
	ExtendedStatistics []string
	Unit               string
}

type getMetricStatisticsOutput struct {
	Label      string
	Datapoints []datapoint
}

type datapoint struct {
	Timestamp          time.Time
	Unit               string
	SampleCount        *float64           `cbor:",omitempty"`
	Sum                *float64           `cbor:",omitempty"`
	Average            *float64           `cbor:",omitempty"`
	Minimum            *float64           `cbor:",omitempty"`
	Maximum            *float64           `cbor:",omitempty"`
	ExtendedStatistics map[string]float64 `cbor:",omitempty"`
}

func (s *Service) getMetricStatistics(in getMetricStatisticsInput) (getMetricStatisticsOutput, *wire.Error) {
	out := getMetricStatisticsOutput{Label: in.MetricName, Datapoints: []datapoint{}}
	if err := checkStatistics(in); err != nil {
		return out, err
	}
	extended := make(map[string]statistic)
	for _, text := range in.ExtendedStatistics {
		compute, err := parseStatistic(text)
		if err != nil {
			return out, wire.Errorf("InvalidParameterValue", "The value %s for parameter ExtendedStatistics is not supported.", text)
		}
		extended[text] = compute
	}
	unit := unitOf(in.MetricName)
	if in.Unit != "" && in.Unit != unit {
		return out, nil
	}
	name := metricName{in.Namespace, in.MetricName, in.Dimensions}
	for _, p := range s.points(name, *in.StartTime, *in.EndTime, time.Duration(in.Period)*time.Second) {
		d := datapoint{Timestamp: p.at, Unit: unit}
		for _, name := range in.Statistics {
			v := simple[name](p.values)
			*d.field(name) = &v
		}
		for text, compute := range extended {
			if d.ExtendedStatistics == nil {
				d.ExtendedStatistics = make(map[string]float64)
			}
			d.ExtendedStatistics[text] = compute(p.values)
		}
		out.Datapoints = append(out.Datapoints, d)
	}
	return out, nil
}

// field returns where a simple statistic belongs; nil for one that is none.
func (d *datapoint) field(name string) **float64 {
	switch name {
	case "SampleCount":
		return &d.SampleCount
	case "Sum":
		return &d.Sum
	case "Average":
		return &d.Average
	case "Minimum":
		return &d.Minimum
	case "Maximum":
		return &d.Maximum
	default:
		return nil
	}
}

func checkStatistics(in getMetricStatisticsInput) *wire.Error {
	if err := checkTimes(in.StartTime, in.EndTime); err != nil {
		return err
	}
	if err := checkPeriod(in.Period); err != nil {
		return err
	}
	if in.Namespace == "" || in.MetricName == "" {
		return wire.Errorf("MissingParameter", "The request must contain the parameters Namespace and MetricName.")
	}
	if len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0 {
		return wire.Errorf("MissingParameter", "Must specify either Statistics or ExtendedStatistics.")
	}
	for _, name := range in.Statistics {
		if (&datapoint{}).field(name) == nil {
			return wire.Errorf("InvalidParameterValue", "The value %s for parameter Statistics is not supported.", name)
		}
	}
	if n := int64(in.EndTime.Sub(*in.StartTime)/time.Second) / in.Period; n > maxStatisticsPoints {
		return wire.Errorf("InvalidParameterCombination", "You have requested up to %d datapoints, which exceeds the limit of %d. You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n, maxStatisticsPoints)
	}
	return nil
}
