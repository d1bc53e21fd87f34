package plan

import (
	"fmt"

	"watari.dev/api/v1alpha1"
	"watari.dev/signal"
	"watari.dev/traffic"
)

func counted(i int, s v1alpha1.Signal, source, target string) Signal {
	if s.Scrape != nil {
		return Signal{
			Query:  query(fmt.Sprintf("signals[%d] scrape", i), s.Scrape.Counters, source, target),
			Scrape: &Scrape{Endpoints: s.Scrape.Endpoints, Interval: s.Scrape.Interval.Duration, Timeout: s.Scrape.Timeout.Duration},
		}
	}
	return Signal{
		Query:      query(fmt.Sprintf("signals[%d] prometheus", i), s.Prometheus.Counters, source, target),
		Prometheus: &Prometheus{URL: s.Prometheus.URL},
	}
}

func query(name string, c v1alpha1.Counters, source, target string) signal.Query {
	q := signal.Query{Name: name, Requests: both(c.Requests, source, target), Errors: both(c.Errors, source, target)}
	if c.Latency != nil {
		q.Latency = both(*c.Latency, source, target)
	}
	return q
}

func both(e v1alpha1.Expression, source, target string) traffic.BySide[string] {
	var out traffic.BySide[string]
	out.Source, out.Target = e.For(source, target)
	return out
}
