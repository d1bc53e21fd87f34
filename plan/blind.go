package plan

import (
	"regexp"
	"strconv"
	"strings"

	"watari.dev/router"
	"watari.dev/traffic"
)

// BlindForecast is a signal that counts a route whose requests are gRPC by their HTTP
// status. That is 200 for a call that has failed too (gRPC over HTTP2, Responses).
type BlindForecast struct {
	Signal string // the name of its query
	Route  string
}

// blind returns the signals that do not see failures of gRPC, in the order of the file.
func (p Plan) blind(features map[string]router.Features) (out []BlindForecast) {
	for _, s := range p.Signals {
		for _, l := range p.Levers {
			if features[l.Ref.Name].GRPC && p.countsByStatus(s, l.Ref) {
				out = append(out, BlindForecast{Signal: s.Query.Name, Route: l.Ref.Name})
			}
		}
	}
	return out
}

// countsByStatus reports whether a signal counts the requests of a route, and its
// failures by HTTP status: a load balancer knows nothing else, and a selector may ask
// for it.
func (p Plan) countsByStatus(s Signal, route router.Ref) bool {
	if s.CloudWatch != nil || s.AccessLog != nil {
		return s.Query.Requests == traffic.BySide[string]{Source: route.Source, Target: route.Target}
	}
	return p.routeOf(s) == route.Name && (asksForStatus(s.Query.Errors.Source) || asksForStatus(s.Query.Errors.Target))
}

// routeOf returns the name of the route whose requests a signal counts; empty if the
// file does not say.
func (p Plan) routeOf(s Signal) string {
	if a := p.Spec.Gate.Analysis; a != nil {
		for _, service := range a.Services {
			if service.Name == s.Service {
				return service.Route
			}
		}
	}
	return ""
}

// statusLabel is the name of a label with a status of HTTP, or the class of one; and
// statusMetric that of a metric that counts nothing else, such as upstream_rq_5xx.
var (
	statusLabel  = regexp.MustCompile(`^(.*_)?(code|status|statuscode|statusclass|responsecode)(_class)?$`)
	statusMetric = regexp.MustCompile(`(?i)(?:^|[^0-9a-z])5(?:xx|[0-9][0-9])(?:[^0-9a-z]|$)`)
)

// asksForStatus reports whether a selector of errors asks for HTTP statuses and not for
// those of gRPC: these have a metric or a label of their own. That a value has gRPC in it,
// such as the name of a service, says nothing.
func asksForStatus(errors string) bool {
	metric, matchers := matchersOf(errors)
	if strings.Contains(strings.ToLower(metric), "grpc") {
		return false
	}
	byLabel := map[string][]matcher{}
	for _, m := range matchers {
		if strings.Contains(m.label, "grpc") {
			return false
		}
		if statusLabel.MatchString(m.label) {
			byLabel[m.label] = append(byLabel[m.label], m)
		}
	}
	for _, of := range byLabel {
		if takesFailures(of) {
			return true
		}
	}
	return statusMetric.MatchString(metric)
}

// takesFailures reports whether the conditions on one label take a failure as HTTP has
// it, and not what is no failure: they tell one from the other.
func takesFailures(of []matcher) bool {
	takes := func(value string) bool {
		for _, m := range of {
			if !m.takes(value) {
				return false
			}
		}
		return true
	}
	for code := 500; code < 600; code++ {
		if takes(strconv.Itoa(code)) && !takes("200") {
			return true
		}
	}
	return takes("5xx") && !takes("2xx") || takes("5XX") && !takes("2XX") || takes("5") && !takes("2")
}
