package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// Sides of a migration that the application can stand on.
const (
	Source = "source"
	Target = "target"
)

// Config says what the application is and how it behaves.
type Config struct {
	Bind string // the loopback address to listen on
	Port int    // 0 lets the kernel choose

	Side    string // Source or Target; sent as X-Watari-Side
	Version string
	Pod     string // sent as X-Watari-Pod

	LatencyBase   time.Duration // what every answer takes
	LatencyJitter time.Duration // the median of what comes on top; 0 switches it off
	Seed          uint64        // of jitter and faults; mixed with Pod so that replicas differ

	LameDuck     time.Duration // how long it goes on answering after it was told to end
	DrainTimeout time.Duration // how long running requests may take after that
	BadShutdown  bool          // ends at once when told to, and cuts running requests

	Database        string        // URL that is asked for each request to a user; empty: none is asked
	DatabaseTimeout time.Duration // how long that may take; after it the answer is 504

	Faults Faults // those it starts with
}

// ConfigFromEnv reads the configuration from environment variables. getenv is
// os.Getenv or something like it; an empty value is one that is not set. All mistakes are
// reported at once.
//
//	WATARI_POD_BIND   address to listen on, within 127.0.0.0/8 (127.0.0.1)
//	PORT              0..65535 (8080)
//	SIDE              source or target (source)
//	VERSION           what the answers call the version ($WATARI_IMAGE_TAG, or "dev")
//	POD_NAME          what the answers call the pod ($HOSTNAME)
//	LATENCY_BASE      duration that every answer takes (5ms)
//	LATENCY_JITTER    median of the random duration on top (2ms)
//	SEED              unsigned number (1)
//	LAME_DUCK         duration of answering on after TERM (2s)
//	DRAIN_TIMEOUT     duration that running requests may take after that (10s)
//	BAD_SHUTDOWN      1 or true: end at once on TERM
//	DATABASE          URL on loopback to ask for each request, such as http://127.0.0.1:5432 (none)
//	DATABASE_TIMEOUT  duration that the database may take (1s)
//	FAULTS            JSON as for POST /faults
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	r := envReader{getenv: getenv}
	cfg := Config{
		Bind:          r.text("127.0.0.1", "WATARI_POD_BIND"),
		Port:          r.port("PORT", 8080),
		Side:          r.text(Source, "SIDE"),
		Version:       r.text("dev", "VERSION", "WATARI_IMAGE_TAG"),
		Pod:           r.text("", "POD_NAME", "HOSTNAME"),
		LatencyBase:   r.duration("LATENCY_BASE", 5*time.Millisecond),
		LatencyJitter: r.duration("LATENCY_JITTER", 2*time.Millisecond),
		Seed:          r.number("SEED", 1),
		LameDuck:      r.duration("LAME_DUCK", 2*time.Second),
		DrainTimeout:  r.duration("DRAIN_TIMEOUT", 10*time.Second),
		BadShutdown:   r.flag("BAD_SHUTDOWN"),
		Database:      r.text("", "DATABASE"),
		Faults:        r.faults("FAULTS"),

		DatabaseTimeout: r.duration("DATABASE_TIMEOUT", time.Second),
	}
	return cfg, errors.Join(append(r.errs, cfg.check())...)
}

// check reports every mistake in c.
func (c Config) check() error {
	var errs []error
	if addr, err := netip.ParseAddr(c.Bind); err != nil || !addr.IsLoopback() {
		errs = append(errs, fmt.Errorf("app: bind address %q is not on loopback; give one within 127.0.0.0/8", c.Bind))
	}
	if c.Port < 0 || c.Port > math.MaxUint16 {
		errs = append(errs, fmt.Errorf("app: port %d is not within 0..65535", c.Port))
	}
	if c.Side != Source && c.Side != Target {
		errs = append(errs, fmt.Errorf("app: side %q is neither %q nor %q", c.Side, Source, Target))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"latency base", c.LatencyBase},
		{"latency jitter", c.LatencyJitter},
		{"lame duck time", c.LameDuck},
		{"drain timeout", c.DrainTimeout},
	} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("app: %s %s is negative", d.name, d.value))
		}
	}
	return errors.Join(append(errs, c.checkDatabase(), c.Faults.check())...)
}

func (c Config) checkDatabase() error {
	if c.Database == "" {
		return nil
	}
	if c.DatabaseTimeout <= 0 {
		return fmt.Errorf("app: database timeout %s is not positive", c.DatabaseTimeout)
	}
	u, err := url.Parse(c.Database)
	if err == nil && u.Scheme == "http" {
		if at, err := netip.ParseAddrPort(u.Host); err == nil && at.Addr().IsLoopback() {
			return nil
		}
	}
	return fmt.Errorf("app: database %q is not a URL on loopback such as http://127.0.0.1:5432", c.Database)
}

// envReader reads variables and collects what is wrong with them.
type envReader struct {
	getenv func(string) string
	errs   []error
}

// text returns the first variable that is set, or the default.
func (r *envReader) text(def string, names ...string) string {
	for _, name := range names {
		if v := r.getenv(name); v != "" {
			return v
		}
	}
	return def
}

func (r *envReader) port(name string, def int) int {
	v := r.getenv(name)
	if v == "" {
		return def
	}
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil {
		r.wrong(name, v, "a port within 0..65535")
	}
	return int(n)
}

func (r *envReader) number(name string, def uint64) uint64 {
	v := r.getenv(name)
	if v == "" {
		return def
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		r.wrong(name, v, "an unsigned number")
	}
	return n
}

func (r *envReader) duration(name string, def time.Duration) time.Duration {
	v := r.getenv(name)
	if v == "" {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		r.wrong(name, v, "a duration such as 250ms")
	}
	return d
}

func (r *envReader) flag(name string) bool {
	v := r.getenv(name)
	if v == "" {
		return false
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		r.wrong(name, v, "1 or 0")
	}
	return on
}

func (r *envReader) faults(name string) Faults {
	var f Faults
	v := r.getenv(name)
	if v == "" {
		return f
	}
	if err := json.Unmarshal([]byte(v), &f); err != nil {
		r.errs = append(r.errs, fmt.Errorf("app: %s=%q: %w", name, v, err))
	}
	return f
}

func (r *envReader) wrong(name, value, want string) {
	r.errs = append(r.errs, fmt.Errorf("app: %s=%q is not %s", name, value, want))
}
