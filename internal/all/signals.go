package all

import (
	"context"
	"fmt"
	"sync"

	"watari.dev/plan"
	"watari.dev/runner"
	"watari.dev/signal/prometheus"
	"watari.dev/signal/scrape"
)

// Signals connects the signals of a plan. Those that read endpoints themselves
// begin at once; closing ends them and waits.
func Signals(ctx context.Context, signals []plan.Signal) (connected []runner.Signal, closing func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	closing = func() {
		cancel()
		wg.Wait()
	}
	defer func() {
		if err != nil {
			closing()
		}
	}()
	for _, s := range signals {
		switch {
		case s.Scrape != nil:
			source, err := scrape.New(scrape.Config{Endpoints: s.Scrape.Endpoints, Interval: s.Scrape.Interval, Timeout: s.Scrape.Timeout})
			if err != nil {
				return nil, nil, err
			}
			wg.Go(func() { _ = source.Run(ctx) }) // it ends with ctx and has nothing else to say
			connected = append(connected, runner.Signal{Source: source, Query: s.Query})
		case s.Prometheus != nil:
			source, err := prometheus.New(prometheus.Config{URL: s.Prometheus.URL})
			if err != nil {
				return nil, nil, err
			}
			wg.Go(func() {
				<-ctx.Done()
				source.Close()
			})
			connected = append(connected, runner.Signal{Source: source, Query: s.Query})
		default:
			return nil, nil, fmt.Errorf("connect signal %s: the plan names no kind that this watari knows", s.Query.Name)
		}
	}
	return connected, closing, nil
}
