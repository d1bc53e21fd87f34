package app

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics counts what was answered. A request whose connection was reset, or
// that was never answered, is not in it: a process that dies does not count
// its victims either. The load balancer and the users see those.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	database *prometheus.CounterVec
}

func newMetrics(held func() int64) metrics {
	m := metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total",
			Help: "Requests that were answered.",
		}, []string{"side", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_request_duration_seconds",
			Help:    "Time from the request's arrival to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .02, .03, .05, .075, .1, .15, .25, .5, 1, 2.5, 5, 10},
		}, []string{"side"}),
		database: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "app_database_requests_total",
			Help: "Requests to the database, by how they ended.",
		}, []string{"side", "result"}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.database,
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "app_leaked_bytes",
			Help: "Memory that was leaked on purpose.",
		}, func() float64 { return float64(held()) }))
	return m
}

// announce makes the counters exist before the first request: a counter that
// appears together with its first error hides that error from rate(). Those of
// the database exist only where there is one.
func (m metrics) announce(side string, database bool) {
	m.requests.WithLabelValues(side, strconv.Itoa(http.StatusOK))
	m.requests.WithLabelValues(side, strconv.Itoa(http.StatusInternalServerError))
	m.duration.WithLabelValues(side)
	for _, a := range askings {
		if database {
			m.database.WithLabelValues(side, string(a))
		}
	}
}

func (m metrics) asked(side string, a asking) {
	m.database.WithLabelValues(side, string(a)).Inc()
}

func (m metrics) observe(side string, code int, took time.Duration) {
	m.requests.WithLabelValues(side, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(side).Observe(took.Seconds())
}

func (m metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}
