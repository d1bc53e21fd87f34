package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"watari.dev/analyze"
	"watari.dev/analyze/history"
	"watari.dev/api/v1alpha1"
	"watari.dev/internal/bounded"
	"watari.dev/plan"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// pastFlags ask a Prometheus server for the past.
type pastFlags struct {
	servers                   []string
	requests, errors, latency []string
	events, shares            []string
	source, target            string
	from, to, last            string
	every                     time.Duration
	token                     string
	headers                   []string
}

func (f *pastFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.servers, "prometheus", nil, "URL of a Prometheus server that remembers the counters; or twice, as source=URL and target=URL")
	flags.StringArrayVar(&f.requests, "requests", nil, "selector of the counter of all requests; tell the sides apart by ${environment}, or give it twice, as source=... and target=...")
	flags.StringArrayVar(&f.errors, "errors", nil, "selector of the counter of failed requests")
	flags.StringArrayVar(&f.latency, "latency", nil, "selector of the _bucket series of the latency, or of a native histogram")
	flags.StringVar(&f.source, "source", "", "what ${environment} is for the source")
	flags.StringVar(&f.target, "target", "", "what ${environment} is for the target")
	flags.StringVar(&f.from, "from", "", "beginning, such as 2026-05-04T14:00:00Z or '2026-05-04 14:00'")
	flags.StringVar(&f.to, "to", "", "end (default now)")
	flags.StringVar(&f.last, "last", "", "how far back from the end, such as 2h or 7d")
	flags.DurationVar(&f.every, "every", 30*time.Second, "length of the intervals that are counted")
	flags.StringVar(&f.token, "bearer-token-file", "", "file with the token for the server")
	flags.StringArrayVar(&f.headers, "header", nil, "NAME=VALUE to send to the server, such as X-Scope-OrgID=shop; may be repeated")
	flags.StringArrayVar(&f.events, "event", nil, "NAME=SELECTOR of a counter of something else that is counted of the requests; or NAME=source=... and NAME=target=...; may be repeated")
	flags.StringArrayVar(&f.shares, "share-at", nil, "TIME=SHARE, such as 2026-05-04T14:10:00Z=10%: the target's share from then on; may be repeated")
}

// given reports whether a server is meant: named, or that of a file.
func (f *pastFlags) given(file bool) bool { return len(f.servers) > 0 || file }

// read asks for the past. Of a comparison of the source with itself only the
// source is asked for.
func (f *pastFlags) read(cmd *cobra.Command, file *plan.Plan, onlySource bool) (analyze.Recording, error) {
	from, to, err := f.window(time.Now())
	if err != nil {
		return analyze.Recording{}, err
	}
	asks, err := f.asks(file, onlySource)
	if err != nil {
		return analyze.Recording{}, err
	}
	shares, err := f.sharesAt()
	if err != nil {
		return analyze.Recording{}, err
	}
	all := make([]analyze.Readings, len(asks))
	for i, a := range asks {
		all[i], err = f.ask(cmd, a, from, to)
		var mistake *history.MistakeError
		if errors.As(err, &mistake) {
			return analyze.Recording{}, usage{err}
		}
		if err != nil {
			return analyze.Recording{}, err
		}
	}
	return analyze.Counted(asks[0].url.Source, all, shares), nil
}

// ask is one signal of one server, or of one for each side.
type ask struct {
	url     traffic.BySide[string]
	service string
	query   signal.Query
}

// ask asks for one signal.
func (f *pastFlags) ask(cmd *cobra.Command, a ask, from, to time.Time) (analyze.Readings, error) {
	source, err := history.New(history.Config{URL: a.url.Source, Transport: f.transport()})
	if err != nil {
		return analyze.Readings{}, usage{err}
	}
	defer source.Close()
	servers := traffic.BySide[*history.Server]{Source: source, Target: source}
	if a.url.Target != a.url.Source && a.query.Requests.Target != "" {
		if servers.Target, err = history.New(history.Config{URL: a.url.Target, Transport: f.transport()}); err != nil {
			return analyze.Readings{}, usage{err}
		}
		defer servers.Target.Close()
	}
	r, err := history.Read(cmd.Context(), servers, history.Ask{Query: a.query, From: from, To: to, Every: f.every}, progress(cmd.ErrOrStderr(), a.url.Source))
	r.Service.Name = a.service
	return r, err
}

// sharesAt reads --share-at.
func (f *pastFlags) sharesAt() ([]analyze.Rise, error) {
	var out []analyze.Rise
	for _, text := range f.shares {
		when, what, both := strings.Cut(text, "=")
		if !both {
			return nil, usage{fmt.Errorf("--share-at %s: must be TIME=SHARE, such as 2026-05-04T14:10:00Z=10%%", text)}
		}
		at, err := parseWhen("--share-at", when)
		if err != nil {
			return nil, err
		}
		to, err := traffic.ParseShare(what)
		if err != nil {
			return nil, usage{fmt.Errorf("--share-at %s: %w", text, err)}
		}
		out = append(out, analyze.Rise{At: at, To: to})
	}
	return analyze.Rises(traffic.None, out), nil
}

// asks are the signals to ask for: those of the flags, or those of the file.
func (f *pastFlags) asks(file *plan.Plan, onlySource bool) (out []ask, err error) {
	if len(f.servers) > 0 {
		one, err := f.flagged(onlySource)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	} else if out, err = filed(*file); err != nil {
		return nil, err
	}
	for i := range out {
		if onlySource {
			out[i].query = out[i].query.Only(traffic.Source)
		}
	}
	return out, nil
}

// filed are the Prometheus signals of a file. Several of one service say the same:
// the first one is asked.
func filed(p plan.Plan) (out []ask, err error) {
	for _, s := range p.Signals {
		if s.Prometheus == nil || slices.ContainsFunc(out, func(a ask) bool { return a.service == s.Service }) {
			continue
		}
		url := traffic.BySide[string]{Source: s.Prometheus.URL, Target: cmp.Or(s.Prometheus.Target, s.Prometheus.URL)}
		out = append(out, ask{url, s.Service, s.Query})
	}
	if len(out) == 0 {
		return nil, usage{fmt.Errorf("migration %s has no signal of kind prometheus, which alone can be asked for the past: use --prometheus URL or --csv FILE", p.Spec.Name)}
	}
	return out, nil
}

// flagged is what the flags ask for.
func (f *pastFlags) flagged(onlySource bool) (ask, error) {
	url, err := f.server()
	if err != nil {
		return ask{}, err
	}
	q, err := f.query(onlySource)
	return ask{url: url, query: q}, err
}

// server reads --prometheus, given once for both sides or for each.
func (f *pastFlags) server() (url traffic.BySide[string], err error) {
	e := sides(f.servers)
	if e.Source == "" || e.Target == "" {
		return url, usage{errors.New("--prometheus says only one side: give it for both, as --prometheus source=URL --prometheus target=URL")}
	}
	url.Source, url.Target = e.For(f.source, f.target)
	return url, nil
}

// sides reads what is given once for both sides, or as source=... and target=...
func sides(values []string) (e v1alpha1.Expression) {
	for _, v := range values {
		if s, is := strings.CutPrefix(v, "source="); is {
			e.Source = s
		} else if t, is := strings.CutPrefix(v, "target="); is {
			e.Target = t
		} else {
			e = v1alpha1.Expression{Source: v, Target: v}
		}
	}
	return e
}

func (f *pastFlags) query(onlySource bool) (signal.Query, error) {
	var q signal.Query
	var mistakes []error
	for _, one := range []struct {
		flag     string
		values   []string
		required bool
		into     func(source, target string)
	}{
		{"--requests", f.requests, true, func(s, t string) { q.Requests.Source, q.Requests.Target = s, t }},
		{"--errors", f.errors, true, func(s, t string) { q.Errors.Source, q.Errors.Target = s, t }},
		{"--latency", f.latency, false, func(s, t string) { q.Latency.Source, q.Latency.Target = s, t }},
	} {
		e, err := f.expression(one.flag, one.values, one.required, onlySource)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		one.into(e.For(f.source, f.target))
	}
	for _, e := range f.named() {
		of, err := f.expression("--event "+e.name, e.values, true, onlySource)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		event := signal.Event{Name: e.name}
		event.Count.Source, event.Count.Target = of.For(f.source, f.target)
		q.Events = append(q.Events, event)
	}
	if len(mistakes) > 0 {
		return q, usage{errors.Join(mistakes...)}
	}
	return q, nil
}

// event is what --event says of one name.
type event struct {
	name   string
	values []string
}

// named collects what --event says by name, in the order in which the names come.
func (f *pastFlags) named() (out []event) {
	for _, text := range f.events {
		name, selector, _ := strings.Cut(text, "=")
		at := slices.IndexFunc(out, func(e event) bool { return e.name == name })
		if at < 0 {
			at, out = len(out), append(out, event{name: name})
		}
		out[at].values = append(out[at].values, selector)
	}
	return out
}

// expression reads one of the selectors, given once for both sides or for each.
func (f *pastFlags) expression(flag string, values []string, required, onlySource bool) (e v1alpha1.Expression, err error) {
	e = sides(values)
	as := flag + " "
	if strings.HasPrefix(flag, "--event ") {
		as = flag + "="
	}
	placed := strings.Contains(e.Source, v1alpha1.EnvironmentPlaceholder)
	switch {
	case len(values) == 0 && !required:
		return e, nil
	case len(values) == 0:
		return e, fmt.Errorf("%s is missing: a selector such as 'http_requests_total{cluster=\"${environment}\"}'", flag)
	case e.Source == "" || e.Target == "" && !onlySource:
		return e, fmt.Errorf("%s says only one side: give it for both, as in %ssource=SELECTOR %starget=SELECTOR", flag, as, as)
	case placed && f.source == "":
		return e, fmt.Errorf("%s has ${environment} in it: say with --source what that is for the source", flag)
	case onlySource:
		return e, nil
	case strings.Contains(e.Target, v1alpha1.EnvironmentPlaceholder) && f.target == "":
		return e, fmt.Errorf("%s has ${environment} in it: say with --target what that is for the target", flag)
	case e.Source == e.Target && !placed:
		return e, fmt.Errorf("%s reads the same for both sides: tell them apart by ${environment}, or give it for each, as in %ssource=SELECTOR %starget=SELECTOR", flag, as, as)
	}
	return e, nil
}

// settled is how long a scrape may take to become visible to who asks for now.
const settled = time.Minute

// window returns the time to ask for, at whole intervals.
func (f *pastFlags) window(now time.Time) (from, to time.Time, err error) {
	if f.every < time.Second {
		return from, to, usage{fmt.Errorf("--every %s: must be a second or more; no shorter than the server scrapes", f.every)}
	}
	to = now.Add(-settled)
	if f.to != "" {
		if to, err = parseWhen("--to", f.to); err != nil {
			return from, to, err
		}
	}
	switch {
	case f.from != "" && f.last != "":
		return from, to, usage{errors.New("choose one of --from and --last")}
	case f.from != "":
		if from, err = parseWhen("--from", f.from); err != nil {
			return from, to, err
		}
	case f.last != "":
		back, err := parseDays(f.last)
		if err != nil {
			return from, to, err
		}
		from = to.Add(-back)
	default:
		return from, to, usage{errors.New("say which time: --last 7d, or --from and --to")}
	}
	from, to = from.Truncate(f.every), to.Truncate(f.every)
	if !from.Before(to) {
		return from, to, usage{fmt.Errorf("the time from %s to %s holds no interval of %s", from.Format(time.DateTime), to.Format(time.DateTime), f.every)}
	}
	return from, to, nil
}

// parseWhen reads a moment; without a zone it is the local one.
func parseWhen(flag, text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usage{fmt.Errorf("%s %q is no time such as 2026-05-04T14:00:00Z or '2026-05-04 14:00'", flag, text)}
}

// parseDays reads a duration that may be in days.
func parseDays(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, is := strings.CutSuffix(text, "d"); is {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * 24 * float64(time.Hour))
	}
	if err != nil || d <= 0 {
		return 0, usage{fmt.Errorf("--last %q is no time such as 2h or 7d", text)}
	}
	return d, nil
}

func (f *pastFlags) transport() http.RoundTripper {
	return &withHeaders{token: f.token, headers: f.headers, next: bounded.NewTransport()}
}

// withHeaders adds to requests what the command line says.
type withHeaders struct {
	token   string
	headers []string
	next    *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (w *withHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", "watari")
	for _, h := range w.headers {
		name, value, _ := strings.Cut(h, "=")
		r.Header.Set(name, value)
	}
	if w.token != "" {
		b, err := bounded.File(w.token, bounded.Secret(w.token))
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(b)))
	}
	return w.next.RoundTrip(r)
}

// CloseIdleConnections is what http.Client's method of this name looks for.
func (w *withHeaders) CloseIdleConnections() { w.next.CloseIdleConnections() }
