package cloudwatch

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"watari.dev/lab/alb"
)

// Names of metrics in the namespace AWS/ApplicationELB ("CloudWatch metrics for
// your Application Load Balancer").
const (
	namespace         = "AWS/ApplicationELB"
	requestCount      = "RequestCount"
	targetCode        = "HTTPCode_Target_%dXX_Count"
	balancerCode      = "HTTPCode_ELB_%dXX_Count"
	connectionErrors  = "TargetConnectionErrorCount"
	responseTime      = "TargetResponseTime"
	healthyHosts      = "HealthyHostCount"
	unhealthyHosts    = "UnHealthyHostCount"
	dimensionBalancer = "LoadBalancer"
	dimensionGroup    = "TargetGroup"
)

// unitOf is the unit that a metric is published with.
func unitOf(metric string) string {
	if metric == responseTime {
		return "Seconds"
	}
	return "Count"
}

// keep is for how many minutes numbers are remembered; AWS keeps minutes for 15
// days (GetMetricData).
const keep = 180

// metric is one metric: a name and one combination of dimensions.
type metric struct {
	name     string
	balancer string // app/name/id
	group    string // targetgroup/name/id; empty for the balancer's own
}

// samples is what was published of one metric in one minute.
type samples struct {
	ones   int64     // samples of the value 1, which is how requests are counted
	values []float64 // all others
}

// minute is one minute since 1970.
type minute int64

func minuteOf(t time.Time) minute { return minute(t.Unix() / 60) }

func (m minute) start() time.Time { return time.Unix(int64(m)*60, 0).UTC() }

// Recorder counts what a load balancer reports, minute by minute. Its methods
// may be called from several goroutines.
type Recorder struct {
	mu      sync.Mutex
	newest  minute
	minutes map[minute]map[metric]*samples
}

// NewRecorder returns a recorder that has seen nothing.
func NewRecorder() *Recorder {
	return &Recorder{minutes: make(map[minute]map[metric]*samples)}
}

// Observe counts one ended request, in the minute of o.At.
func (r *Recorder) Observe(o alb.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, group := minuteOf(o.At), groupDimension(o.TargetGroup)
	if o.Chosen { // "only incremented for requests where the load balancer node was able to choose a target"
		r.count(m, requestCount, o.LoadBalancer, group)
	}
	if o.TargetStatus != 0 {
		r.count(m, fmt.Sprintf(targetCode, o.TargetStatus/100), o.LoadBalancer, group)
	}
	if o.Status != o.TargetStatus && o.Status >= 300 {
		r.count(m, fmt.Sprintf(balancerCode, o.Status/100), o.LoadBalancer, "") // AWS has no such metric of a target group
	}
	if o.ConnectionError {
		r.count(m, connectionErrors, o.LoadBalancer, group)
	}
	if o.TargetTime >= 0 && o.TargetStatus != 0 {
		for _, s := range r.of(m, responseTime, o.LoadBalancer, group) {
			s.values = append(s.values, o.TargetTime.Seconds())
		}
	}
}

// Hosts records how many targets of a group are healthy at the time at.
type Hosts struct {
	LoadBalancer, TargetGroup string // ARNs
	Healthy, Unhealthy        int
}

// Hosts publishes one sample of the numbers of targets.
func (r *Recorder) Hosts(at time.Time, all ...Hosts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range all {
		balancer, group := balancerDimension(h.LoadBalancer), groupDimension(h.TargetGroup)
		for name, n := range map[string]int{healthyHosts: h.Healthy, unhealthyHosts: h.Unhealthy} {
			s := r.at(minuteOf(at), metric{name, balancer, group})
			s.values = append(s.values, float64(n))
		}
	}
}

func (r *Recorder) count(m minute, name, balancer, group string) {
	for _, s := range r.of(m, name, balancer, group) {
		s.ones++
	}
}

// of returns the metric of the balancer and, if there is a group, the group's.
func (r *Recorder) of(m minute, name, balancer, group string) []*samples {
	own := []*samples{r.at(m, metric{name: name, balancer: balancer})}
	if group == "" {
		return own
	}
	return append(own, r.at(m, metric{name, balancer, group}))
}

func (r *Recorder) at(m minute, key metric) *samples {
	if r.minutes[m] == nil {
		r.minutes[m] = make(map[metric]*samples)
		r.newest = max(r.newest, m)
		for old := range r.minutes {
			if old <= r.newest-keep {
				delete(r.minutes, old)
			}
		}
	}
	found := r.minutes[m]
	if found == nil { // older than all that is kept
		return &samples{}
	}
	if found[key] == nil {
		found[key] = &samples{}
	}
	return found[key]
}

// between returns copies of the samples of a metric in the minutes from first to
// before end.
func (r *Recorder) between(key metric, first, end minute) map[minute]samples {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := make(map[minute]samples)
	for m, all := range r.minutes {
		if s := all[key]; s != nil && m >= first && m < end {
			found[m] = samples{ones: s.ones, values: slices.Clone(s.values)}
		}
	}
	return found
}

// metrics lists every metric that has a sample in the minutes from first to
// before end, in the order of their names and dimensions.
func (r *Recorder) metrics(first, end minute) []metric {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := make(map[metric]bool)
	for m, all := range r.minutes {
		for key := range all {
			seen[key] = seen[key] || m >= first && m < end
		}
	}
	var out []metric
	for key, recent := range seen {
		if recent {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, func(a, b metric) int {
		return strings.Compare(a.name+" "+a.balancer+" "+a.group, b.name+" "+b.balancer+" "+b.group)
	})
	return out
}

// groupDimension is the last part of a target group's ARN,
// targetgroup/name/id ("Metric dimensions for Application Load Balancers").
func groupDimension(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// balancerDimension is the last part of a load balancer's ARN, app/name/id.
func balancerDimension(arn string) string {
	return strings.TrimPrefix(groupDimension(arn), "loadbalancer/")
}
