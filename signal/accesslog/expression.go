package accesslog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// edges are the default buckets of Prometheus's client libraries (client_golang,
// prometheus.DefBuckets).
var edges = [...]time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Edges returns the upper bounds of the latency buckets that a query may ask for.
func Edges() []time.Duration { return slices.Clone(edges[:]) }

// wholeLatency is the expression for all edges.
const wholeLatency = "target_processing_time"

// wanted is what one side is asked for. Without groups it is not asked for.
type wanted struct {
	text    string // of the requests
	groups  []groupName
	errors  *codes // nil for none
	latency []time.Duration
	events  []*codes // nil where the side has none
}

func wantedOf(q signal.Query, side traffic.Side) (w wanted, err error) {
	w.text = strings.TrimSpace(q.Requests.Of(side))
	if w.text == "" {
		return wanted{}, nil
	}
	if w.groups, err = parseGroups(w.text); err != nil {
		return wanted{}, fmt.Errorf("the %s's requests: %w", side, err)
	}
	if w.errors, err = parseCodes(q.Errors.Of(side)); err != nil {
		return wanted{}, fmt.Errorf("the %s's errors: %w", side, err)
	}
	if w.latency, err = parseLatency(q.Latency.Of(side)); err != nil {
		return wanted{}, fmt.Errorf("the %s's latency: %w", side, err)
	}
	for _, e := range q.Events {
		set, err := parseCodes(e.Count.Of(side))
		if err != nil {
			return wanted{}, fmt.Errorf("the %s's event %s: %w", side, e.Name, err)
		}
		w.events = append(w.events, set)
	}
	return w, nil
}

// groupName selects target groups: an ARN, or the beginning of its last part in
// whole names.
type groupName string

func parseGroups(text string) (out []groupName, err error) {
	for part := range strings.SplitSeq(text, ",") {
		name := strings.TrimSuffix(strings.TrimSpace(part), "/")
		rest, isResource := strings.CutPrefix(name, "targetgroup/")
		isARN := strings.HasPrefix(name, "arn:") && strings.Contains(name, ":targetgroup/")
		if !isARN && (!isResource || rest == "") {
			return nil, fmt.Errorf("%q is no target group: write its ARN, or targetgroup/name", strings.TrimSpace(part))
		}
		out = append(out, groupName(name))
	}
	return out, nil
}

func (g groupName) selects(arn string) bool {
	name := string(g)
	if strings.HasPrefix(name, "arn:") {
		return name == arn
	}
	resource := arn[strings.LastIndexByte(arn, ':')+1:]
	rest, found := strings.CutPrefix(resource, name)
	return found && (rest == "" || rest[0] == '/')
}

func (w wanted) selects(arn string) bool {
	return slices.ContainsFunc(w.groups, func(g groupName) bool { return g.selects(arn) })
}

// codes is a set of status codes.
type codes [1000]bool

// clientGone are the codes of clients that left before the answer: 460 is the
// balancer's ("Troubleshoot your Application Load Balancers", HTTP 460), 499 nginx's.
var clientGone = []int{460, 499}

// parseCodes reads a list such as 5xx,429; nil for an empty text.
func parseCodes(text string) (*codes, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var set codes
	for part := range strings.SplitSeq(text, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		if class, isClass := strings.CutSuffix(part, "xx"); isClass && len(class) == 1 && class[0] >= '1' && class[0] <= '5' {
			first := int(class[0]-'0') * 100
			for code := first; code < first+100; code++ {
				set[code] = set[code] || !slices.Contains(clientGone, code)
			}
			continue
		}
		code, ok := parseStatus([]byte(part))
		if !ok || code < 100 || code > 599 {
			return nil, fmt.Errorf("%q is neither a class of status codes such as 5xx nor a code such as 502", part)
		}
		set[code] = true
	}
	return &set, nil
}

// parseLatency reads target_processing_time or a list of its edges; nil for an empty text.
func parseLatency(text string) ([]time.Duration, error) {
	if text = strings.TrimSpace(text); text == "" {
		return nil, nil
	}
	if text == wholeLatency {
		return edges[:], nil
	}
	var out []time.Duration
	for part := range strings.SplitSeq(text, ",") {
		edge, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil || !slices.Contains(edges[:], edge) {
			return nil, fmt.Errorf("%q is neither %s nor one of its edges %v", strings.TrimSpace(part), wholeLatency, edges)
		}
		out = append(out, edge)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
