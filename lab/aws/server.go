package aws

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"watari.dev/lab/aws/cloudwatch"
	"watari.dev/lab/aws/eks"
	"watari.dev/lab/aws/elbv2"
	"watari.dev/lab/aws/route53"
	"watari.dev/lab/aws/sts"
	"watari.dev/lab/aws/wire"
	"watari.dev/lab/fault"
)

// maxBody of a request; AWS's own limits are lower.
const maxBody = 4 << 20

// userName is the account's one IAM user, whose key is used.
const userName = "lab"

// Planes are the data planes that the emulator feeds.
type Planes struct {
	Balancer elbv2.DataPlane
	DNS      Names
	DNSAddr  string       // host:port, for /_lab/endpoints
	Metrics  http.Handler // of the balancer; nil: /_lab/metrics is empty
	Links    *Links       // the balancer's ways to pods; nil: none can be cut

	Numbers *cloudwatch.Recorder // what the balancer reports to CloudWatch; nil: nothing but the numbers of targets

	// Now is the clock of signatures, token buckets, CloudWatch and, if it is
	// given, of every answer's Date; nil: time.Now.
	Now func() time.Time
}

// Server is the emulator's endpoint. Run must run while it serves.
type Server struct {
	conf     Config
	planes   Planes
	services map[string]wire.Service
	elb      *elbv2.Service
	dns      *route53.Service
	numbers  *cloudwatch.Service
	sts      *sts.Service
	names    publisher
	buckets  *wire.Buckets
	calls    calls
	fault    atomic.Pointer[Fault]
	rules    *fault.Rules
	slow     *slow
	control  http.Handler // of faults and links
	now      func() time.Time
	log      *slog.Logger
}

// New loads the state in Config.Dir; an empty Dir keeps nothing.
func New(conf Config, planes Planes, log *slog.Logger) (*Server, error) {
	if err := conf.Validate(); err != nil {
		return nil, err
	}
	conf = conf.withDefaults()
	s := &Server{conf: conf, planes: planes, buckets: wire.NewBuckets(conf.rates()), now: planes.Now, log: log, slow: newSlow()}
	if s.now == nil {
		s.now = time.Now
	}
	s.rules = fault.NewRules(func() time.Time { return s.now() })
	s.control = s.newControl()
	services, err := s.newServices()
	if err != nil {
		return nil, err
	}
	s.services = make(map[string]wire.Service, len(services))
	for _, service := range services {
		s.services[service.Name()] = service
	}
	return s, nil
}

// newServices is the list of services: one line each.
func (s *Server) newServices() ([]wire.Service, error) {
	var err error
	if s.elb, err = elbv2.New(elbv2.Options{
		Account: s.conf.Account, Region: s.conf.Region, Seed: s.conf.Seed, PropagationDelay: s.conf.PropagationDelay,
		State: s.state("elbv2"), Plane: s.planes.Balancer, Published: s.publishNames, Logger: s.log,
	}); err != nil {
		return nil, err
	}
	if s.dns, err = route53.New(route53.Options{
		Seed: s.conf.Seed, InsyncDelay: s.conf.InsyncDelay, ProcessingTime: s.conf.ProcessingTime, State: s.state("route53"),
		LoadBalancerZoneID: elbv2.CanonicalHostedZoneID, IsLoadBalancer: s.elb.HasName, Published: s.publishNames,
	}); err != nil {
		return nil, err
	}
	s.numbers = cloudwatch.New(cloudwatch.Options{
		Account: s.conf.Account, Numbers: s.planes.Numbers, PublishDelay: s.conf.PublishDelay, Hosts: s.hosts, Now: s.now,
	})
	s.sts = &sts.Service{
		Account: s.conf.Account, Region: s.conf.Region, User: userName, Seal: s.conf.SecretKey,
		Roles: s.conf.Roles, Providers: s.conf.Providers, Now: func() time.Time { return s.now() },
	}
	return []wire.Service{
		s.elb,
		s.dns,
		s.numbers,
		s.sts,
		&eks.Service{Account: s.conf.Account, Region: s.conf.Region, Clusters: s.conf.Clusters},
	}, nil
}

// hosts says how many targets of each group are healthy.
func (s *Server) hosts() []cloudwatch.Hosts {
	var all []cloudwatch.Hosts
	for _, g := range s.elb.Hosts() {
		all = append(all, cloudwatch.Hosts(g))
	}
	return all
}

func (s *Server) state(service string) wire.StateFile {
	if s.conf.Dir == "" {
		return wire.StateFile{}
	}
	return wire.StateFile{Path: filepath.Join(s.conf.Dir, "aws-"+service+".json")}
}

// Run feeds the data planes until ctx ends.
func (s *Server) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { s.elb.Run(ctx) })
	running.Go(func() { s.dns.Run(ctx) })
	running.Go(func() { s.watchHealth(ctx) })
	running.Go(func() { s.numbers.Run(ctx) })
	running.Wait()
	s.slow.end()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, labPrefix) {
		s.serveLab(w, r)
		return
	}
	call := wire.Call{RequestID: wire.RequestID(), HTTP: r}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.answer(w, call.RequestID, wire.XMLError("", wire.Errorf("RequestEntityTooLarge", "The request body could not be read: %v", err), call.RequestID))
		return
	}
	call.Body = body
	if action, open := s.sts.Open(r, body); open {
		call.Action = action
		s.carryOut(w, s.sts, call)
		return
	}
	sig, failure := parseAuthorization(r.Header.Get("Authorization"))
	service, known := s.services[sig.service]
	if failure == nil && !known {
		failure = mismatch("Credential should be scoped to correct service: this emulator has no service '%s'.", sig.service)
	}
	if failure != nil {
		s.answer(w, call.RequestID, wire.XMLError("", failure, call.RequestID))
		return
	}
	action, unknown := service.Action(r, body)
	if call.Caller, failure = s.authenticate(r, body, sig, s.clockFor(w, service.Name(), action)); failure == nil {
		call.Action, failure = action, unknown
	}
	if failure != nil {
		s.finish(w, service, call, wire.Reply{}, failure)
		return
	}
	s.carryOut(w, service, call)
}

// carryOut does a verified call, with whatever fault is injected into it.
func (s *Server) carryOut(w http.ResponseWriter, service wire.Service, call wire.Call) {
	fault := s.injected(service.Name(), call)
	if !pause(call.HTTP.Context(), fault.Delay) || fault.DropBefore {
		drop()
	}
	if fault.Slow > 0 {
		s.slowly(w, service, call, fault)
		return
	}
	var reply wire.Reply
	failure := fault.Err
	if failure == nil {
		reply, failure = s.act(call.HTTP.Context(), service, call)
	}
	if fault.DropReply {
		s.calls.count(service.Name(), call.Action, failure)
		drop()
	}
	if fault.ErrAfter != nil {
		failure = fault.ErrAfter
	}
	s.finish(w, service, call, reply, failure)
}

// act does a call, if there is a token for it.
func (s *Server) act(ctx context.Context, service wire.Service, call wire.Call) (wire.Reply, *wire.Error) {
	if !s.buckets.Take(service.Name()+"/"+service.Bucket(call.Action), s.now()) {
		return wire.Reply{}, wire.Throttled()
	}
	return service.Do(ctx, call)
}

// drop closes the caller's connection without an answer.
func drop() { panic(http.ErrAbortHandler) }

// pause waits and says whether the caller is still there.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// finish counts, logs and answers a call.
func (s *Server) finish(w http.ResponseWriter, service wire.Service, call wire.Call, reply wire.Reply, failure *wire.Error) {
	s.calls.count(service.Name(), call.Action, failure)
	s.reply(w, service, call, reply, failure)
}

// reply logs and answers a call.
func (s *Server) reply(w http.ResponseWriter, service wire.Service, call wire.Call, reply wire.Reply, failure *wire.Error) {
	if failure != nil {
		s.log.Debug("call refused", "service", service.Name(), "action", call.Action, "code", failure.Code, "message", failure.Message)
		reply = service.RenderError(failure, call.RequestID)
	}
	s.answer(w, call.RequestID, reply)
}

// answer writes a reply with the headers that all services share.
func (s *Server) answer(w http.ResponseWriter, requestID string, reply wire.Reply) {
	header := w.Header()
	header.Set("Content-Type", reply.ContentType)
	header.Set("x-amzn-RequestId", requestID)
	if s.planes.Now != nil && header.Get("Date") == "" {
		header.Set("Date", s.now().UTC().Format(http.TimeFormat))
	}
	for name, value := range reply.Header {
		header.Set(name, value)
	}
	w.WriteHeader(reply.Status)
	if _, err := w.Write(reply.Body); err != nil {
		s.log.Debug("the caller went away before the answer", "requestId", requestID, "error", err)
	}
}
