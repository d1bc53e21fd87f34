package all

import (
	"context"
	"fmt"
	"sync"

	"watari.dev/internal/awsconfig"
	"watari.dev/plan"
	"watari.dev/runner"
	"watari.dev/signal"
	"watari.dev/signal/accesslog"
	"watari.dev/signal/cloudwatch"
	"watari.dev/signal/datadog"
	"watari.dev/signal/prometheus"
	"watari.dev/signal/scrape"
)

// Signals connects the signals of a plan. Those that read by themselves begin at
// once; closing ends them and waits. What several signals read, such as one log
// or one account of CloudWatch, is read once for all of them.
func Signals(ctx context.Context, signals []plan.Signal) (connected []runner.Signal, closing func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &wiring{all: signals, made: map[any]signal.Source{}}
	end := func() {
		cancel()
		w.running.Wait()
	}
	defer func() {
		if err != nil {
			end()
		}
	}()
	for _, s := range signals {
		source, query, err := w.source(ctx, s)
		if err != nil {
			return nil, nil, fmt.Errorf("connect %s: %w", s.Query.Name, err)
		}
		connected = append(connected, runner.Signal{Service: s.Service, Source: source, Query: query, Every: s.Every})
	}
	return connected, end, nil
}

// wiring holds the sources that were made, by what they read.
type wiring struct {
	all     []plan.Signal
	made    map[any]signal.Source
	running sync.WaitGroup
}

// source returns the source of a signal with the query as that source reads it.
func (w *wiring) source(ctx context.Context, s plan.Signal) (signal.Source, signal.Query, error) {
	switch {
	case s.Scrape != nil:
		source, err := scrape.New(scrape.Config{Endpoints: s.Scrape.Endpoints, Interval: s.Scrape.Interval, Timeout: s.Scrape.Timeout, Queries: []signal.Query{s.Query}})
		if err != nil {
			return nil, s.Query, err
		}
		w.running.Go(func() { _ = source.Run(ctx) }) // it ends with ctx and has nothing else to say
		return source, s.Query, nil
	case s.Prometheus != nil:
		source, err := w.prometheus(ctx, *s.Prometheus)
		return source, s.Query, err
	case s.CloudWatch != nil:
		return w.cloudWatch(ctx, s)
	case s.AccessLog != nil:
		source, err := w.accessLog(ctx, *s.AccessLog)
		return source, s.Query, err
	case s.Datadog != nil:
		source, err := w.datadog(ctx, *s.Datadog)
		return source, s.Query, err
	default:
		return nil, s.Query, fmt.Errorf("the plan names no kind that this watari knows")
	}
}

// once returns the source of a key, made by make where there is none yet.
func (w *wiring) once(key any, make func() (signal.Source, error)) (signal.Source, error) {
	if s, made := w.made[key]; made {
		return s, nil
	}
	s, err := make()
	if err != nil {
		return nil, err
	}
	w.made[key] = s
	return s, nil
}

// closeAfter closes a source when ctx is done.
func (w *wiring) closeAfter(ctx context.Context, s interface{ Close() }) {
	w.running.Go(func() {
		<-ctx.Done()
		s.Close()
	})
}

func (w *wiring) prometheus(ctx context.Context, p plan.Prometheus) (signal.Source, error) {
	source, err := w.server(ctx, p.URL)
	if err != nil || p.Target == "" {
		return source, err
	}
	target, err := w.server(ctx, p.Target)
	if err != nil {
		return nil, err
	}
	return signal.Sides(source, target), nil
}

func (w *wiring) server(ctx context.Context, url string) (signal.Source, error) {
	return w.once(plan.Prometheus{URL: url}, func() (signal.Source, error) {
		s, err := prometheus.New(prometheus.Config{URL: url})
		if err != nil {
			return nil, err
		}
		w.closeAfter(ctx, s)
		return s, nil
	})
}

func (w *wiring) cloudWatch(ctx context.Context, s plan.Signal) (signal.Source, signal.Query, error) {
	query, err := groupQuery(s)
	if err != nil {
		return nil, query, err
	}
	key := *s.CloudWatch
	key.Listener = "" // one account is asked once, whatever the load balancer
	source, err := w.once(key, func() (signal.Source, error) {
		cfg, err := awsconfig.Load(ctx, awsconfig.Settings{Profile: key.AWS.Profile, Region: key.AWS.Region, RoleARN: key.AWS.RoleARN, EndpointURL: key.AWS.EndpointURL})
		if err != nil {
			return nil, err
		}
		all, err := w.groupQueries(key)
		if err != nil {
			return nil, err
		}
		s, err := cloudwatch.New(cloudwatch.Config{AWS: cfg, Delay: key.Delay, Queries: all})
		if err != nil {
			return nil, err
		}
		w.closeAfter(ctx, s)
		return s, nil
	})
	return source, query, err
}

// groupQueries returns the queries of all signals of one account, so that one
// call can serve them all.
func (w *wiring) groupQueries(account plan.CloudWatch) (out []signal.Query, err error) {
	for _, s := range w.all {
		if s.CloudWatch == nil || s.CloudWatch.AWS != account.AWS || s.CloudWatch.Delay != account.Delay {
			continue
		}
		q, err := groupQuery(s)
		if err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, nil
}

// groupQuery names the target groups as CloudWatch does.
func groupQuery(s plan.Signal) (q signal.Query, err error) {
	q = s.Query
	if q.Requests.Source, err = cloudwatch.Expression(s.CloudWatch.Listener, s.Query.Requests.Source); err != nil {
		return q, err
	}
	q.Requests.Target, err = cloudwatch.Expression(s.CloudWatch.Listener, s.Query.Requests.Target)
	return q, err
}

func (w *wiring) accessLog(ctx context.Context, l plan.AccessLog) (signal.Source, error) {
	return w.once(l, func() (signal.Source, error) {
		attempts := accesslog.FirstAttempts
		if l.All {
			attempts = accesslog.AllAttempts
		}
		s, err := accesslog.New(accesslog.Config{Path: l.Path, Settle: l.Delay, Attempts: attempts, AttemptField: l.AttemptField})
		if err != nil {
			return nil, err
		}
		w.running.Go(func() { _ = s.Run(ctx) }) // what it cannot read its readings say
		return s, nil
	})
}

func (w *wiring) datadog(ctx context.Context, d plan.Datadog) (signal.Source, error) {
	return w.once(d, func() (signal.Source, error) {
		s, err := datadog.New(datadog.Config{Site: d.Site, URL: d.URL, Every: d.Every, Delay: d.Delay, APIKeyFile: d.APIKeyFile, AppKeyFile: d.AppKeyFile})
		if err != nil {
			return nil, err
		}
		w.closeAfter(ctx, s)
		return s, nil
	})
}
