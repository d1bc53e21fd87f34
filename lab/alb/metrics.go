package alb

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// durationBuckets are fine where a p99 of a service is looked for, and end at
// the default idle timeout. Seconds.
var durationBuckets = []float64{
	.001, .0025, .005, .0075, .01, .015, .025, .035, .05, .075, .1, .15, .2, .25, .3, .4, .5, .75,
	1, 1.5, 2, 3, 5, 10, 30, 60,
}

// Who answered a request.
const (
	originELB    = "elb"
	originTarget = "target"
)

// metrics counts what CloudWatch counts for a load balancer and its groups.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	refused   *prometheus.CounterVec
	cache     sync.Map // seriesKey to series: label lookups are dear at thousands a second
}

type seriesKey struct {
	loadBalancer string
	group        *group
	code         int
	origin       string
}

type series struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

func newMetrics(b *Balancer) *metrics {
	groupLabels := []string{"load_balancer", "target_group", "target_group_arn"}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alb_requests_total",
			Help: "Requests by the status code that the client got, 460 if it left before. origin says who made the answer: a target or the load balancer (elb).",
		}, append(groupLabels, "code", "origin")),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "alb_request_duration_seconds",
			Help:    "Time from reading the request's headers to writing the last byte of the answer.",
			Buckets: durationBuckets,
		}, append(groupLabels, "origin")),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alb_target_connection_errors_total",
			Help: "Connections to targets that could not be established.",
		}, groupLabels),
	}
	m.registry.MustRegister(m.requests, m.durations, m.refused, gauges{b})
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

func (m *metrics) request(r *record) {
	key := seriesKey{loadBalancer: r.listener.conf().LoadBalancer, group: r.group, code: r.elbStatus, origin: originELB}
	if r.fromTarget() {
		key.origin = originTarget
	}
	found, ok := m.cache.Load(key)
	if !ok {
		found, _ = m.cache.LoadOrStore(key, m.series(key))
	}
	s := found.(series)
	s.requests.Inc()
	s.duration.Observe(r.finished.Sub(r.created).Seconds())
}

func (m *metrics) series(k seriesKey) series {
	name, arn := k.group.labels()
	return series{
		requests: m.requests.WithLabelValues(k.loadBalancer, name, arn, strconv.Itoa(k.code), k.origin),
		duration: m.durations.WithLabelValues(k.loadBalancer, name, arn, k.origin),
	}
}

func (m *metrics) connectionError(loadBalancer string, g *group) {
	name, arn := g.labels()
	m.refused.WithLabelValues(loadBalancer, name, arn).Inc()
}

// labels returns name and ARN, both empty for requests that no group got.
func (g *group) labels() (name, arn string) {
	if g == nil {
		return "", ""
	}
	return g.name, g.arn
}

// gauges reads the present state at each scrape.
type gauges struct{ b *Balancer }

var (
	targetsDesc = prometheus.NewDesc("alb_targets", "Targets by state of health.",
		[]string{"load_balancer", "target_group", "target_group_arn", "state"}, nil)
	healthyDesc = prometheus.NewDesc("alb_healthy_hosts", "Targets that are healthy.",
		[]string{"load_balancer", "target_group", "target_group_arn"}, nil)
	connectionsDesc = prometheus.NewDesc("alb_active_connections", "Open connections of clients.",
		[]string{"load_balancer"}, nil)
)

func (g gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- targetsDesc
	ch <- healthyDesc
	ch <- connectionsDesc
}

func (g gauges) Collect(ch chan<- prometheus.Metric) {
	listeners, groups := g.b.present()
	connections := make(map[string]int)
	for _, l := range listeners {
		connections[l.conf().LoadBalancer] += l.openConns()
	}
	for lb, n := range connections {
		ch <- prometheus.MustNewConstMetric(connectionsDesc, prometheus.GaugeValue, float64(n), lb)
	}
	for _, group := range groups {
		counts := map[State]int{Initial: 0, Healthy: 0, Unhealthy: 0, Unused: 0, Draining: 0}
		for _, h := range group.health() {
			counts[h.State]++
		}
		lb, name, arn := group.servedBy(), group.name, group.arn
		ch <- prometheus.MustNewConstMetric(healthyDesc, prometheus.GaugeValue, float64(counts[Healthy]), lb, name, arn)
		for state, n := range counts {
			ch <- prometheus.MustNewConstMetric(targetsDesc, prometheus.GaugeValue, float64(n), lb, name, arn, string(state))
		}
	}
}
