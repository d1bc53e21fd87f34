package plan

import (
	"fmt"
	"strings"
	"time"

	"watari.dev/api/v1alpha1"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// counted resolves the i-th signal.
func counted(i int, m *v1alpha1.Migration) Signal {
	s := m.Spec.Signals[i]
	out := Signal{Service: serviceName(i, s), Every: time.Second}
	name := func(kind string) string { return fmt.Sprintf("signals[%d] %s", i, kind) }
	switch {
	case s.Scrape != nil:
		out.Every = s.Scrape.Interval.Duration
		out.Query = query(name("scrape"), s.Scrape.Counters, m)
		out.Scrape = &Scrape{Endpoints: s.Scrape.Endpoints, Interval: s.Scrape.Interval.Duration, Timeout: s.Scrape.Timeout.Duration}
	case s.Prometheus != nil:
		out.Every = s.Prometheus.Interval.Duration
		out.Query = query(name("prometheus"), s.Prometheus.Counters, m)
		url := both(s.Prometheus.URL, m)
		out.Prometheus = &Prometheus{URL: url.Source}
		if url.Target != url.Source {
			out.Prometheus.Target = url.Target
		}
	case s.CloudWatch != nil:
		out.Every = time.Minute
		out.Query = balancerQuery(name("cloudWatch"), s, m)
		out.Query.Errors = bothSame("5xx")
		out.Query.Latency = bothSame(latenciesOf(s.CloudWatch, m))
		out.CloudWatch = &CloudWatch{AWS: aws(s.CloudWatch.AWS), Listener: listenerOf(s.Route, m), Delay: s.CloudWatch.Delay.Duration}
	case s.AccessLog != nil:
		out.Query = balancerQuery(name("accessLog"), s, m)
		out.Query.Errors = bothSame(s.AccessLog.Errors)
		out.Query.Latency = bothSame("target_processing_time")
		l := s.AccessLog
		out.AccessLog = &AccessLog{Path: l.File, All: l.Attempts == v1alpha1.AttemptsAll, AttemptField: l.AttemptField, Delay: l.Delay.Duration}
		if l.Directory != "" {
			out.AccessLog.Path, out.Every = l.Directory, logPeriod
		}
	default:
		d := s.Datadog
		out.Every = d.Every.Duration
		out.Query = query(name("datadog"), d.Counters, m)
		out.Datadog = &Datadog{Site: d.Site, URL: d.URL, Every: d.Every.Duration, Delay: d.Delay.Duration, APIKeyFile: d.APIKeyFile, AppKeyFile: d.AppKeyFile}
	}
	return out
}

// latenciesOf returns the edges that CloudWatch is asked for: those that are written,
// and those that the gate needs.
func latenciesOf(c *v1alpha1.CloudWatchSignal, m *v1alpha1.Migration) string {
	if len(c.Latencies) == 0 {
		return ""
	}
	var edges []string
	for _, edge := range askedEdges(m, c.Latencies) {
		edges = append(edges, edge.String())
	}
	return strings.Join(edges, ",")
}

// logPeriod is how often a load balancer publishes a log file (Elastic Load
// Balancing User Guide, "Access logs for your Application Load Balancer").
const logPeriod = 5 * time.Minute

// listenerOf returns the ARN of a route's listener or rule.
func listenerOf(route string, m *v1alpha1.Migration) string {
	for _, r := range m.Spec.Routes {
		if r.Name == route && r.ALB != nil {
			return lever(r).Ref.ID
		}
	}
	return ""
}

// serviceName is what a signal counts; one that does not say is a service of its
// own.
func serviceName(i int, s v1alpha1.Signal) string {
	if s.Service != "" {
		return s.Service
	}
	return fmt.Sprintf("signals[%d]", i)
}

func query(name string, c v1alpha1.Counters, m *v1alpha1.Migration) signal.Query {
	q := signal.Query{Name: name, Requests: both(c.Requests, m), Errors: both(c.Errors, m)}
	if c.Latency != nil {
		q.Latency = both(*c.Latency, m)
	}
	for _, e := range c.Events {
		q.Events = append(q.Events, signal.Event{Name: e.Name, Count: both(e.Count, m)})
	}
	return q
}

// balancerQuery asks about the target groups of the signal's route. Validation
// has seen that it is a load balancer's.
func balancerQuery(name string, s v1alpha1.Signal, m *v1alpha1.Migration) signal.Query {
	q := signal.Query{Name: name}
	for _, r := range m.Spec.Routes {
		if r.Name == s.Route && r.ALB != nil {
			q.Requests = traffic.BySide[string]{Source: r.ALB.Source.TargetGroupARN, Target: r.ALB.Target.TargetGroupARN}
		}
	}
	return q
}

func both(e v1alpha1.Expression, m *v1alpha1.Migration) traffic.BySide[string] {
	var out traffic.BySide[string]
	out.Source, out.Target = e.For(m.Spec.Source, m.Spec.Target)
	return out
}

func bothSame(text string) traffic.BySide[string] {
	return traffic.BySide[string]{Source: text, Target: text}
}
