package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Signal says where requests are counted: exactly one kind.
//
// +kubebuilder:validation:ExactlyOneOf=scrape;prometheus;cloudWatch;accessLog;datadog
type Signal struct {
	// What is counted, such as checkout. Services are compared each by itself and
	// weighed together. Several signals of one service count the same: the first
	// one that knows both sides is believed. By default each signal is a service
	// of its own.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Service string `json:"service,omitempty"`

	// The route whose share says how these requests should be split; by default
	// all routes together. A signal of a load balancer belongs to the only route
	// that is one.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Route string `json:"route,omitempty"`

	// Metrics endpoints that watari reads itself.
	// +optional
	Scrape *ScrapeSignal `json:"scrape,omitempty"`

	// A Prometheus server, or what speaks its HTTP API.
	// +optional
	Prometheus *PrometheusSignal `json:"prometheus,omitempty"`

	// What Amazon CloudWatch says of a route's target groups: one minute at a
	// time, two minutes late.
	// +optional
	CloudWatch *CloudWatchSignal `json:"cloudWatch,omitempty"`

	// Access logs of an Application Load Balancer.
	// +optional
	AccessLog *AccessLogSignal `json:"accessLog,omitempty"`

	// Datadog's metrics.
	// +optional
	Datadog *DatadogSignal `json:"datadog,omitempty"`
}

// inDirectoryOf makes the paths that a file writes relative to itself whole.
func (s *Signal) inDirectoryOf(file string) {
	if l := s.AccessLog; l != nil {
		l.Directory = relativeTo(file, l.Directory)
		if l.File != "-" {
			l.File = relativeTo(file, l.File)
		}
	}
	if d := s.Datadog; d != nil {
		d.APIKeyFile, d.AppKeyFile = relativeTo(file, d.APIKeyFile), relativeTo(file, d.AppKeyFile)
	}
}

// CloudWatchSignal asks Amazon CloudWatch about the target groups of an ALB
// route.
type CloudWatchSignal struct {
	// Latencies at which requests are counted as slow, such as 300ms. Without any
	// latency is not compared.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=32
	// +kubebuilder:validation:items:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Latencies []string `json:"latencies,omitempty"`

	// How long after its end a minute is taken as complete; by default 2m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Delay *metav1.Duration `json:"delay,omitempty"`

	// How AWS is reached; by default as the route is.
	// +optional
	AWS *AWSAccess `json:"aws,omitempty"`
}

// AccessLogSignal reads the access-log lines of an Application Load Balancer, from
// a file or a directory.
//
// +kubebuilder:validation:ExactlyOneOf=file;directory
type AccessLogSignal struct {
	// A file that grows, or - for standard input. A relative path begins at the
	// directory of this file.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	File string `json:"file,omitempty"`

	// A directory to which the load balancer's log files are copied, as they come
	// to its bucket: five minutes at a time, six minutes late.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Directory string `json:"directory,omitempty"`

	// Which answers are failures: "5xx" (the default), "5xx,4xx", or codes such as
	// "502,503".
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[1-5]([0-9]{2}|xx)(,[1-5]([0-9]{2}|xx))*$`
	Errors string `json:"errors,omitempty"`

	// "first": only the first attempt of a request counts, where retries can be
	// told by X-Amzn-Trace-Id; "all": every line. By default first.
	// +optional
	Attempts Attempts `json:"attempts,omitempty"`

	// Field of X-Amzn-Trace-Id that holds the number of the attempt, if clients
	// set one, such as Attempt.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_-]*$`
	AttemptField string `json:"attemptField,omitempty"`

	// How long lines may take to appear; by default 2s for a file, and 6m for a
	// directory, because load balancers write their logs every five minutes.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Delay *metav1.Duration `json:"delay,omitempty"`
}

// Attempts says which attempts of a request count.
//
// +kubebuilder:validation:Enum=first;all
type Attempts string

// Which attempts count.
const (
	AttemptsFirst Attempts = "first"
	AttemptsAll   Attempts = "all"
)

// DatadogSignal asks Datadog. The keys come from the environment, DD_API_KEY and
// DD_APP_KEY, or from files.
type DatadogSignal struct {
	// Site of the account, such as datadoghq.eu; by default datadoghq.com, or
	// DD_SITE.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Site string `json:"site,omitempty"`

	// URL of the API instead of the site's, for a proxy.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/ ]+`
	URL string `json:"url,omitempty"`

	Counters `json:",inline"`

	// Span of one value; by default 20s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Every *metav1.Duration `json:"every,omitempty"`

	// How long after its end a value is taken as complete; by default 1m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Delay *metav1.Duration `json:"delay,omitempty"`

	// File that holds the API key.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	APIKeyFile string `json:"apiKeyFile,omitempty"`

	// File that holds the application key.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	AppKeyFile string `json:"appKeyFile,omitempty"`
}

// ScrapeSignal reads metrics endpoints in Prometheus's text format or OpenMetrics.
type ScrapeSignal struct {
	// URLs of the endpoints; their series add up.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=2048
	// +kubebuilder:validation:items:Pattern=`^https?://[^/ ]+`
	Endpoints []string `json:"endpoints"`

	Counters `json:",inline"`

	// Time between two reads of an endpoint; by default 1s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Longest time that one read may take; by default the interval.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// PrometheusSignal asks a Prometheus server.
type PrometheusSignal struct {
	// URL of the server, such as http://prometheus:9090. "${environment}" stands
	// for the name of the side's Environment; or source and target are written
	// apart, for a server in each cluster.
	URL Expression `json:"url"`

	Counters `json:",inline"`

	// How often the server scrapes; by default 15s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// Counters select the series that are counted, in the language of the source.
type Counters struct {
	// Counter of all requests. "${environment}" stands for the name of the
	// side's Environment; or source and target are written apart.
	Requests Expression `json:"requests"`

	// Counter of those requests that failed by the fault of the side.
	Errors Expression `json:"errors"`

	// The _bucket series of the requests' latency histogram, or a native histogram
	// itself where Prometheus stores them.
	// +optional
	Latency *Expression `json:"latency,omitempty"`

	// Other things to count of the requests and to compare.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=5
	Events []EventCounter `json:"events,omitempty"`
}

// EventCounter counts something of the requests, such as payments that were
// declined: more of it is worse.
type EventCounter struct {
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Counter of the requests it happened to.
	Count Expression `json:"count"`
}
