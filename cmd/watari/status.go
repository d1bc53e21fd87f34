package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/store"
	"watari.dev/view"
)

func newStatus(state *stateFlags) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "status [NAME]",
		GroupID: "migrate",
		Short:   "Where a migration stands; without a name, all of them",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := knownOutput(output); err != nil {
				return err
			}
			s, err := state.open()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return showStatus(cmd, s, store.Key{Name: args[0]}, output)
			}
			keys, err := s.List(cmd.Context())
			if err != nil {
				return err
			}
			if len(keys) == 0 && output == "text" {
				printable.Fprintln(cmd.OutOrStdout(), "No migration is remembered here. Begin one: watari run -f FILE")
			}
			var errs []error // one that cannot be read hides no other
			for _, key := range keys {
				errs = append(errs, showStatus(cmd, s, key, output))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func showStatus(cmd *cobra.Command, s store.Store, key store.Key, output string) error {
	ctx := cmd.Context()
	p, status, err := recall(ctx, s, key)
	if err != nil {
		return err
	}
	who, _, held, err := s.Holder(ctx, key)
	if _, refused := s.Commands(ctx, key); refused != nil {
		printable.Fprintln(cmd.ErrOrStderr(), refused)
	}
	var holder *store.Holder
	if held {
		holder = &who
	}
	if output == "json" {
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "  ")
		return errors.Join(err, enc.Encode(struct {
			Spec   engine.Spec   `json:"spec"`
			Status engine.Status `json:"status"`
			Holder *store.Holder `json:"holder"`
		}{p.Spec, status, holder}))
	}
	view.Status(cmd.OutOrStdout(), p.Spec, status, holder, time.Now())
	return err // what is remembered is shown, whether or not it is known who runs it
}

// recall reads the plan and the status of a remembered migration.
func recall(ctx context.Context, s store.Store, key store.Key) (plan.Plan, engine.Status, error) {
	var status engine.Status
	record, _, err := s.Load(ctx, key)
	if err != nil {
		return plan.Plan{}, status, err
	}
	p, err := plan.Decode(record.Spec)
	if err != nil {
		return p, status, err
	}
	if len(record.Status) > 0 {
		err = json.Unmarshal(record.Status, &status)
	}
	return p, status, err
}
