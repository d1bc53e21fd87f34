package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Signal says where requests are counted: exactly one kind.
//
// +kubebuilder:validation:ExactlyOneOf=scrape;prometheus
type Signal struct {
	// Metrics endpoints that watari reads itself.
	// +optional
	Scrape *ScrapeSignal `json:"scrape,omitempty"`

	// A Prometheus server, or what speaks its HTTP API.
	// +optional
	Prometheus *PrometheusSignal `json:"prometheus,omitempty"`
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
	// URL of the server, such as http://prometheus:9090.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/ ]+`
	URL string `json:"url"`

	Counters `json:",inline"`
}

// Counters select the series that are counted, as PromQL.
type Counters struct {
	// Counter of all requests. "${environment}" stands for the name of the
	// side's Environment; or source and target are written apart.
	Requests Expression `json:"requests"`

	// Counter of those requests that failed by the fault of the side.
	Errors Expression `json:"errors"`

	// The _bucket series of the requests' latency histogram.
	// +optional
	Latency *Expression `json:"latency,omitempty"`
}
