package cloudwatch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// Names of metrics in the namespace AWS/ApplicationELB.
const (
	namespace    = "AWS/ApplicationELB"
	requestCount = "RequestCount"
	responseTime = "TargetResponseTime"
	healthyHosts = "HealthyHostCount"
)

// errorMetrics are the failures that CloudWatch attributes to a target group.
var errorMetrics = []string{"HTTPCode_Target_5XX_Count", "TargetConnectionErrorCount", "TargetTLSNegotiationErrorCount"}

// eventMetrics are the counts of a target group that an event may ask for.
var eventMetrics = append([]string{"HTTPCode_Target_2XX_Count", "HTTPCode_Target_3XX_Count", "HTTPCode_Target_4XX_Count"}, errorMetrics...)

// maxEdges bounds what one query may cost: each edge is one more metric.
const maxEdges = 50

// want is what one side of a query asks for.
type want struct {
	group  group
	errors bool
	edges  []time.Duration
	events []string // one metric per event of the query; empty where this side has none
}

// wantOf reads one side of a query; false if nothing is asked of it.
func wantOf(q signal.Query, side traffic.Side) (want, bool, error) {
	text := q.Requests.Of(side)
	if text == "" {
		return want{}, false, nil
	}
	wrong := func(what string, err error) (want, bool, error) {
		return want{}, false, fmt.Errorf("%s of the %s: %w", what, side, err)
	}
	g, err := parseGroup(text)
	if err != nil {
		return wrong("requests", err)
	}
	w := want{group: g, errors: q.Errors.Of(side) != ""}
	if w.edges, err = parseEdges(q.Latency.Of(side)); err != nil {
		return wrong("latency", err)
	}
	for _, e := range q.Events {
		name := e.Count.Of(side)
		if name != "" && !slices.Contains(eventMetrics, name) {
			return wrong("event "+e.Name, fmt.Errorf("%q is not one of %s", name, strings.Join(eventMetrics, ", ")))
		}
		w.events = append(w.events, name)
	}
	return w, true, nil
}

func parseEdges(text string) ([]time.Duration, error) {
	if text == "" {
		return nil, nil
	}
	var edges []time.Duration
	for _, word := range strings.Split(text, ",") {
		edge, err := time.ParseDuration(strings.TrimSpace(word))
		if err != nil || edge <= 0 {
			return nil, fmt.Errorf("%q in %q is not a duration above 0: write edges such as \"50ms, 100ms, 250ms, 1s\"", strings.TrimSpace(word), text)
		}
		if n := len(edges); n > 0 && edge <= edges[n-1] {
			return nil, fmt.Errorf("the edges %q are not ascending", text)
		}
		edges = append(edges, edge)
	}
	if len(edges) > maxEdges {
		return nil, fmt.Errorf("%d edges are more than %d: each is one more metric to pay for", len(edges), maxEdges)
	}
	return edges, nil
}

// series is one statistic of one metric.
type series struct {
	group  group
	metric string
	stat   string
}

func (g group) sum(metric string) series { return series{g, metric, "Sum"} }

// balancerTotal is the balancer's own count, which is there when CloudWatch has
// the minute of that balancer at all.
func (g group) balancerTotal() series { return group{balancer: g.balancer}.sum(requestCount) }

// health tells that the group exists, and that CloudWatch has its minute.
func (g group) health() series { return series{g, healthyHosts, "Maximum"} }

// counts lists the series whose numbers the side's counts are made of.
func (w want) counts() []series {
	all := []series{w.group.sum(requestCount)}
	if w.errors {
		for _, m := range errorMetrics {
			all = append(all, w.group.sum(m))
		}
	}
	for i := range w.buckets() {
		all = append(all, w.bucket(i))
	}
	for _, m := range w.events {
		if s := w.group.sum(m); m != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// buckets returns how many the histogram has.
func (w want) buckets() int {
	if len(w.edges) == 0 {
		return 0
	}
	return len(w.edges) + 1
}

// bucket returns the series that counts bucket i: the values above its lower
// bound and up to its upper one.
func (w want) bucket(i int) series {
	low, high := "", ""
	if i > 0 {
		low = seconds(w.edges[i-1])
	}
	if i < len(w.edges) {
		high = seconds(w.edges[i])
	}
	return series{w.group, responseTime, "TC(" + low + ":" + high + ")"}
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }
