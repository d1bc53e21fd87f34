// Package kinds says in words what is wrong with the metrics that a query names: a
// summary where a histogram is needed, a gauge where a counter is. It decides by the
// labels of series and by the types that somebody declares, and asks nobody itself.
// Where both leave it open it says nothing.
package kinds

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"watari.dev/traffic"
)

// Type is what a metric is declared to be, as in a TYPE line; empty if nobody says.
type Type string

// The types that matter here.
const (
	Counter        Type = "counter"
	Gauge          Type = "gauge"
	Histogram      Type = "histogram"
	GaugeHistogram Type = "gaugehistogram"
	Summary        Type = "summary"
	Info           Type = "info"
	StateSet       Type = "stateset"
)

// Never reports whether metrics of this type go up and down, so that no difference of
// two samples counts anything.
func (t Type) Never() bool {
	return t == Gauge || t == GaugeHistogram || t == Info || t == StateSet
}

// a returns the type with its article.
func (t Type) a() string {
	switch t {
	case Info:
		return "an info metric"
	case StateSet:
		return "a state set"
	case GaugeHistogram:
		return "a gauge histogram"
	default:
		return "a " + string(t)
	}
}

// Base returns the name of the metric that a series belongs to: of a histogram's or
// summary's series the name without their ending.
func Base(name string) string {
	for _, ending := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(name, ending); ok {
			return base
		}
	}
	return name
}

// Shape is what the series that a query selects have for labels.
type Shape struct {
	Name       string // of one of them; empty if there are none
	Native     bool   // some are native histograms
	Edges      bool   // some have an edge in the label le
	Rest       bool   // some have le="+Inf"
	Unreadable bool   // some have another le
	Quantiles  bool   // some have the label quantile
	Ranges     bool   // some have the label vmrange

	le      float64
	several bool // values of le
}

// Add notes one series by its labels; native says that it is a native histogram.
func (s *Shape) Add(label func(name string) string, native bool) {
	s.Name = label("__name__")
	s.Native = s.Native || native
	s.Quantiles = s.Quantiles || label("quantile") != ""
	s.Ranges = s.Ranges || label("vmrange") != ""
	le := label("le")
	if le == "" {
		return
	}
	switch seconds, err := strconv.ParseFloat(le, 64); {
	case err != nil || math.IsNaN(seconds):
		s.Unreadable = true
	default:
		s.several = s.several || (s.Edges || s.Rest) && s.le != seconds
		s.le, s.Rest, s.Edges = seconds, s.Rest || math.IsInf(seconds, 1), s.Edges || !math.IsInf(seconds, 1)
	}
}

// With returns what both have.
func (s Shape) With(t Shape) Shape {
	if s.Name == "" {
		return t
	}
	s.Native, s.Edges, s.Rest = s.Native || t.Native, s.Edges || t.Edges, s.Rest || t.Rest
	s.Unreadable, s.Quantiles, s.Ranges = s.Unreadable || t.Unreadable, s.Quantiles || t.Quantiles, s.Ranges || t.Ranges
	return s
}

// SeriesOf returns the name of the series that tell a metric of this type from others.
func SeriesOf(name string, is Type) string {
	if is == Histogram {
		return name + "_bucket"
	}
	return name
}

// Latency says why the series that were selected for a latency are not the buckets of a
// whole histogram; empty if they are, or if there are none. It asks what the metric is
// declared to be only where the labels do not tell.
func (s Shape) Latency(side traffic.Side, declared func() Type) string {
	switch {
	case s.Name == "", s.Edges && s.Rest:
		return ""
	case s.Native:
		if declared() == GaugeHistogram {
			return unknown(side, "%s is a gauge histogram, which does not count requests; use a histogram", s.Name)
		}
		return ""
	case s.Edges:
		return fmt.Sprintf("latency of the %s is not complete: %s has no bucket le=\"+Inf\", so requests slower than its highest edge are not counted; let the selector take it too", side, s.Name)
	case s.Rest:
		return unknown(side, "%s has no bucket but le=\"+Inf\", as a native histogram has in text; let the application show classic buckets too, or let Prometheus read native histograms and use %s", s.Name, Base(s.Name))
	case s.Unreadable:
		return unknown(side, "the label le of %s is no number of seconds", s.Name)
	case s.Quantiles:
		return unknown(side, "%s is a summary; use the _bucket series of a histogram", s.Name)
	case s.Ranges:
		return unknown(side, "%s has buckets with the label vmrange, which only VictoriaMetrics reads; let the application show buckets with the label le", s.Name)
	default:
		return unknown(side, "%s", plain(s.Name, declared()))
	}
}

// plain says what a series without any label of a histogram is.
func plain(name string, is Type) string {
	base := Base(name)
	switch {
	case is == Summary:
		return fmt.Sprintf("%s is a summary; use the _bucket series of a histogram", base)
	case base != name && strings.HasSuffix(name, "_bucket"):
		return name + " has no label le; use the series as the application shows them"
	case base != name:
		return fmt.Sprintf("%s has no buckets; use %s_bucket if %s is a histogram", name, base, base)
	case is != "" && is != Histogram:
		return fmt.Sprintf("%s is %s; use the _bucket series of a histogram", name, is.a())
	default:
		return name + " has no label le, so it is no histogram; use the _bucket series of one"
	}
}

// Elsewhere says why a selector of latencies with a metric's name selects nothing, by
// which series there are with any labels: names, true for those with the label quantile,
// nil if that is not known.
func Elsewhere(side traffic.Side, text, name string, names map[string]bool, declared func() Type) string {
	base := Base(name)
	has := func(name string) bool { _, ok := names[name]; return ok }
	is := Type("")
	if names != nil && !names[base] && !has(base+"_bucket") {
		is = declared()
	}
	switch {
	case names == nil:
		return unknown(side, "no series matches %s", text)
	case is == Summary, names[base]:
		return unknown(side, "%s is a summary; use the _bucket series of a histogram", base)
	case is.Never() || is == Counter:
		return unknown(side, "%s is %s; use the _bucket series of a histogram", base, is.a())
	case has(name):
		return unknown(side, "no series matches %s, but there are others of %s; correct its labels", text, name)
	case has(base + "_bucket"):
		return unknown(side, "there is no %s, but a histogram %s_bucket; use that", name, base)
	case is == Histogram && has(base):
		return unknown(side, "%s is a native histogram; use %s without an ending", base, base)
	case has(base):
		return unknown(side, "there is no %s, but a metric %s; use that if it is a native histogram, or the _bucket series of another", name, base)
	case has(base + "_count"), has(base + "_sum"):
		return unknown(side, "%s has no buckets: it is a summary, or a histogram without; use the _bucket series of a histogram", base)
	default:
		return unknown(side, "there is no metric of the name in %s; correct it", text)
	}
}

func unknown(side traffic.Side, format string, args ...any) string {
	return fmt.Sprintf("latency of the %s is not known: ", side) + fmt.Sprintf(format, args...)
}

// Counter says why the series that were selected for requests, errors or an event do
// not count them; empty if they may. It asks what the metric is declared to be where
// neither labels nor name say that it is a counter.
func (s Shape) Counter(what string, declared func() Type) string {
	base := Base(s.Name)
	switch {
	case s.Name == "":
		return ""
	case s.Quantiles:
		return fmt.Sprintf("%s: %s is a summary, whose quantiles are no counters; use %s_count", what, s.Name, s.Name)
	case s.several:
		return fmt.Sprintf("%s: %s counts each request in several buckets; use %s_count, or select one le", what, s.Name, base)
	case strings.HasSuffix(s.Name, "_total"), base != s.Name && base+"_sum" != s.Name:
		return ""
	}
	switch is := declared(); {
	case is.Never():
		return Declared(what, s.Name, is)
	case (is == Histogram || is == Summary) && base != s.Name:
		return fmt.Sprintf("%s: %s adds up what was observed, not how often; use %s_count", what, s.Name, base)
	}
	return ""
}

// Declared says why series of this name and type are never counters; empty if they may
// be.
func Declared(what, name string, is Type) string {
	switch {
	case is.Never():
		return fmt.Sprintf("%s: %s is %s, not a counter; use a counter", what, name, is.a())
	case is == Summary && Base(name) == name:
		return fmt.Sprintf("%s: %s is a summary, whose quantiles are no counters; use %s_count", what, name, name)
	}
	return ""
}
