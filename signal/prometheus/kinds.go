package prometheus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"watari.dev/signal/internal/kinds"
	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// asides are questions about metrics, not about counts: each is asked at most once in
// asideEvery, takes no longer than asideWithin, and fails nothing. What one of them was
// last answered holds until it is answered again.
type asides[T any] struct {
	mu   sync.Mutex
	said map[string]*aside[T]
}

type aside[T any] struct {
	turn   chan struct{} // holds one token; who has it reads and writes the rest
	asked  time.Time
	answer T
	known  bool
}

const (
	asideEvery  = time.Minute
	asideWithin = 2 * time.Second
)

// ask returns what question answers, or answered less than asideEvery ago; false if it
// never did. Who asks the same at the same time waits for the answer.
func (a *asides[T]) ask(ctx context.Context, key string, question func(context.Context) (T, error)) (T, bool) {
	one := a.of(key)
	select {
	case <-one.turn:
	case <-ctx.Done():
		var none T
		return none, false
	}
	defer func() { one.turn <- struct{}{} }()
	if now := time.Now(); one.asked.IsZero() || now.Sub(one.asked).Abs() >= asideEvery {
		ctx, cancel := context.WithTimeout(ctx, asideWithin)
		defer cancel()
		if answer, err := question(ctx); err == nil {
			one.answer, one.known = answer, true
		}
		one.asked = time.Now()
	}
	return one.answer, one.known
}

func (a *asides[T]) of(key string) *aside[T] {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.said == nil {
		a.said = map[string]*aside[T]{}
	}
	if a.said[key] == nil {
		a.said[key] = &aside[T]{turn: make(chan struct{}, 1)}
		a.said[key].turn <- struct{}{}
	}
	return a.said[key]
}

// typeOf returns what the targets that have a metric declare it to be; empty if they
// disagree, or if the server does not know. The name may be that of a series of a
// histogram or summary.
func (s *Source) typeOf(ctx context.Context, name string) kinds.Type {
	if name == "" {
		return ""
	}
	is, _ := s.types.ask(ctx, name, func(ctx context.Context) (kinds.Type, error) {
		for _, name := range slices.Compact([]string{name, kinds.Base(name)}) {
			answer, err := s.api.Metadata(ctx, name, "")
			if err != nil {
				return "", err
			}
			if all := answer[name]; len(all) > 0 {
				return agreed(all), nil
			}
		}
		return "", nil
	})
	return is
}

func agreed(all []v1.Metadata) kinds.Type {
	for _, one := range all[1:] {
		if one.Type != all[0].Type {
			return ""
		}
	}
	if all[0].Type == v1.MetricTypeUnknown {
		return ""
	}
	return kinds.Type(all[0].Type)
}

// mistyped says why the series of requests, errors or an event are no counters; empty
// if they may be. What the labels leave open the declared type decides, unless the
// name says that it is a counter.
func (s *Source) mistyped(ctx context.Context, want selector.Side, got seen) string {
	why := s.notCounted(ctx, "requests", want.Requests, got.requests)
	if why == "" {
		why = s.notCounted(ctx, "errors", want.Errors, got.errors)
	}
	for i, event := range want.Events {
		if why == "" {
			why = s.notCounted(ctx, "event", event, got.events[i])
		}
	}
	return why
}

func (s *Source) notCounted(ctx context.Context, what string, sel *selector.Selector, streams []*model.SampleStream) string {
	if len(streams) == 0 {
		return ""
	}
	return shapeOf(streams).Counter(what, func() kinds.Type { return s.typeOf(ctx, sel.Name) })
}

// decide makes one side's reading of what the server knows. It may ask what kind of
// metrics these are; see asides.
func (s *Source) decide(ctx context.Context, want selector.Side, got seen, w window) traffic.Reading[traffic.Counts] {
	if why := s.mistyped(ctx, want, got); why != "" {
		return unknown(why)
	}
	r := decideReading(want, got, w)
	if r.State == traffic.Known {
		if note := s.latencyNote(ctx, want, got, w); note != "" {
			r.Note = strings.TrimPrefix(r.Note+"; "+note, "; ")
		}
	}
	return r
}

// latencyNote says why the latency of a side is not known, or not all of it; empty if it
// is. Where there are no series, the server is asked which there are under other names
// and labels. What it says does not depend on how much a window holds.
func (s *Source) latencyNote(ctx context.Context, want selector.Side, got seen, w window) string {
	if want.Latency == nil {
		return ""
	}
	shape, name := shapeOf(got.latency), want.Latency.Name
	declared := func() kinds.Type { return s.typeOf(ctx, name) }
	switch {
	case shape.Name != "":
		return shape.Latency(want.Side, declared)
	case !served(got.requests): // a histogram may begin with its first request
		return ""
	case name == "":
		return kinds.Elsewhere(want.Side, want.Latency.Text, "", nil, declared)
	default:
		return kinds.Elsewhere(want.Side, want.Latency.Text, name, s.namesLike(ctx, name, w), declared)
	}
}

// served reports whether any of the counters is above zero.
func served(streams []*model.SampleStream) bool {
	return slices.ContainsFunc(streams, func(s *model.SampleStream) bool { return s.Values[len(s.Values)-1].Value > 0 })
}

// namesLike returns which series there are of a metric, by their names with all endings,
// true for those with the label quantile; nil if that is not known.
func (s *Source) namesLike(ctx context.Context, name string, w window) map[string]bool {
	names, _ := s.names.ask(ctx, name, func(ctx context.Context) (map[string]bool, error) {
		value, err := s.query(ctx, fmt.Sprintf("count by (__name__, quantile) ({__name__=~%q})", kinds.Base(name)+"(_bucket|_count|_sum)?"), w.to)
		if err != nil {
			return nil, err
		}
		names := map[string]bool{}
		vector, _ := value.(model.Vector)
		for _, sample := range vector {
			of := string(sample.Metric[model.MetricNameLabel])
			names[of] = names[of] || sample.Metric[model.QuantileLabel] != ""
		}
		return names, nil
	})
	return names
}

func shapeOf(streams []*model.SampleStream) (shape kinds.Shape) {
	for _, stream := range streams {
		shape.Add(func(name string) string { return string(stream.Metric[model.LabelName(name)]) }, isNative(stream))
	}
	return shape
}
