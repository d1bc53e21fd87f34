package route53

import (
	"context"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"watari.dev/lab/aws/wire"
)

const (
	serviceName = "route53"
	namespace   = "https://route53.amazonaws.com/doc/2013-04-01/"
	pathPrefix  = "/2013-04-01/"
)

// Options say for whom the service works.
type Options struct {
	Seed           uint64         // of identifiers
	InsyncDelay    time.Duration  // from PENDING to INSYNC
	ProcessingTime time.Duration  // of one change batch; another one for the same zone meanwhile is PriorRequestNotComplete
	State          wire.StateFile // zero: nothing is kept

	LoadBalancerZoneID string            // hosted zone of all load balancers, for alias records
	IsLoadBalancer     func(string) bool // nil: there are none
	Published          func()            // called after the data plane's view changed; nil: nobody asks
	Now                func() time.Time  // nil: time.Now
}

// Service implements wire.Service. Run brings changes to INSYNC.
type Service struct {
	opts  Options
	later *wire.Later

	mu     sync.Mutex
	model  model           // never changed in place, only replaced
	served map[string]zone // what the data plane may see, by id
	busy   map[string]bool // zones with a batch in process
}

// New loads the saved state. Every saved change counts as INSYNC.
func New(opts Options) (*Service, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.IsLoadBalancer == nil {
		opts.IsLoadBalancer = func(string) bool { return false }
	}
	if opts.Published == nil {
		opts.Published = func() {}
	}
	s := &Service{opts: opts, later: wire.NewLater(opts.InsyncDelay), model: newModel(), busy: make(map[string]bool)}
	if err := opts.State.Load(&s.model); err != nil {
		return nil, err
	}
	for id, c := range s.model.Changes {
		c.InSync = true
		s.model.Changes[id] = c
	}
	s.served = s.model.clone().Zones
	return s, nil
}

// Run makes changes INSYNC after their delay, until ctx ends.
func (s *Service) Run(ctx context.Context) { s.later.Run(ctx) }

func (s *Service) current() model {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.model
}

// Name is the service's name in a credential scope.
func (s *Service) Name() string { return serviceName }

// Bucket is one for the whole account: five requests per second, whatever the
// action ("Quotas": maximum API requests).
func (s *Service) Bucket(string) string { return "requests" }

// Actions lists what the service serves.
func (s *Service) Actions() []string { return slices.Sorted(maps.Values(routes)) }

// Action tells the action from method and path.
func (s *Service) Action(r *http.Request, _ []byte) (string, *wire.Error) {
	action, _ := route(r)
	if action == "" {
		return "", wire.InvalidAction(r.Method + " " + r.URL.Path)
	}
	return action, nil
}

// route tells the action and the id in the path. Ids may have their prefix.
func route(r *http.Request) (action, id string) {
	rest, ok := strings.CutPrefix(r.URL.Path, pathPrefix)
	if !ok {
		return "", ""
	}
	rest = strings.TrimSuffix(rest, "/")
	collection, rest, below := strings.Cut(rest, "/")
	rest = strings.TrimPrefix(rest, "/"+collection+"/") // as in hostedzone//hostedzone/Z1
	rest = strings.TrimPrefix(rest, collection+"/")
	id, child, _ := strings.Cut(rest, "/")
	if below {
		collection += "/id"
	}
	if child != "" {
		collection += "/" + child
	}
	return routes[r.Method+" "+collection], id
}

var routes = map[string]string{
	"POST hostedzone":          "CreateHostedZone",
	"GET hostedzone":           "ListHostedZones",
	"GET hostedzonesbyname":    "ListHostedZonesByName",
	"GET hostedzone/id":        "GetHostedZone",
	"DELETE hostedzone/id":     "DeleteHostedZone",
	"POST hostedzone/id/rrset": "ChangeResourceRecordSets",
	"GET hostedzone/id/rrset":  "ListResourceRecordSets",
	"GET change/id":            "GetChange",
	"POST healthcheck":         "CreateHealthCheck",
	"DELETE healthcheck/id":    "DeleteHealthCheck",
}

// Do carries out an action.
func (s *Service) Do(ctx context.Context, call wire.Call) (wire.Reply, *wire.Error) {
	_, id := route(call.HTTP)
	query := call.HTTP.URL.Query()
	switch call.Action {
	case "CreateHostedZone":
		return s.createHostedZone(call.Body)
	case "ListHostedZones":
		return s.listHostedZones(query)
	case "ListHostedZonesByName":
		return s.listHostedZonesByName(query)
	case "GetHostedZone":
		return s.getHostedZone(id)
	case "DeleteHostedZone":
		return s.deleteHostedZone(id)
	case "ChangeResourceRecordSets":
		return s.changeResourceRecordSets(ctx, id, call.Body)
	case "ListResourceRecordSets":
		return s.listResourceRecordSets(id, query)
	case "GetChange":
		return s.getChange(id)
	case "CreateHealthCheck":
		return s.createHealthCheck(call.Body)
	case "DeleteHealthCheck":
		return s.deleteHealthCheck(id)
	default:
		return wire.Reply{}, wire.InvalidAction(call.Action)
	}
}

// RenderError writes the error document of the REST/XML protocol; the errors
// of a change batch have a document of their own (API reference,
// ChangeResourceRecordSets, InvalidChangeBatch).
func (s *Service) RenderError(e *wire.Error, requestID string) wire.Reply {
	if len(e.Messages) == 0 {
		return wire.XMLError(namespace, e, requestID)
	}
	return wire.XMLReply(e.Status, struct {
		XMLName   xml.Name `xml:"InvalidChangeBatch"`
		Namespace string   `xml:"xmlns,attr"`
		Messages  []string `xml:"Messages>Message"`
		RequestID string   `xml:"RequestId"`
	}{Namespace: namespace, Messages: e.Messages, RequestID: requestID})
}

// trimID removes the prefix that ids have in answers.
func trimID(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

func decodeXML(body []byte, into any) *wire.Error {
	if err := xml.Unmarshal(body, into); err != nil {
		return wire.Errorf("InvalidInput", "Invalid XML ; %v", err)
	}
	return nil
}
