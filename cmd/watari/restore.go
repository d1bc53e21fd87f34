package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"watari.dev/engine"
	"watari.dev/internal/bounded"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/traffic"
)

// A restore ends well before its lease does, because nothing may be written
// without it. 1,000 names, the most of a route, take seconds.
const (
	restoreLease = 2 * time.Minute
	restoreBound = restoreLease - 15*time.Second
)

// journalBound is how long the store is waited for once something was done.
const journalBound = 5 * time.Second

func newRestore(state *stateFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "restore NAME",
		GroupID: "operate",
		Short:   "Make converted Route 53 names simple records again",
		Long: `Makes every name of the routes with convert: true a simple record again: the
source's after a rollback, the target's after completion. What the names answer
stays the same. It shows which records it will delete and what will stand there
afterwards, and asks; without a terminal it needs --yes. It is refused in any other
phase, while somebody runs the migration, and for a route that does not have
everything on that side. One that was killed is finished by the next one.

After completion the source's record is deleted with that, so that watari cannot
take the migration back any more: rollback then refuses, and says what can be done.

Exit code 0: done, or there was nothing to do. 1: not done, or you said no.
2: nobody could be asked and --yes is missing. 5: somebody else runs it.`,
		Example: "  watari restore shop\n  watari restore shop --yes",
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := state.open()
			if err != nil {
				return err
			}
			r := restoring{store: s, key: store.Key{Name: args[0]}}
			if err := r.look(cmd.Context()); err != nil {
				return err
			}
			r.show(cmd.OutOrStdout())
			if r.deletes() && !yes {
				if err := r.ask(cmd); err != nil {
					return err
				}
			}
			return unhindered(cmd, nil, func(to *streams) error { return r.restore(cmd.Context(), to.out) })
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// restoring is one call of restore.
type restoring struct {
	store    store.Store
	key      store.Key
	keep     traffic.Side
	routes   []restorable // of the plan, in its order
	revision store.Revision
	record   store.Record
	status   engine.Status
}

// restorable is a route with what restoring it would do.
type restorable struct {
	route    runner.Route
	restorer router.Restorer // nil: nothing of it can be restored
	why      string          // that is so
	names    []router.Restoration
	err      error // why it cannot be restored now
}

// look finds out what there is to do. Nothing is held meanwhile: whoever is asked
// may take his time, and a rollback must not wait for him.
func (r *restoring) look(ctx context.Context) error {
	p, err := r.load(ctx)
	if err != nil {
		return err
	}
	c, err := connectBlind(ctx, p)
	if err != nil {
		return err
	}
	for _, l := range p.Levers {
		one := restorable{route: c.routes[l.Ref.Name]}
		if one.restorer, one.why = restorerOf(one.route); one.restorer != nil {
			one.names, one.err = restorations(ctx, one, r.keep)
		}
		r.routes = append(r.routes, one)
	}
	return nil
}

// load reads what is remembered, and refuses where there is nothing to restore.
func (r *restoring) load(ctx context.Context) (p plan.Plan, err error) {
	if r.record, r.revision, err = r.store.Load(ctx, r.key); err != nil {
		return p, err
	}
	if p, err = plan.Decode(r.record.Spec); err != nil {
		return p, err
	}
	r.status = engine.Status{}
	if len(r.record.Status) > 0 {
		if err := json.Unmarshal(r.record.Status, &r.status); err != nil {
			return p, fmt.Errorf("read the remembered status of %s: %w", r.key, err)
		}
	}
	if r.keep, err = decideKeep(r.key.Name, r.status); err != nil {
		return p, err
	}
	return p, refuseOrdered(ctx, r.store, r.key)
}

// restorations says what restoring a route would do; nothing where it is refused.
func restorations(ctx context.Context, one restorable, keep traffic.Side) ([]router.Restoration, error) {
	names, err := patiently(ctx, func() ([]router.Restoration, error) { return one.restorer.Restorable(ctx, one.route.Ref, keep) })
	if err != nil {
		names = nil
	}
	return names, err
}

// decideKeep says on which side everything is, where a migration has ended.
func decideKeep(name string, status engine.Status) (traffic.Side, error) {
	switch status.Phase {
	case engine.RolledBack:
		return traffic.Source, nil
	case engine.Complete:
		return traffic.Target, nil
	default:
		return traffic.NoSide, fmt.Errorf("restore %s: it is %s, and names become simple again only after a rollback or when it is complete; nothing was changed; see it: watari status %s, take it back: watari rollback %s",
			name, cmp.Or(status.Phase, engine.Pending), name, name)
	}
}

// refuseOrdered keeps the way back of a migration that somebody has asked to
// take back and nobody has yet.
func refuseOrdered(ctx context.Context, s store.Store, key store.Key) error {
	commands, err := s.Commands(ctx, key)
	if err != nil {
		return err
	}
	for _, c := range commands {
		if c.Kind == string(engine.TakeBack) {
			return fmt.Errorf("restore %s: %s asked to take it back and that is not done yet; nothing was changed; do it: watari rollback %s", key, c.Signed(), key)
		}
	}
	return nil
}

// restorerOf returns nil and why where there is nothing that can be restored.
func restorerOf(r runner.Route) (router.Restorer, string) {
	restorer, can := r.Driver.(router.Restorer)
	switch {
	case !can:
		return nil, "the driver " + r.Ref.Driver + " converts nothing"
	case !r.Ref.Convert:
		return nil, "the route does not have convert: true, so nothing of it was converted"
	default:
		return restorer, ""
	}
}

// show says what will be deleted and what will stand there afterwards.
func (r *restoring) show(out io.Writer) {
	for _, one := range r.routes {
		if one.restorer == nil || one.err != nil {
			continue // said when it is left as it is
		}
		for _, n := range one.names {
			if len(n.Deletes) == 0 {
				continue
			}
			printable.Fprintf(out, "%s, route %s:\n", n.Name, one.route.Ref.Name)
			for _, text := range n.Deletes {
				printable.Fprintf(out, "  delete   %s\n", text)
			}
			printable.Fprintf(out, "  stays    %s\n", n.Stays)
		}
	}
	if r.deletes() && r.keep == traffic.Target {
		printable.Fprintf(out, "The source's records are among them: watari cannot take %s back after that.\n", r.key)
	}
}

// deletes reports whether anything would be.
func (r *restoring) deletes() bool {
	return slices.ContainsFunc(r.routes, func(one restorable) bool {
		return slices.ContainsFunc(one.names, func(n router.Restoration) bool { return len(n.Deletes) > 0 })
	})
}

// ask lets whoever is at the terminal say no.
func (r *restoring) ask(cmd *cobra.Command) error {
	in, is := cmd.InOrStdin().(*os.File)
	if !is || !term.IsTerminal(int(in.Fd())) {
		return usage{fmt.Errorf("restore %s: it deletes records and nobody can be asked, because the standard input is no terminal; nothing was changed; if that is what you want: watari restore %s --yes", r.key, r.key)}
	}
	printable.Fprintf(cmd.OutOrStdout(), "Go on? [y/N] ")
	var line [1 << 10]byte // a terminal gives what was typed until the end of a line
	n, _ := bounded.Until(cmd.Context(), in).Read(line[:])
	if cmd.Context().Err() != nil {
		return &ended{exitInterrupted}
	}
	if said := strings.ToLower(strings.TrimSpace(string(line[:n]))); said == "y" || said == "yes" {
		return nil
	}
	printable.Fprintln(cmd.OutOrStdout(), "Nothing was changed.")
	return &ended{exitError}
}

// restore holds the lease while it looks again and writes, so that no run begins in
// between. A dead holder is nobody.
func (r *restoring) restore(ctx context.Context, out io.Writer) (err error) {
	interrupted := ctx
	ctx, cancel := context.WithTimeout(ctx, restoreBound)
	defer cancel()
	lease, err := r.store.Acquire(ctx, r.key, holder(), restoreLease, true)
	if err != nil {
		return err
	}
	defer func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalBound)
		defer cancel()
		err = errors.Join(err, lease.Release(release))
	}()
	shown := r.keep
	if _, err := r.load(ctx); err != nil {
		return err
	}
	if r.keep != shown {
		return r.changed("it is " + string(r.status.Phase) + " now")
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	missed, err := r.routesInTurn(ctx, out, lease.Expires())
	switch {
	case err != nil:
		return err
	case missed > 0 && interrupted.Err() != nil:
		return &ended{exitInterrupted}
	case missed > 0:
		return fmt.Errorf("restore %s: not done for %d of %d routes, for the reasons above; when they are gone: watari restore %s", r.key, missed, len(r.routes), r.key)
	}
	if why := r.status.WhyFinal(r.key.Name); why != "" {
		printable.Fprintf(out, "watari cannot take %s back any more: %s.\n", r.key, why)
	}
	return nil
}

func (r *restoring) changed(what string) error {
	return fmt.Errorf("restore %s: %s, which is not what was shown; nothing was changed; look again: watari restore %s", r.key, what, r.key)
}

// begin remembers which routes are about to be restored, before anything of them
// is, so that no rollback begins which could not be carried out. An order to take
// back that comes meanwhile goes first: who gives it looks for what begin has
// remembered, and begin looks for the order afterwards.
func (r *restoring) begin(ctx context.Context) error {
	asked := fmt.Sprintf("restore with everything on the %s, asked by %s", r.keep, operator())
	before := r.status
	r.status.Routes = slices.Clone(before.Routes)
	for _, one := range r.routes {
		if was := r.remembered(one); one.restorer != nil && one.err == nil && (was == nil || !was.Done) {
			r.remember(one, &engine.Restored{Keep: r.keep, By: operator(), At: time.Now()})
		}
	}
	if err := r.save(ctx, store.Entry{At: time.Now(), Kind: "command", Text: asked}); err != nil {
		return err
	}
	err := refuseOrdered(ctx, r.store, r.key)
	if err == nil {
		return nil
	}
	r.status = before
	return errors.Join(err, r.save(ctx, store.Entry{At: time.Now(), Kind: "note", Text: "restore has changed nothing: it is to be taken back"}))
}

// remembered returns what is remembered of a route; nil if nothing is.
func (r *restoring) remembered(one restorable) *engine.Restored {
	for _, have := range r.status.Routes {
		if have.Name == one.route.Ref.Name {
			return have.Restored
		}
	}
	return nil
}

func (r *restoring) remember(one restorable, what *engine.Restored) {
	for i := range r.status.Routes {
		if r.status.Routes[i].Name == one.route.Ref.Name {
			r.status.Routes[i].Restored = what
			return
		}
	}
	r.status.Routes = append(r.status.Routes, engine.RouteStatus{Name: one.route.Ref.Name, Restored: what})
}

// save remembers the status. What was done is remembered even if ctx has ended.
func (r *restoring) save(ctx context.Context, entries ...store.Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalBound)
	defer cancel()
	status, err := json.Marshal(r.status)
	if err != nil {
		return err
	}
	r.record.Status = status
	r.revision, err = r.store.Save(ctx, r.key, r.revision, r.record, entries...)
	return err
}

// routesInTurn restores one route after the other. One that cannot be restored
// keeps none of the others from it.
func (r *restoring) routesInTurn(ctx context.Context, out io.Writer, notAfter time.Time) (missed int, err error) {
	for _, one := range r.routes {
		if one.restorer == nil {
			printable.Fprintf(out, "%s: left as it is, %s\n", one.route.Ref.Name, one.why)
			continue
		}
		entry, err := r.one(ctx, one, notAfter)
		if err != nil {
			missed++
		}
		printable.Fprintln(out, entry.Text)
		if err := r.save(ctx, entry); err != nil {
			return missed, fmt.Errorf("%w; what was done is not in the journal: %s", err, entry.Text)
		}
	}
	return missed, nil
}

// one restores one route, if it still is as it was shown, and says what became of
// it. What was certainly not begun is forgotten again.
func (r *restoring) one(ctx context.Context, one restorable, notAfter time.Time) (e store.Entry, err error) {
	e = store.Entry{At: time.Now(), Kind: "effect"}
	name, untouched := one.route.Ref.Name, true
	if err = one.err; err == nil {
		var now []router.Restoration
		now, err = restorations(ctx, one, r.keep)
		if err == nil && !slices.EqualFunc(now, one.names, sameRestoration) {
			err = r.changed("somebody has changed its records")
		}
	}
	var receipt router.Receipt
	if err == nil {
		receipt, err = patiently(ctx, func() (router.Receipt, error) { return one.restorer.Restore(ctx, one.route.Ref, r.keep, notAfter) })
		untouched = err != nil && router.EffectOf(err) == router.EffectNothing
	}
	if err != nil {
		if untouched && !slices.ContainsFunc(one.names, func(n router.Restoration) bool { return len(n.Deletes) == 0 }) {
			r.remember(one, nil)
		}
		e.Text = fmt.Sprintf("%s: not restored: %v", name, err)
		return e, err
	}
	done := *cmp.Or(r.remembered(one), &engine.Restored{})
	done.Done = true
	r.remember(one, &done)
	e.Text = fmt.Sprintf("%s: %s, everything on the %s", name, receipt.Note, r.keep)
	e.Data, err = json.Marshal(map[string]any{"receipt": receipt, "names": one.names})
	return e, err
}

func sameRestoration(a, b router.Restoration) bool {
	return a.Name == b.Name && a.Stays == b.Stays && slices.Equal(a.Deletes, b.Deletes)
}
