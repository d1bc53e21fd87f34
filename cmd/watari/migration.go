package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/internal/all"
	"watari.dev/internal/bounded"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/router/metered"
	"watari.dev/runner"
	"watari.dev/store"
)

// fileFlags name the files of a migration.
type fileFlags struct {
	files []string
	name  string
}

func (f *fileFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.files, "file", "f", nil, "file or directory with the migration and its environments; - is standard input; may be repeated")
	cmd.Flags().StringVar(&f.name, "name", "", "which migration, if the files hold several")
}

// load reads the files and picks the migration.
func (f *fileFlags) load(cmd *cobra.Command) (plan.Plan, error) {
	if len(f.files) == 0 {
		return plan.Plan{}, usage{fmt.Errorf("no file is named: write -f FILE, -f DIRECTORY or -f -")}
	}
	bundle, err := v1alpha1.Load(bounded.Until(cmd.Context(), cmd.InOrStdin()), f.files...)
	if err != nil {
		return plan.Plan{}, err
	}
	var names []string
	for i := range bundle.Migrations {
		m := &bundle.Migrations[i]
		names = append(names, m.Name)
		if m.Name == f.name || f.name == "" && len(bundle.Migrations) == 1 {
			return plan.Resolve(bundle, m), nil
		}
	}
	where := strings.Join(f.files, ", ")
	switch {
	case len(names) == 0:
		return plan.Plan{}, usage{fmt.Errorf("%s: there is no Migration in it", where)}
	case f.name == "":
		return plan.Plan{}, usage{fmt.Errorf("%s: there are %d migrations; choose with --name: %s", where, len(names), strings.Join(names, ", "))}
	default:
		return plan.Plan{}, usage{fmt.Errorf("%s: there is no Migration %q; there are: %s", where, f.name, strings.Join(names, ", "))}
	}
}

// features asks every route's driver what it can do.
func features(ctx context.Context, routes map[string]runner.Route) (map[string]router.Features, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out := map[string]router.Features{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		r := routes[name]
		f, err := patiently(ctx, func() (router.Features, error) { return r.Driver.Features(ctx, r.Ref) })
		if err != nil {
			errs = append(errs, err)
		}
		out[name] = f
	}
	return out, errors.Join(errs...)
}

// connection is a plan with the levers that it moves.
type connection struct {
	plan     plan.Plan
	routes   map[string]runner.Route
	features map[string]router.Features
	meter    *metered.Meter
}

// connect opens the levers of a plan and asks what they can do.
func connect(ctx context.Context, p plan.Plan) (connection, error) {
	c, err := connectBlind(ctx, p)
	if err != nil {
		return c, err
	}
	if c.features, err = features(ctx, c.routes); err != nil {
		return c, err
	}
	if err := p.Check(c.features); err != nil {
		return c, err
	}
	c.plan = p.Bind(c.features)
	for _, l := range c.plan.Levers {
		route := c.routes[l.Ref.Name]
		route.Patience = l.Patience
		c.routes[l.Ref.Name] = route
	}
	return c, nil
}

// connectBlind opens the levers without asking anything of them.
func connectBlind(ctx context.Context, p plan.Plan) (connection, error) {
	meter, err := metered.NewMeter(prometheus.NewRegistry())
	if err != nil {
		return connection{}, err
	}
	routes, err := all.Routes(ctx, p.Levers, meter)
	return connection{plan: p, routes: routes, meter: meter}, err
}

// connectLater is connectBlind for levers that may be sending users to the target:
// one that cannot be connected keeps no other one from being watched and taken back.
func connectLater(ctx context.Context, p plan.Plan) (connection, error) {
	meter, err := metered.NewMeter(prometheus.NewRegistry())
	if err != nil {
		return connection{}, err
	}
	return connection{plan: p, routes: all.RoutesLater(ctx, p.Levers, meter), meter: meter}, nil
}

// live reports whether a migration may be sending users to the target now, or is
// being asked to take them back: then nothing may keep it from being watched.
func live(ctx context.Context, s store.Store, key store.Key, status engine.Status) bool {
	switch status.Phase {
	case "", engine.Pending, engine.Failed, engine.RolledBack:
		return false
	case engine.Complete:
		return ordered(ctx, s, key)
	default:
		return true
	}
}

// join opens the levers and the signals of a migration. Before it has begun every
// mistake in them is an error. Once it is live it is watched with what is there: the
// bounds of the routes are those that it is remembered with, and what cannot be
// opened is named by the run, which goes on trying.
func join(ctx context.Context, s store.Store, key store.Key, p plan.Plan, before engine.Status, running plan.Plan) (connection, []runner.Signal, func(), error) {
	if live(ctx, s, key, before) {
		c, err := connectLater(ctx, p.Remembered(running))
		if err != nil {
			return c, nil, nil, err
		}
		signals, closing := all.SignalsLater(ctx, p.Signals)
		return c, signals, closing, nil
	}
	c, err := connect(ctx, p)
	if err != nil {
		return c, nil, nil, err
	}
	signals, closing, err := all.Signals(ctx, p.Signals)
	return c, signals, closing, err
}

// sameMigration refuses to go on with a running migration whose file now says
// something else about where it is or where it goes.
func sameMigration(running, wanted plan.Plan) error {
	refs := func(p plan.Plan) (out []string) {
		for _, l := range p.Levers {
			out = append(out, fmt.Sprintf("%s %s %s %v %s %s", l.Ref.Name, l.Ref.Driver, l.Ref.ID, l.Ref.Names, l.Ref.Source, l.Ref.Target))
		}
		return out
	}
	shares := func(p plan.Plan) (out []string) {
		for _, s := range p.Spec.Steps {
			out = append(out, s.Share.String())
		}
		return out
	}
	for _, c := range []struct {
		what      string
		have, now []string
	}{{"routes", refs(running), refs(wanted)}, {"shares of the steps", shares(running), shares(wanted)}} {
		if !slices.Equal(c.have, c.now) {
			return fmt.Errorf("migration %s is under way and the file's %s differ from those it runs with (%s); put them back, or take it back first: watari rollback %s",
				running.Spec.Name, c.what, strings.Join(c.have, "; "), running.Spec.Name)
		}
	}
	return nil
}
