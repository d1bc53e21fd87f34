package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"watari.dev/internal/bounded"
	"watari.dev/signal"
	"watari.dev/signal/internal/kinds"
)

// accept prefers OpenMetrics as Prometheus does, so that counters have the names
// that users know from there.
const accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

const (
	maxLine   = 64 << 10 // bytes of a line
	maxLabels = 100      // of a series that is remembered
	maxRest   = 1000     // sums of series that nobody asks for; more of them are not looked at
	keptBody  = 4 << 20  // bytes of memory for answers that one endpoint keeps
)

// endpoint is one metrics endpoint and what was seen of it.
type endpoint struct {
	url     *url.URL
	client  *http.Client
	timeout time.Duration
	wanted  *wanted
	room    *room

	body  bytes.Buffer // of one look at a time
	lines []shown
	fresh int64                 // of them, series not seen before
	rest  map[rest]int64        // what the series show together that nobody asks for, of metrics that are
	types map[string]kinds.Type // of the metrics that are asked for

	mu      sync.Mutex
	history history // written by look only
}

// look scrapes once and remembers what came of it. A scrape that its owner ended
// says nothing about the endpoint and is not remembered.
func (e *endpoint) look(ctx context.Context) {
	started := time.Now()
	err := e.read(ctx)
	if err != nil && ctx.Err() != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.history.addFailure(started, fmt.Errorf("scrape %s: %w", e.url.Redacted(), err))
		return
	}
	e.history.add(started, e.lines, e.rest)
	e.history.types = e.types
}

// read fetches the endpoint and parses its answer into e.lines.
func (e *endpoint) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	contentType, err := e.fetch(ctx)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("no answer within %s", e.timeout)
		}
		return err
	}
	defer e.release()
	return e.parse(contentType)
}

// release gives up the memory of an answer that was larger than usual.
func (e *endpoint) release() {
	if e.body.Cap() > keptBody {
		e.body = bytes.Buffer{}
	}
}

// fetch reads the answer into e.body.
func (e *endpoint) fetch(ctx context.Context) (contentType string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("User-Agent", "watari")
	response, err := e.client.Do(request)
	if err != nil {
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			return "", outer.Err // the URL is said already
		}
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end, or is given up
	if response.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
		return "", fmt.Errorf("it answered %s", response.Status)
	}
	e.body.Reset()
	line := bounded.Limit{What: "a line of its answer", Bytes: maxLine, Do: "look what answers there"}
	if _, err := e.body.ReadFrom(bounded.Lines(response.Body, line, false)); err != nil {
		return "", fmt.Errorf("read its answer: %w", err)
	}
	return response.Header.Get("Content-Type"), nil
}

// parse turns e.body into e.lines. Nothing of an answer counts unless all of it
// can be read.
func (e *endpoint) parse(contentType string) error {
	p, err := textparse.New(e.body.Bytes(), contentType, nil, textparse.ParserOptions{FallbackContentType: "text/plain", OpenMetricsSkipSTSeries: true})
	if p == nil {
		return fmt.Errorf("its answer is neither Prometheus text nor OpenMetrics: %w", err)
	}
	e.lines, e.fresh, e.rest, e.types = e.lines[:0], 0, map[rest]int64{}, map[string]kinds.Type{}
	kind := kindOf{}
	for {
		switch entry, err := p.Next(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("its answer is not readable: %w", err)
		case entry == textparse.EntryType:
			name, is := p.Type()
			kind.set(name, is)
			e.declare(name, is)
		case entry == textparse.EntrySeries:
			if err := e.parseSeries(p, &kind); err != nil {
				return err
			}
		}
	}
}

func (e *endpoint) parseSeries(p textparse.Parser, kind *kindOf) error {
	text, _, v := p.Series()
	if !e.wanted.mayBe(text) || !kind.counts(text) {
		return nil
	}
	value, ok := signal.CounterValue(v)
	if !ok {
		value = signal.NoNumber
	}
	line := shown{value: value, series: e.history.byKey[string(text)]} // only this goroutine writes the map
	if line.series == nil {
		var l labels.Labels
		p.Labels(&l)
		if !e.wanted.selects(l) {
			for _, sel := range e.wanted.named(l.Get(model.MetricNameLabel)) {
				key := rest{sel.Text, processOf(l), sel.Misses(l)}
				if _, known := e.rest[key]; known || len(e.rest) < maxRest {
					e.rest[key] += max(0, value)
				}
			}
			return nil
		}
		if l.Len() > maxLabels {
			return fmt.Errorf("a series of it has more than %d labels: %.100s", maxLabels, text)
		}
		line.key, line.series = string(text), newSeries(l)
		if e.fresh++; !e.room.has(e.fresh) {
			return fmt.Errorf("it shows more series that the signal selects than the %d for which there is memory: let the selectors name fewer", e.room.most)
		}
	}
	e.lines = append(e.lines, line)
	return nil
}

// room is how many series all endpoints of a source may remember together.
type room struct {
	most  int64
	taken atomic.Int64
}

// has reports whether there is room for n more.
func (r *room) has(n int64) bool { return r.taken.Load()+n <= r.most }

// kindOf remembers the last TYPE line, which stands before the series it is
// about: the metric's name and which of its series are no counters.
type kindOf struct {
	name []byte
	not  []string // endings after the name
}

func (k *kindOf) set(name []byte, kind model.MetricType) {
	k.name, k.not = append(k.name[:0], name...), nil
	switch kind {
	case model.MetricTypeGauge, model.MetricTypeInfo, model.MetricTypeStateset, model.MetricTypeGaugeHistogram:
		k.not = []string{"", "_info", "_bucket", "_gcount", "_gsum"}
	case model.MetricTypeSummary:
		k.not = []string{""} // quantiles; its _count is a counter
	}
}

// counts reports whether the series may be a counter: its type says so, or it has
// none.
func (k *kindOf) counts(series []byte) bool {
	if len(k.not) == 0 || !bytes.HasPrefix(series, k.name) {
		return true
	}
	metric, _, _ := bytes.Cut(series, []byte{'{'})
	return !slices.Contains(k.not, string(metric[len(k.name):]))
}
