package cloudwatch

import (
	"slices"
	"time"

	"watari.dev/lab/aws/wire"
)

// dimension is one name and value.
type dimension struct{ Name, Value string }

// metricName is what a request and a list call a metric.
type metricName struct {
	Namespace  string
	MetricName string
	Dimensions []dimension
}

// key returns which metric is meant; false for one that nobody publishes.
// "CloudWatch treats each unique combination of dimensions as a separate
// metric" (GetMetricStatistics).
func (n metricName) key() (metric, bool) {
	key := metric{name: n.MetricName}
	for _, d := range n.Dimensions {
		switch d.Name {
		case dimensionBalancer:
			key.balancer = d.Value
		case dimensionGroup:
			key.group = d.Value
		default:
			return key, false
		}
	}
	wanted := 1
	if key.group != "" {
		wanted = 2
	}
	return key, n.Namespace == namespace && key.balancer != "" && len(n.Dimensions) == wanted
}

func (m metric) named() metricName {
	n := metricName{Namespace: namespace, MetricName: m.name, Dimensions: []dimension{{dimensionBalancer, m.balancer}}}
	if m.group != "" {
		n.Dimensions = append(n.Dimensions, dimension{dimensionGroup, m.group})
	}
	return n
}

// point is one data point; its time is the beginning of its period.
type point struct {
	at     time.Time
	values []float64 // sorted
}

// Retention of minutes, and how start times are rounded by their age
// (GetMetricData, StartTime and MetricStat's Period).
const (
	minutesFor      = 15 * 24 * time.Hour
	fiveMinutesFor  = 63 * 24 * time.Hour
	regularPeriod   = time.Minute
	longPeriod      = 5 * time.Minute
	veryLongPeriod  = time.Hour
	longestPeriod   = 24 * time.Hour
	secondsInMinute = 60
)

// grid is how fine data of that age are kept.
func grid(age time.Duration) time.Duration {
	switch {
	case age < minutesFor:
		return regularPeriod
	case age < fiveMinutesFor:
		return longPeriod
	default:
		return veryLongPeriod
	}
}

// points returns the data points of a metric from start to before end, oldest
// first: one for each period that has a sample in a minute that can be read.
func (s *Service) points(name metricName, start, end time.Time, period time.Duration) []point {
	now := s.opts.Now()
	fine := grid(now.Sub(start))
	key, exists := name.key()
	if !exists || period%fine != 0 {
		return nil // "no data points in that time range is returned"
	}
	start = start.UTC().Truncate(fine).Truncate(period)
	readable := minuteOf(now.Add(-s.opts.PublishDelay)) // the first minute whose end and delay are not over
	found := s.opts.Numbers.between(key, minuteOf(start), readable)
	byPeriod := make(map[int64][]float64)
	for m, all := range found {
		if at := m.start().Truncate(period); at.Before(end) {
			byPeriod[at.Unix()] = append(byPeriod[at.Unix()], all.list()...)
		}
	}
	var out []point
	for at, values := range byPeriod {
		slices.Sort(values)
		out = append(out, point{time.Unix(at, 0).UTC(), values})
	}
	slices.SortFunc(out, func(a, b point) int { return a.at.Compare(b.at) })
	return out
}

// list returns all values.
func (s samples) list() []float64 {
	out := s.values
	for range s.ones {
		out = append(out, 1)
	}
	return out
}

// checkPeriod wants a multiple of 60 s: no load balancer publishes more often.
func checkPeriod(period int64) *wire.Error {
	if period < secondsInMinute || period%secondsInMinute != 0 || period > int64(longestPeriod/time.Second) {
		return wire.Errorf("ValidationError", "The parameter Period must be a multiple of 60 and at most 86400, not %d.", period)
	}
	return nil
}

// checkTimes wants both ends, in order.
func checkTimes(start, end *time.Time) *wire.Error {
	switch {
	case start == nil || end == nil:
		return wire.Errorf("MissingParameter", "The request must contain the parameters StartTime and EndTime.")
	case !start.Before(*end):
		return wire.Errorf("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
	}
	return nil
}
