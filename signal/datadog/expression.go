package datadog

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// expression is one query of counts, checked.
type expression struct{ text, metric string }

// A metric's name starts with a letter and holds ASCII letters, digits, underscores
// and periods (docs.datadoghq.com/metrics/custom_metrics, "Naming custom metrics").
var plainSum = regexp.MustCompile(`^sum:([A-Za-z][A-Za-z0-9_.]*)\{([^{}]*)\}(.*)$`)

const example = "sum:trace.http.request.hits{env:prod}.as_count()"

// parseExpression accepts a plain sum of counts, and says what is wrong with all else.
func parseExpression(text string) (expression, error) {
	text = strings.TrimSpace(text)
	m := plainSum.FindStringSubmatch(text)
	if m == nil {
		return expression{}, fmt.Errorf("%q is not a plain sum of one metric, such as %s: %s", text, example, whyNotPlain(text))
	}
	switch scope, rest := strings.TrimSpace(m[2]), m[3]; {
	case scope == "":
		return expression{}, fmt.Errorf("%q selects nothing: write {*} for everything, or tags such as {env:prod}", text)
	case strings.Contains(scope, "$"):
		return expression{}, fmt.Errorf("%q has a template variable, which only dashboards know: write the tag", text)
	case rest != ".as_count()":
		return expression{}, fmt.Errorf("%q must end with .as_count(), such as %s: %s", text, example, whyNotCount(rest))
	}
	return expression{text: text, metric: m[1]}, nil
}

func whyNotPlain(text string) string {
	head, _, _ := strings.Cut(text, "{")
	aggregator, _, hasAggregator := strings.Cut(head, ":")
	switch {
	case strings.Contains(aggregator, "(") && hasAggregator:
		return "functions may fill, smooth or shift what was counted"
	case !hasAggregator:
		return "it begins with sum:"
	case aggregator != "sum":
		return fmt.Sprintf("%s: does not add up what all hosts counted", aggregator)
	default:
		return "it is one metric with its tags in braces"
	}
}

func whyNotCount(rest string) string {
	switch rest = strings.TrimSpace(rest); {
	case rest == "":
		return "without it Datadog averages and interpolates"
	case strings.HasPrefix(rest, "by"):
		return "leave out the grouping, one sum is counted"
	case strings.Contains(rest, ".as_rate"):
		return "a rate per second is not a count"
	case strings.Contains(rest, ".fill"):
		return "fill makes counts up"
	case strings.Contains(rest, ".rollup"):
		return "leave out the rollup, it is added here"
	default:
		return fmt.Sprintf("leave out %q, and count several metrics with one signal each", rest)
	}
}

// query is what Datadog is asked, in its own language.
func (e expression) query(every time.Duration) string {
	return fmt.Sprintf("%s.rollup(sum, %d)", e.text, int64(every/time.Second))
}

// wanted is what one side is asked for. Without requests it is not asked for.
type wanted struct {
	requests, errors *expression
	events           []*expression // nil where the side has none
}

func wantedOf(q signal.Query, side traffic.Side) (wanted, error) {
	if q.Requests.Of(side) == "" {
		return wanted{}, nil
	}
	if q.Latency.Of(side) != "" {
		return wanted{}, fmt.Errorf("the %s asks for latency, which is not available from Datadog here: leave it empty, or add a signal with histograms (prometheus, scrape)", side)
	}
	var w wanted
	var err error
	parse := func(what, text string) *expression {
		if text == "" || err != nil {
			return nil
		}
		parsed, wrong := parseExpression(text)
		if wrong != nil {
			err = fmt.Errorf("the %s's %s: %w", side, what, wrong)
		}
		return &parsed
	}
	w.requests, w.errors = parse("requests", q.Requests.Of(side)), parse("errors", q.Errors.Of(side))
	for _, e := range q.Events {
		w.events = append(w.events, parse("event "+e.Name, e.Count.Of(side)))
	}
	return w, err
}

// all returns every expression of w once.
func (w wanted) all() (out []expression) {
	seen := map[string]bool{}
	for _, e := range append([]*expression{w.requests, w.errors}, w.events...) {
		if e != nil && !seen[e.text] {
			seen[e.text] = true
			out = append(out, *e)
		}
	}
	return out
}
