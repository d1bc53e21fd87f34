package aws

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"watari.dev/lab/aws/eks"
	"watari.dev/lab/aws/sts"
	"watari.dev/lab/aws/wire"
)

// Config says what the emulator serves. Durations are nanoseconds in JSON.
type Config struct {
	Dir       string `json:"dir"`       // state, access log and aws.json; must exist
	Listen    string `json:"listen"`    // loopback host:port of the API; empty: 127.0.0.1:0
	DNSListen string `json:"dnsListen"` // loopback host:port of the DNS server; empty: 127.0.0.1:0
	Account   string `json:"account"`   // 12 digits
	Region    string `json:"region"`
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
	Seed      uint64 `json:"seed"` // of identifiers and of the data plane's choices

	PropagationDelay time.Duration `json:"propagationDelay"` // of load balancers; 0: 500 ms, negative: none
	InsyncDelay      time.Duration `json:"insyncDelay"`      // of Route 53 changes; 0: 2 s, negative: none
	ProcessingTime   time.Duration `json:"processingTime"`   // of a Route 53 batch; 0: 20 ms, negative: none
	PublishDelay     time.Duration `json:"publishDelay"`     // from a minute's end until CloudWatch shows it; 0: 20 s, negative: none

	// Throttle overrides token buckets by service/group; see DefaultThrottle.
	Throttle    map[string]wire.Rate `json:"throttle"`
	Unthrottled bool                 `json:"unthrottled"` // no bucket at all

	Clusters []eks.Cluster `json:"clusters"`

	Roles     []sts.Role     `json:"roles,omitempty"`     // that may be assumed; none: every role of the account
	Providers []sts.Provider `json:"providers,omitempty"` // of web identities

	// Token opens what makes things go wrong below /_lab/; empty keeps it closed.
	Token string `json:"token,omitempty"`
	// Networks are the addresses that pods report, by names such as source and
	// target; the balancer's ways to them can be cut.
	Networks map[string]string `json:"networks,omitempty"`
}

// Delays of a Config that says nothing. AWS publishes no propagation time for
// load balancers nor of their metrics, and says that Route 53 is generally INSYNC
// within 60 s; the lab is quicker so that a demonstration is short.
const (
	defaultPropagationDelay = 500 * time.Millisecond
	defaultInsyncDelay      = 2 * time.Second
	defaultProcessingTime   = 20 * time.Millisecond
	defaultPublishDelay     = 20 * time.Second
)

// DefaultThrottle is the token bucket of each service/group. Route 53: five
// requests per second per account (Route 53 Developer Guide, "Quotas"). Load
// balancers, describing: 40 tokens, 10 per second ("Request throttling for the
// ELB API"). AWS publishes no numbers for the other two; they are the rates that
// the AWS Load Balancer Controller allows itself (its flag aws-api-throttle).
// CloudWatch: transactions per second and region ("CloudWatch service quotas").
func DefaultThrottle() map[string]wire.Rate {
	return map[string]wire.Rate{
		"route53/requests":               {Burst: 5, PerSecond: 5},
		"elasticloadbalancing/describe":  {Burst: 40, PerSecond: 10},
		"elasticloadbalancing/register":  {Burst: 20, PerSecond: 4},
		"elasticloadbalancing/modify":    {Burst: 20, PerSecond: 3},
		"monitoring/GetMetricData":       {Burst: 50, PerSecond: 50},
		"monitoring/GetMetricStatistics": {Burst: 400, PerSecond: 400},
		"monitoring/ListMetrics":         {Burst: 25, PerSecond: 25},
	}
}

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]$`)
)

// withDefaults fills in what is empty.
func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.DNSListen == "" {
		c.DNSListen = "127.0.0.1:0"
	}
	c.PropagationDelay = delay(c.PropagationDelay, defaultPropagationDelay)
	c.InsyncDelay = delay(c.InsyncDelay, defaultInsyncDelay)
	c.ProcessingTime = delay(c.ProcessingTime, defaultProcessingTime)
	c.PublishDelay = delay(c.PublishDelay, defaultPublishDelay)
	return c
}

func delay(given, fallback time.Duration) time.Duration {
	if given == 0 {
		return fallback
	}
	return max(given, 0)
}

// Validate reports everything that is wrong.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	if !accountPattern.MatchString(c.Account) {
		errs = append(errs, fmt.Errorf("account %q: must be 12 digits", c.Account))
	}
	if !regionPattern.MatchString(c.Region) {
		errs = append(errs, fmt.Errorf("region %q: must look like eu-central-1", c.Region))
	}
	if c.AccessKey == "" || c.SecretKey == "" {
		errs = append(errs, errors.New("accessKey and secretKey: must be given"))
	}
	for _, listen := range []string{c.Listen, c.DNSListen} {
		if ap, err := netip.ParseAddrPort(listen); err != nil || !ap.Addr().IsLoopback() {
			errs = append(errs, fmt.Errorf("listen address %q: must be a loopback host:port", listen))
		}
	}
	if _, err := newLinks(c.Networks); err != nil {
		errs = append(errs, err)
	}
	for _, p := range c.Providers {
		errs = append(errs, p.Check())
	}
	known := DefaultThrottle()
	for group, rate := range c.Throttle {
		if _, ok := known[group]; !ok {
			errs = append(errs, fmt.Errorf("throttle %q: there is no such service/group", group))
		}
		if err := rate.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("throttle %q: %w", group, err))
		}
	}
	return errors.Join(errs...)
}

// rates are the token buckets to use.
func (c Config) rates() map[string]wire.Rate {
	if c.Unthrottled {
		return nil
	}
	rates := DefaultThrottle()
	for group, rate := range c.Throttle {
		rates[group] = rate
	}
	return rates
}
