package aws

import (
	"encoding/json"
	"maps"
	"net/http"
	"sync"

	"watari.dev/lab/aws/elbv2"
	"watari.dev/lab/aws/wire"
	"watari.dev/lab/fault"
)

// labPrefix is the part of the endpoint that AWS does not have. It needs no
// signature.
const labPrefix = "/_lab/"

// Endpoints is the answer of GET /_lab/endpoints: where things really are.
type Endpoints struct {
	Listeners map[string]elbv2.Endpoint `json:"listeners"` // by listener ARN; only those that the data plane has
	DNS       string                    `json:"dns"`       // host:port of the DNS server
	Metrics   string                    `json:"metrics"`   // URL of the balancer's Prometheus metrics
}

// newControl serves what makes things go wrong: faults and links, for those who
// show the lab's token.
func (s *Server) newControl() http.Handler {
	mux := http.NewServeMux()
	faults := fault.Handler(labPrefix+"faults", s.conf.Token, s.rules)
	mux.Handle(labPrefix+"faults", faults)
	mux.Handle(labPrefix+"faults/", faults)
	if s.planes.Links != nil {
		links := fault.RequireToken(s.conf.Token, http.HandlerFunc(s.planes.Links.serve))
		mux.Handle("PUT "+labPrefix+"links/{name}", links)
		mux.Handle("GET "+labPrefix+"links/{name}", links)
	}
	return mux
}

// serveLab answers what the lab asks: endpoints, metrics, healthz and calls, and
// what control has.
func (s *Server) serveLab(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case labPrefix + "healthz":
		w.WriteHeader(http.StatusOK)
	case labPrefix + "endpoints":
		s.writeJSON(w, Endpoints{Listeners: s.elb.Endpoints(), DNS: s.planes.DNSAddr, Metrics: "http://" + r.Host + labPrefix + "metrics"})
	case labPrefix + "calls":
		s.writeJSON(w, s.calls.read())
	case labPrefix + "metrics":
		if s.planes.Metrics != nil {
			s.planes.Metrics.ServeHTTP(w, r)
		}
	default:
		s.control.ServeHTTP(w, r)
	}
}

func (s *Server) writeJSON(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(document); err != nil {
		s.log.Debug("the caller went away before the answer", "error", err)
	}
}

// Calls counts calls by service, action and result; the result is ok or an
// error code. It is the answer of GET /_lab/calls.
type Calls map[string]map[string]map[string]int

type calls struct {
	mu     sync.Mutex
	counts Calls
}

func (c *calls) count(service, action string, failure *wire.Error) {
	result := "ok"
	if failure != nil {
		result = failure.Code
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(Calls)
	}
	if c.counts[service] == nil {
		c.counts[service] = make(map[string]map[string]int)
	}
	if c.counts[service][action] == nil {
		c.counts[service][action] = make(map[string]int)
	}
	c.counts[service][action][result]++
}

func (c *calls) read() Calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	copied := make(Calls, len(c.counts))
	for service, actions := range c.counts {
		copied[service] = make(map[string]map[string]int, len(actions))
		for action, results := range actions {
			copied[service][action] = maps.Clone(results)
		}
	}
	return copied
}
