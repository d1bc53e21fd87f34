package v1alpha1

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
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
		if signal.CloudWatch != nil {
			checkCloudWatch(ps, at, signal.CloudWatch, &signal, s)
		}
		if signal.AccessLog != nil {
			checkAccessLog(ps, at, signal.AccessLog, &signal, s)
		}
		if signal.Datadog != nil {
			checkDatadog(ps, at.Child("datadog"), signal.Datadog)
		}
		checkServiceOf(ps, at, i, &signal, s)
	}
}

// checkServiceOf reports names that nothing has, and a service whose signals
// disagree about what they count.
func checkServiceOf(ps *problems, path *field.Path, i int, signal *Signal, s *MigrationSpec) {
	if signal.Service != "" && len(validation.IsDNS1123Label(signal.Service)) > 0 {
		ps.add(path.Child("service"), "%q is not a name: use small letters, digits and -, at most 63", signal.Service)
	}
	if signal.Route != "" && s.route(signal.Route) == nil {
		var names []string
		for _, r := range s.Routes {
			names = append(names, r.Name)
		}
		ps.add(path.Child("route"), "no route has the name %q; %s", signal.Route, choice(signal.Route, names))
	}
	for _, other := range s.Signals[:i] {
		if signal.Service == "" || other.Service != signal.Service {
			continue
		}
		if other.Route != signal.Route && other.Route != "" && signal.Route != "" {
			ps.add(path.Child("route"), "the signals of service %s belong to different routes, %s and %s: give one of them another service", signal.Service, other.Route, signal.Route)
		}
		if a, b := eventNames(&other), eventNames(signal); len(a) > 0 && len(b) > 0 && !slices.Equal(a, b) {
			ps.add(path.Child("service"), "the signals of service %s count different events: give each the same, in the same order, or none", signal.Service)
		}
	}
}

func eventNames(s *Signal) (names []string) {
	if c := s.counters(); c != nil {
		for _, e := range c.Events {
			names = append(names, e.Name)
		}
	}
	return names
}

// counters returns what the signal selects; nil for one that selects nothing.
func (s *Signal) counters() *Counters {
	switch {
	case s.Scrape != nil:
		return &s.Scrape.Counters
	case s.Prometheus != nil:
		return &s.Prometheus.Counters
	case s.Datadog != nil:
		return &s.Datadog.Counters
	default:
		return nil
	}
}

// checkBalancer reports a signal of a load balancer that no such route is named
// for.
func checkBalancer(ps *problems, path *field.Path, signal *Signal, s *MigrationSpec) {
	balancers := albRoutes(s)
	switch r := s.route(signal.Route); {
	case len(balancers) == 0:
		ps.add(path, "counts at a load balancer, and no route is one: add an alb route, or use another signal")
	case signal.Route == "" && len(balancers) > 1:
		ps.missing(path.Child("route"), "name the route whose target groups are meant; "+thereAre(balancers))
	case r != nil && r.ALB == nil:
		ps.add(path.Child("route"), "route %q is no load balancer; %s", signal.Route, thereAre(balancers))
	}
}

func checkCloudWatch(ps *problems, path *field.Path, c *CloudWatchSignal, signal *Signal, s *MigrationSpec) {
	checkBalancer(ps, path, signal, s)
	at := path.Child("cloudWatch")
	checkLatencies(ps, at.Child("latencies"), c.Latencies, 10)
	checkPositive(ps, at.Child("delay"), c.Delay)
	checkAWS(ps, at.Child("aws"), c.AWS)
}

func checkAccessLog(ps *problems, path *field.Path, l *AccessLogSignal, signal *Signal, s *MigrationSpec) {
	checkBalancer(ps, path, signal, s)
	at := path.Child("accessLog")
	switch {
	case l.File == "" && l.Directory == "":
		ps.missing(at, "name a file, - for standard input, or a directory")
	case l.File != "" && l.Directory != "":
		ps.add(at, "has file and directory: keep one of them")
	}
	checkPath(ps, at.Child("file"), l.File)
	checkPath(ps, at.Child("directory"), l.Directory)
	if l.Errors != "" && !answers.MatchString(l.Errors) {
		ps.add(at.Child("errors"), "%q is not a list of answers: write such as 5xx or 502,503", l.Errors)
	}
	checkWord(ps, at.Child("attempts"), l.Attempts)
	checkPositive(ps, at.Child("delay"), l.Delay)
}

// answers is a list of status codes and of classes of them.
var answers = regexp.MustCompile(`^[1-5]([0-9]{2}|xx)(,[1-5]([0-9]{2}|xx))*$`)

func checkDatadog(ps *problems, path *field.Path, d *DatadogSignal) {
	if d.URL != "" {
		checkURL(ps, path.Child("url"), d.URL)
		if d.Site != "" {
			ps.add(path.Child("site"), "site and url name two places: keep one of them")
		}
	}
	checkCounters(ps, path, &d.Counters)
	checkApart(ps, path, &d.Counters, false)
	checkPositive(ps, path.Child("every"), d.Every)
	checkPositive(ps, path.Child("delay"), d.Delay)
	checkPath(ps, path.Child("apiKeyFile"), d.APIKeyFile)
	checkPath(ps, path.Child("appKeyFile"), d.AppKeyFile)
}

func checkPath(ps *problems, path *field.Path, file string) {
	if strings.HasPrefix(file, "~") {
		ps.add(path, "%q: only a shell knows what ~ is: write the whole path", file)
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
	checkApart(ps, path, &s.Counters, false)
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
	switch u := s.URL; {
	case u.Source == "" && u.Target == "":
		ps.missing(path.Child("url"), "name the server, such as http://prometheus:9090")
	case u.Source == u.Target:
		checkURL(ps, path.Child("url"), strings.ReplaceAll(u.Source, EnvironmentPlaceholder, "environment"))
	default:
		checkURL(ps, path.Child("url", "source"), u.Source)
		checkURL(ps, path.Child("url", "target"), u.Target)
	}
	checkPositive(ps, path.Child("interval"), s.Interval)
	checkCounters(ps, path, &s.Counters)
	apart := s.URL.Source != s.URL.Target || strings.Contains(s.URL.Source, EnvironmentPlaceholder)
	checkApart(ps, path, &s.Counters, apart)
}

// checkApart reports expressions that count both sides together, which only
// servers of their own tell apart.
func checkApart(ps *problems, path *field.Path, c *Counters, servers bool) {
	if servers {
		return
	}
	expressions := map[string]Expression{"requests": c.Requests, "errors": c.Errors}
	if c.Latency != nil {
		expressions["latency"] = *c.Latency
	}
	for _, name := range slices.Sorted(maps.Keys(expressions)) {
		checkTold(ps, path.Child(name), expressions[name])
	}
	for i, e := range c.Events {
		checkTold(ps, path.Child("events").Index(i).Child("count"), e.Count)
	}
}

func checkTold(ps *problems, path *field.Path, e Expression) {
	if e.Source != "" && e.Source == e.Target && !strings.Contains(e.Source, EnvironmentPlaceholder) {
		ps.add(path, "reads the same for both sides: tell them apart by a label with ${environment}, or write {source: ..., target: ...}")
	}
}

func checkCounters(ps *problems, path *field.Path, c *Counters) {
	checkExpression(ps, path.Child("requests"), c.Requests, "select the counter of all requests, such as http_requests_total{cluster=\"${environment}\"}")
	checkExpression(ps, path.Child("errors"), c.Errors, "select the counter of failed requests, such as http_requests_total{cluster=\"${environment}\",code=~\"5..\"}")
	if c.Latency != nil {
		checkExpression(ps, path.Child("latency"), *c.Latency, "select the _bucket series of the latency, or remove the field")
	}
	checkCount(ps, path.Child("events"), len(c.Events), 5, "events")
	seen := map[string]bool{}
	for i, e := range c.Events {
		at := path.Child("events").Index(i)
		switch {
		case e.Name == "":
			ps.missing(at.Child("name"), "give the event a name, such as declined")
		case len(validation.IsDNS1123Label(e.Name)) > 0:
			ps.add(at.Child("name"), "%q is not a name: use small letters, digits and -, at most 63", e.Name)
		case seen[e.Name]:
			ps.add(at.Child("name"), "%q is the name of another event: give this one its own", e.Name)
		}
		seen[e.Name] = true
		checkExpression(ps, at.Child("count"), e.Count, "select the counter of the event")
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
	return slices.ContainsFunc(signals, func(s Signal) bool {
		c := s.counters()
		return c != nil && c.Latency != nil || s.AccessLog != nil || s.CloudWatch != nil && len(s.CloudWatch.Latencies) > 0
	})
}
