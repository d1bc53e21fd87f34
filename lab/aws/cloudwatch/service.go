package cloudwatch

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"watari.dev/lab/aws/wire"
)

const (
	serviceName = "monitoring"
	// rpcName is the service's name in the path of a call.
	rpcName = "GraniteServiceVersion20100801"
	// shapeNamespace is the namespace of its errors in the Smithy model.
	shapeNamespace = "com.amazonaws.cloudwatch"
)

// hostsInterval is how often the numbers of targets are published. AWS says only
// that load balancer nodes report several samples in a period.
const hostsInterval = 15 * time.Second

// Options say what the service tells about.
type Options struct {
	Account      string // 12 digits
	Numbers      *Recorder
	PublishDelay time.Duration    // from the end of a minute until it can be read
	Hosts        func() []Hosts   // asked for the numbers of targets; nil: they are not published
	Now          func() time.Time // nil: time.Now
}

// Service implements wire.Service.
type Service struct{ opts Options }

// New returns the service. Run publishes the numbers of targets.
func New(opts Options) *Service {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Numbers == nil {
		opts.Numbers = NewRecorder()
	}
	return &Service{opts}
}

// Run publishes the numbers of targets until ctx ends.
func (s *Service) Run(ctx context.Context) {
	if s.opts.Hosts == nil {
		return
	}
	ticker := time.NewTicker(hostsInterval)
	defer ticker.Stop()
	for {
		s.opts.Numbers.Hosts(s.opts.Now(), s.opts.Hosts()...)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// operations are the actions that are here.
var operations = map[string]func(*Service, []byte) (any, *wire.Error){
	"GetMetricData":       operation((*Service).getMetricData),
	"GetMetricStatistics": operation((*Service).getMetricStatistics),
	"ListMetrics":         operation((*Service).listMetrics),
}

// operation decodes the input of one action.
func operation[In, Out any](do func(*Service, In) (Out, *wire.Error)) func(*Service, []byte) (any, *wire.Error) {
	return func(s *Service, body []byte) (any, *wire.Error) {
		var in In
		if err := wire.DecodeCBOR(body, &in); err != nil {
			return nil, err
		}
		return do(s, in)
	}
}

// Name is the service's name in a credential scope.
func (s *Service) Name() string { return serviceName }

// Actions lists what the service serves.
func (s *Service) Actions() []string { return slices.Sorted(maps.Keys(operations)) }

// Action reads the operation from the path.
func (s *Service) Action(r *http.Request, _ []byte) (string, *wire.Error) {
	action, err := wire.RPCAction(r, rpcName)
	if err != nil {
		return "", err
	}
	if _, ok := operations[action]; !ok {
		return "", wire.InvalidAction(action)
	}
	return action, nil
}

// Bucket gives every action a bucket of its own ("CloudWatch service quotas").
func (s *Service) Bucket(action string) string { return action }

// Do carries out an action.
func (s *Service) Do(_ context.Context, call wire.Call) (wire.Reply, *wire.Error) {
	out, err := operations[call.Action](s, call.Body)
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.CBORReply(http.StatusOK, out), nil
}

// shapes are the errors whose name in the model is not their code.
var shapes = map[string]string{
	"AccessDenied":                "AccessDeniedException",
	"ExpiredToken":                "ExpiredTokenException",
	"InvalidParameterCombination": "InvalidParameterCombinationException",
	"InvalidParameterValue":       "InvalidParameterValueException",
	"MissingParameter":            "MissingRequiredParameterException",
	"Throttling":                  "ThrottlingException",
}

// RenderError writes the error document of the RPC v2 CBOR protocol.
func (s *Service) RenderError(e *wire.Error, _ string) wire.Reply {
	return wire.CBORError(shapeNamespace, shapes, e)
}
