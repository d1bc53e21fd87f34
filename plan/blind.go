package plan

import (
	"regexp"
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

// status is how selectors name HTTP's failures: 5.., 5xx, 5\d\d, 5[0-9]{2}, 500, 503.
var status = regexp.MustCompile(`(?i)(?:^|[^0-9])5(\.\.|xx|\\+d|\[0-9\]|0[0-9]\b|\.[*+{])`)

// asksForStatus reports whether a selector of errors asks for HTTP statuses and not for
// those of gRPC.
func asksForStatus(errors string) bool {
	return status.MatchString(errors) && !strings.Contains(strings.ToLower(errors), "grpc")
}
