package v1alpha1

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func checkSignals(ps *problems, spec *field.Path, s *MigrationSpec) {
	path := spec.Child("signals")
	if len(s.Signals) == 0 && len(stepsWithoutApproval(s.Steps)) > 0 {
		ps.missing(path, "nobody would notice a bad target: add signals, or approval: required on every step")
	}
	checkCount(ps, path, len(s.Signals), 20, "signals")
	for i, signal := range s.Signals {
		at := path.Index(i)
		checkUnion(ps, at, signal)
		if signal.Scrape != nil {
			checkScrape(ps, at.Child("scrape"), signal.Scrape, s)
		}
		if signal.Prometheus != nil {
			checkPrometheus(ps, at.Child("prometheus"), signal.Prometheus)
		}
	}
}

func checkScrape(ps *problems, path *field.Path, s *ScrapeSignal, spec *MigrationSpec) {
	endpoints := path.Child("endpoints")
	if len(s.Endpoints) == 0 {
		ps.missing(endpoints, "list the URLs of the metrics, such as http://shop.internal:9090/metrics")
	}
	checkCount(ps, endpoints, len(s.Endpoints), 1000, "endpoints")
	seen := map[string]bool{}
	for i, url := range s.Endpoints {
		checkURL(ps, endpoints.Index(i), url)
		if seen[url] {
			ps.add(endpoints.Index(i), "%s is listed twice, its requests would count twice: remove one", url)
		}
		seen[url] = true
	}
	checkCounters(ps, path, &s.Counters)
	checkPositive(ps, path.Child("interval"), s.Interval)
	checkPositive(ps, path.Child("timeout"), s.Timeout)

	interval := orElse(s.Interval, DefaultScrapeInterval)
	if timeout := orElse(s.Timeout, interval); timeout > interval && interval > 0 {
		ps.add(path.Child("timeout"), "%s is longer than the interval (%s): make it at most that long", readable(timeout), readable(interval))
	}
	// A count over a window needs a sample at both of its ends.
	window := orElse(spec.Gate.Thresholds.Window, DefaultWindow)
	if window > 0 && interval > window/2 {
		ps.add(path.Child("interval"), "%s is longer than half of the gate's window (%s): make it at most %s, or the window longer",
			readable(interval), readable(window), readable(window/2))
	}
}

func checkPrometheus(ps *problems, path *field.Path, s *PrometheusSignal) {
	if s.URL == "" {
		ps.missing(path.Child("url"), "name the server, such as http://prometheus:9090")
	} else {
		checkURL(ps, path.Child("url"), s.URL)
	}
	checkCounters(ps, path, &s.Counters)
}

func checkCounters(ps *problems, path *field.Path, c *Counters) {
	checkExpression(ps, path.Child("requests"), c.Requests, "select the counter of all requests, such as http_requests_total{cluster=\"${environment}\"}")
	checkExpression(ps, path.Child("errors"), c.Errors, "select the counter of failed requests, such as http_requests_total{cluster=\"${environment}\",code=~\"5..\"}")
	if c.Latency != nil {
		checkExpression(ps, path.Child("latency"), *c.Latency, "select the _bucket series of the latency, or remove the field")
	}
}

func checkExpression(ps *problems, path *field.Path, e Expression, advice string) {
	switch {
	case e.Source == "" && e.Target == "":
		ps.missing(path, advice)
		return
	case e.Source == "":
		ps.missing(path.Child("source"), "write the expression of the source")
		return
	case e.Target == "":
		ps.missing(path.Child("target"), "write the expression of the target")
		return
	case e.Source == e.Target && !strings.Contains(e.Source, EnvironmentPlaceholder):
		ps.add(path, "reads the same for both sides: tell them apart by a label with ${environment}, or write {source: ..., target: ...}")
	}
	if err := checkPromQL(e.Source); err != nil {
		ps.add(path, "%s", err)
	} else if err := checkPromQL(e.Target); err != nil {
		ps.add(path, "%s", err)
	}
}

// checkPromQL finds what is surely wrong: brackets and quotes that do not match,
// and placeholders that nobody fills. The rest is for who evaluates it.
func checkPromQL(text string) error {
	rest := strings.ReplaceAll(text, EnvironmentPlaceholder, "")
	if at := strings.Index(rest, "${"); at >= 0 {
		return fmt.Errorf("%q holds a placeholder that is not known: the only one is ${environment}", text)
	}
	var open []rune
	closing := map[rune]rune{'(': ')', '[': ']', '{': '}'}
	quote, escaped := rune(0), false
	for _, r := range rest {
		switch {
		case escaped:
			escaped = false
		case quote != 0 && r == '\\' && quote != '`':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case closing[r] != 0:
			open = append(open, closing[r])
		case r == ')' || r == ']' || r == '}':
			if len(open) == 0 || open[len(open)-1] != r {
				return fmt.Errorf("%q has a %c that nothing opens", text, r)
			}
			open = open[:len(open)-1]
		}
	}
	switch {
	case quote != 0:
		return fmt.Errorf("%q has a quote that is never closed: add %c", text, quote)
	case len(open) > 0:
		return fmt.Errorf("%q has a bracket that is never closed: add %c", text, open[len(open)-1])
	}
	return nil
}

func hasLatency(signals []Signal) bool {
	for _, s := range signals {
		if s.Scrape != nil && s.Scrape.Latency != nil || s.Prometheus != nil && s.Prometheus.Latency != nil {
			return true
		}
	}
	return false
}
