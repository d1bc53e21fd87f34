package load

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// Kind is a kind of user.
type Kind string

// The kinds of users.
const (
	Fresh     Kind = "fresh"
	KeepAlive Kind = "keepalive"
	Forever   Kind = "forever"
)

var kinds = [...]Kind{Fresh, KeepAlive, Forever}

// Mix shares the requests out among the kinds of users, in any unit: only the
// proportions matter.
type Mix struct {
	Fresh     float64 `json:"fresh"`
	KeepAlive float64 `json:"keepAlive"`
	Forever   float64 `json:"forever"`
}

// Arrivals is how requests are spread over time.
type Arrivals string

// The ways to spread requests.
const (
	Even    Arrivals = "even"    // always the same interval
	Poisson Arrivals = "poisson" // independent of each other, as from many users
)

// Bounds and defaults of Config.
const (
	maxTimeout      = 60 * time.Second // must end well before its second leaves the ring
	maxRate         = 20_000           // requests per second; far above what one core can send
	defaultTimeout  = 10 * time.Second
	defaultUsers    = 50
	minDefaultSlots = 64
)

// Config says what to send. The zero value of an optional field means its default.
type Config struct {
	// URL is what users ask for, by http. Its host goes into the Host header.
	URL string `json:"url"`
	// Resolver is the address (host:port, on loopback) of the DNS server that knows the
	// URL's host. It may be empty if the host is an address.
	Resolver string `json:"resolver,omitempty"`
	// Port is dialled instead of the URL's port; 0 means the URL's, or 80.
	Port int `json:"port,omitempty"`
	// Rate is in requests per second, above 0 and at most 20,000.
	Rate float64 `json:"rate"`
	// Arrivals is Even by default.
	Arrivals Arrivals `json:"arrivals,omitempty"`
	// Duration ends the load by itself; 0 means until the context ends.
	Duration time.Duration `json:"durationNanos,omitempty"`
	// Seed decides which user sends when.
	Seed uint64 `json:"seed"`
	// Clients is the mix of users; by default all are Fresh.
	Clients Mix `json:"clients"`
	// Users is how many users of each kind there are: 50 by default.
	Users int `json:"users,omitempty"`
	// Timeout is how long a user waits from sending to the last byte, at most
	// 60 s: 10 s by default.
	Timeout time.Duration `json:"timeoutNanos,omitempty"`
	// Workers bounds the requests under way. The default is as many as can be under way if
	// everything times out. A request that finds no free worker is sent nowhere and
	// counted as failed with the cause Overload.
	Workers int `json:"workers,omitempty"`
	// RetryDead lets users send a request again, once, if a kept connection died
	// before the first byte of an answer, as most HTTP libraries do without
	// telling. Such retries are counted.
	RetryDead bool `json:"retryDead,omitempty"`
	// Log gets one line of JSON for each request that ended.
	Log io.Writer `json:"-"`
}

// plan is a Config whose defaults are filled in and whose texts are parsed.
type plan struct {
	Config
	host     string     // as the DNS knows it
	literal  netip.Addr // the host if it is an address
	port     uint16
	resolver netip.AddrPort
	header   []byte // a request up to the header Connection
}

// decidePlan fills defaults in and reports every mistake at once.
func decidePlan(cfg Config) (plan, error) {
	p := plan{Config: cfg}
	p.fillDefaults()
	err := errors.Join(p.parseURL(), p.parseResolver(), p.checkNumbers(), p.checkMix())
	return p, err
}

func (p *plan) fillDefaults() {
	if p.Arrivals == "" {
		p.Arrivals = Even
	}
	if p.Clients == (Mix{}) {
		p.Clients.Fresh = 1
	}
	if p.Users == 0 {
		p.Users = defaultUsers
	}
	if p.Timeout == 0 {
		p.Timeout = defaultTimeout
	}
	if p.Workers == 0 {
		p.Workers = max(minDefaultSlots, int(math.Ceil(min(p.Rate, maxRate)*1.2*p.Timeout.Seconds())))
	}
}

func (p *plan) parseURL() error {
	u, err := url.Parse(p.URL)
	if err != nil {
		return fmt.Errorf("load: url: %w", err)
	}
	if u.Scheme != "http" || u.Hostname() == "" {
		return fmt.Errorf("load: url %q is not of the form http://host/path; the lab speaks plain http", p.URL)
	}
	p.host = u.Hostname()
	p.literal, _ = netip.ParseAddr(p.host)
	port := p.Port
	if port == 0 {
		port = 80
		if u.Port() != "" {
			if port, err = strconv.Atoi(u.Port()); err != nil {
				return fmt.Errorf("load: url %q: %w", p.URL, err)
			}
		}
	}
	if port < 1 || port > math.MaxUint16 {
		return fmt.Errorf("load: port %d is not within 1..65535", port)
	}
	p.port = uint16(port)
	p.header = []byte("GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUser-Agent: watari-load\r\nAccept: */*\r\n")
	return nil
}

func (p *plan) parseResolver() error {
	if p.Resolver == "" {
		if p.literal.IsValid() || p.host == "" {
			return nil
		}
		return fmt.Errorf("load: resolver is empty; give the DNS server that knows %q", p.host)
	}
	addr, err := netip.ParseAddrPort(p.Resolver)
	if err != nil {
		return fmt.Errorf("load: resolver: %w", err)
	}
	p.resolver = addr
	return checkLoopback(addr.Addr())
}

func (p *plan) checkNumbers() error {
	var errs []error
	if !(p.Rate > 0 && p.Rate <= maxRate) {
		errs = append(errs, fmt.Errorf("load: rate %v is not above 0 and at most %d requests per second", p.Rate, maxRate))
	}
	if p.Arrivals != Even && p.Arrivals != Poisson {
		errs = append(errs, fmt.Errorf("load: arrivals %q is neither %q nor %q", p.Arrivals, Even, Poisson))
	}
	if p.Duration < 0 {
		errs = append(errs, fmt.Errorf("load: duration %s is negative", p.Duration))
	}
	if p.Timeout < 0 || p.Timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("load: timeout %s is not above 0 and at most %s", p.Timeout, maxTimeout))
	}
	if p.Users < 0 || p.Workers < 0 {
		errs = append(errs, fmt.Errorf("load: users (%d) and workers (%d) cannot be negative", p.Users, p.Workers))
	}
	return errors.Join(errs...)
}

func (p *plan) checkMix() error {
	sum := 0.0
	for _, k := range kinds {
		w := p.Clients.weight(k)
		if !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("load: clients: the proportion of %s is %v; give a number of at least 0", k, w)
		}
		sum += w
	}
	if !(sum > 0) {
		return errors.New("load: clients: all proportions are 0")
	}
	return nil
}

func (m Mix) weight(k Kind) float64 {
	switch k {
	case Fresh:
		return m.Fresh
	case KeepAlive:
		return m.KeepAlive
	}
	return m.Forever
}

// decideKind shares the requests out: roll is a random number within [0,1).
func decideKind(m Mix, roll float64) Kind {
	roll *= m.Fresh + m.KeepAlive + m.Forever
	last := Fresh
	for _, k := range kinds {
		w := m.weight(k)
		if w == 0 {
			continue
		}
		last = k
		if roll < w {
			return k
		}
		roll -= w
	}
	return last // rounding may leave a crumb
}

// ErrOutside is the reason for not dialling an address.
var ErrOutside = errors.New("outside of 127.0.0.0/8; the lab never leaves this machine")

func checkLoopback(addr netip.Addr) error {
	if addr = addr.Unmap(); addr.Is4() && addr.IsLoopback() {
		return nil
	}
	return fmt.Errorf("load: %s is %w", addr, ErrOutside)
}
