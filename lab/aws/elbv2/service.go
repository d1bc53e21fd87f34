package elbv2

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"watari.dev/lab/alb"
	"watari.dev/lab/aws/wire"
)

const (
	serviceName = "elasticloadbalancing"
	apiVersion  = "2015-12-01"
	namespace   = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
)

// DataPlane is what serves the traffic.
type DataPlane interface {
	// Apply replaces the whole configuration.
	Apply(alb.Config) error
	// Health says how the targets of a group are, draining ones included.
	Health(targetGroupARN string) []alb.Health
}

// Options say for whom the service works.
type Options struct {
	Account          string // 12 digits
	Region           string
	Seed             uint64         // of identifiers
	PropagationDelay time.Duration  // from an answered change to its hand-over
	State            wire.StateFile // zero: nothing is kept
	Plane            DataPlane
	Published        func()                                              // called after a hand-over; nil: nobody asks
	Now              func() time.Time                                    // nil: time.Now
	FreePort         func(addrs []netip.Addr, port int, taken []int) int // nil: asks the kernel; see pickPort
	Logger           *slog.Logger                                        // nil: slog.Default
}

// Service implements wire.Service. Run hands changes to the data plane.
type Service struct {
	opts  Options
	later *wire.Later

	mu     sync.Mutex
	model  model // never changed in place, only replaced
	served model // what the data plane has
}

// New loads the saved state.
func New(opts Options) (*Service, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.FreePort == nil {
		opts.FreePort = pickPort
	}
	if opts.Published == nil {
		opts.Published = func() {}
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	s := &Service{opts: opts, later: wire.NewLater(opts.PropagationDelay), model: newModel(), served: newModel()}
	if err := opts.State.Load(&s.model); err != nil {
		return nil, err
	}
	return s, nil
}

// Run hands the loaded state over at once and every change after its delay,
// until ctx ends.
func (s *Service) Run(ctx context.Context) {
	s.handOver(s.current())
	s.later.Run(ctx)
}

// current is the model as the last answered call left it.
func (s *Service) current() model {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.model
}

// update makes one change: entirely, saved and on its way to the data plane,
// or not at all.
func (s *Service) update(change func(*model) *wire.Error) *wire.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.model.clone()
	if err := change(&next); err != nil {
		return err
	}
	if err := s.opts.State.Save(next); err != nil {
		return wire.InternalFailure(err)
	}
	s.model = next
	s.later.Do(func() { s.handOver(next) })
	return nil
}

// handOver gives a model to the data plane. If an address is taken, which can
// happen between choosing a port and opening it, the listener moves to another
// port: the port on loopback is ours to choose, not the user's.
func (s *Service) handOver(m model) {
	m = s.withCurrentPorts(m)
	err := s.opts.Plane.Apply(m.snapshot())
	if err != nil && s.moveListeners(m) {
		m = s.withCurrentPorts(m)
		err = s.opts.Plane.Apply(m.snapshot())
	}
	if err != nil {
		s.opts.Logger.Error("the data plane refused a configuration", "error", err)
		return
	}
	s.mu.Lock()
	s.served = m
	s.mu.Unlock()
	s.opts.Published()
}

// withCurrentPorts is the model with listeners where they were moved since.
func (s *Service) withCurrentPorts(m model) model {
	now := s.current()
	m = m.clone()
	for arn, l := range m.Listeners {
		if moved, ok := now.Listeners[arn]; ok {
			l.LocalPort = moved.LocalPort
			m.Listeners[arn] = l
		}
	}
	return m
}

// moveListeners picks new ports for the listeners of m that the data plane
// does not have and cannot open. It says whether there were any.
func (s *Service) moveListeners(m model) (moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.model.clone()
	for arn, l := range m.Listeners {
		if s.served.Listeners[arn].LocalPort == l.LocalPort {
			continue
		}
		port := s.opts.FreePort(m.balancerOf(arn).Addresses, l.LocalPort, nil)
		if current, ok := next.Listeners[arn]; ok && port != 0 && port != l.LocalPort {
			current.LocalPort = port
			next.Listeners[arn] = current
			moved = true
		}
	}
	if err := s.opts.State.Save(next); err != nil {
		s.opts.Logger.Warn("new ports of listeners are not saved", "error", err)
	}
	s.model = next
	return moved
}

// Name is the service's name in a credential scope.
func (s *Service) Name() string { return serviceName }

// Actions lists what the service serves.
func (s *Service) Actions() []string { return slices.Sorted(maps.Keys(operations)) }

// Action reads the Action parameter.
func (s *Service) Action(_ *http.Request, body []byte) (string, *wire.Error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return "", wire.Errorf("MalformedQueryString", "The request body is not a form: %v", err)
	}
	action := values.Get("Action")
	if action == "" {
		return "", wire.Errorf("MissingAction", "The request is missing an action or a required parameter.")
	}
	if _, ok := operations[action]; !ok || values.Get("Version") != apiVersion {
		return "", wire.Errorf("InvalidAction", "Could not find operation %s for version %s", action, values.Get("Version"))
	}
	return action, nil
}

// Bucket groups actions as the API's throttling does ("Request throttling for
// the ELB API"): describing ones, registering ones, and the others.
func (s *Service) Bucket(action string) string {
	switch {
	case strings.HasPrefix(action, "Describe"):
		return "describe"
	case action == "RegisterTargets" || action == "DeregisterTargets":
		return "register"
	default:
		return "modify"
	}
}

// Do carries out an action.
func (s *Service) Do(_ context.Context, call wire.Call) (wire.Reply, *wire.Error) {
	values, err := url.ParseQuery(string(call.Body))
	if err != nil {
		return wire.Reply{}, wire.Errorf("MalformedQueryString", "The request body is not a form: %v", err)
	}
	result, failure := operations[call.Action](s, values)
	if failure != nil {
		return wire.Reply{}, failure
	}
	return wire.QueryReply(namespace, call.Action, call.RequestID, result), nil
}

// RenderError writes the error document of the Query protocol.
func (s *Service) RenderError(e *wire.Error, requestID string) wire.Reply {
	return wire.XMLError(namespace, e, requestID)
}
