package main

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/internal/all"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/traffic"
	"watari.dev/view"
)

func newPlan() *cobra.Command {
	var file fileFlags
	cmd := &cobra.Command{
		Use:     "plan -f FILE",
		GroupID: "migrate",
		Short:   "Say what would happen; changes nothing",
		Long: `Reads the file, both environments and every lever, and says what a run would do:
the steps with their gates, how fast there is a way back from each, the API calls
and the shortest time. It changes nothing.`,
		Example: "  watari plan -f shop.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := file.load(cmd)
			if err != nil {
				return err
			}
			return showPlan(cmd, p)
		},
	}
	file.register(cmd)
	return cmd
}

func showPlan(cmd *cobra.Command, p plan.Plan) error {
	ctx := cmd.Context()
	c, err := connect(ctx, p)
	if err != nil {
		return err
	}
	snapshots, errs := readAll(ctx, c.routes)
	asking, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	trouble, err := all.Ask(asking, p.Signals)
	if err != nil {
		return err
	}
	pace := plan.Pace{Write: runner.WriteWithin(), Turn: runner.TurnWithin(c.plan.Spec)}
	forecast := c.plan.Foresee(c.features, snapshots, errs, pace)
	forecast.Gate.Trouble = trouble
	view.Plan(cmd.OutOrStdout(), forecast, inventories(ctx, p))
	return nil
}

func readAll(ctx context.Context, routes map[string]runner.Route) (map[string]router.Snapshot, map[string]error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	snapshots, errs := map[string]router.Snapshot{}, map[string]error{}
	for name, r := range routes {
		s, err := patiently(ctx, func() (router.Snapshot, error) { return r.Driver.Read(ctx, r.Ref) })
		if err != nil {
			errs[name] = err
		} else {
			snapshots[name] = s
		}
	}
	return snapshots, errs
}

// inventories describes both environments at the same time. One that cannot be
// read is said, and does not stop the plan: the levers are what it is about.
func inventories(ctx context.Context, p plan.Plan) traffic.BySide[string] {
	var out traffic.BySide[string]
	var wg sync.WaitGroup
	for env, text := range map[*plan.Environment]*string{&p.Environments.Source: &out.Source, &p.Environments.Target: &out.Target} {
		wg.Go(func() { *text = all.Describe(ctx, *env) })
	}
	wg.Wait()
	return out
}

// noArgs refuses arguments with a sentence that says what to write.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usage{err}
	}
	return nil
}

// atMostOne refuses more than one argument.
func atMostOne(cmd *cobra.Command, args []string) error {
	if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
		return usage{err}
	}
	return nil
}

// oneName wants the name of a migration.
func oneName(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usage{err}
	}
	return nil
}
