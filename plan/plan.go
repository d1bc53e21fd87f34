package plan

import (
	"encoding/json"
	"fmt"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// Plan is a migration, resolved and complete. It is what the store keeps as a
// migration's spec: a rollback needs nothing else.
type Plan struct {
	Version      int                         `json:"version"`         // of this format
	Needs        string                      `json:"needs,omitempty"` // the first version of watari that reads it
	Spec         engine.Spec                 `json:"spec"`
	Levers       []Lever                     `json:"levers"`
	Signals      []Signal                    `json:"signals,omitempty"`
	Environments traffic.BySide[Environment] `json:"environments"`
}

// formatVersion changes when an older watari could misread a stored plan. Plans
// of version 1 have thresholds and no analysis; they are read as they were meant.
const formatVersion = 2

// needs is the first version of watari that reads formatVersion.
const needs = "v0.1.0"

// Lever is one route with how its data plane is reached.
type Lever struct {
	Ref router.Ref `json:"ref"`
	AWS AWS        `json:"aws"`
	// Patience is how long one look at the route may take, because its driver
	// must wait for its turn at an API that counts calls; 0 is the runner's own.
	Patience time.Duration `json:"patience,omitempty"`
}

// AWS says how AWS is reached; what is empty comes from the SDK's standard chain.
type AWS struct {
	Profile     string `json:"profile,omitempty"`
	Region      string `json:"region,omitempty"`
	RoleARN     string `json:"roleARN,omitempty"`
	EndpointURL string `json:"endpointURL,omitempty"`
}

// Signal is one source of counts; exactly one kind is set.
type Signal struct {
	Service    string        `json:"service,omitempty"` // what it counts; a service of the gate's analysis
	Every      time.Duration `json:"every,omitempty"`   // how often it has something new
	Query      signal.Query  `json:"query"`
	Scrape     *Scrape       `json:"scrape,omitempty"`
	Prometheus *Prometheus   `json:"prometheus,omitempty"`
	CloudWatch *CloudWatch   `json:"cloudWatch,omitempty"`
	AccessLog  *AccessLog    `json:"accessLog,omitempty"`
	Datadog    *Datadog      `json:"datadog,omitempty"`
}

// Scrape reads metrics endpoints.
type Scrape struct {
	Endpoints []string      `json:"endpoints"`
	Interval  time.Duration `json:"interval"`
	Timeout   time.Duration `json:"timeout"`
}

// Prometheus asks a Prometheus server, or one for each side.
type Prometheus struct {
	URL    string `json:"url"`              // of the source's server
	Target string `json:"target,omitempty"` // of the target's, if it is another one
}

// CloudWatch asks Amazon CloudWatch about target groups.
type CloudWatch struct {
	AWS      AWS           `json:"aws"`
	Listener string        `json:"listener"` // ARN of the listener or rule, which names the load balancer
	Delay    time.Duration `json:"delay"`
}

// AccessLog reads a load balancer's access log.
type AccessLog struct {
	Path         string        `json:"path"` // a file or a directory; - is standard input
	All          bool          `json:"all,omitempty"`
	AttemptField string        `json:"attemptField,omitempty"`
	Delay        time.Duration `json:"delay,omitempty"`
}

// Datadog asks Datadog. Keys are not part of a plan.
type Datadog struct {
	Site       string        `json:"site,omitempty"`
	URL        string        `json:"url,omitempty"`
	Every      time.Duration `json:"every"`
	Delay      time.Duration `json:"delay"`
	APIKeyFile string        `json:"apiKeyFile,omitempty"`
	AppKeyFile string        `json:"appKeyFile,omitempty"`
}

// Environment is one side; exactly one kind is set.
type Environment struct {
	Name       string      `json:"name"`
	Kubernetes *Kubernetes `json:"kubernetes,omitempty"`
}

// Kubernetes names a cluster and the namespaces that are meant.
type Kubernetes struct {
	Kubeconfig string   `json:"kubeconfig,omitempty"`
	Context    string   `json:"context,omitempty"`
	Include    []string `json:"include,omitempty"`
	Exclude    []string `json:"exclude,omitempty"`
}

// Decode reads a stored plan. A plan written by a newer watari is refused rather
// than misread.
func Decode(data json.RawMessage) (Plan, error) {
	var head struct { // what a newer one has besides may be of other types
		Version int
		Needs   string
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Plan{}, fmt.Errorf("read the stored plan: %w", err)
	}
	if head.Version < 1 || head.Version > formatVersion {
		use := "use the version that wrote it"
		if head.Needs != "" {
			use = "it needs watari " + head.Needs + " or later"
		}
		return Plan{}, fmt.Errorf("read the stored plan: it has format %d and this watari reads up to %d; %s; nothing was changed", head.Version, formatVersion, use)
	}
	var p Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return Plan{}, fmt.Errorf("read the stored plan: %w", err)
	}
	return p, nil
}

// Encode writes the plan as it is stored.
func (p Plan) Encode() (json.RawMessage, error) { return json.Marshal(p) }

// Lever returns the lever of a route.
func (p Plan) Lever(route string) (Lever, bool) {
	for _, l := range p.Levers {
		if l.Ref.Name == route {
			return l, true
		}
	}
	return Lever{}, false
}
