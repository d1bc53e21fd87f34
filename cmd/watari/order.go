package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/store"
	"watari.dev/view"
)

// newOrder is a command that hands an operator's wish to whoever runs the
// migration.
func newOrder(state *stateFlags, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " NAME",
		GroupID: "operate",
		Short:   short,
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := state.open()
			if err != nil {
				return err
			}
			return order(cmd, s, store.Key{Name: args[0]}, verb)
		},
	}
}

func order(cmd *cobra.Command, s store.Store, key store.Key, verb string) error {
	ctx := cmd.Context()
	_, status, err := recall(ctx, s, key)
	if err != nil {
		return err
	}
	if err := submit(ctx, s, key, verb); err != nil {
		return err
	}
	who, _, held, err := s.Holder(ctx, key)
	if err != nil {
		return err
	}
	if held {
		printable.Fprintf(cmd.OutOrStdout(), "%s: handed to %s. See it: watari status %s\n", verb, who, key)
		return nil
	}
	printable.Fprintf(cmd.OutOrStdout(), "%s: remembered; nobody runs %s now. %s\n", verb, key, view.Next(key.Name, runs(status.Phase), ""))
	return nil
}

// runs is the phase whose next command is to run.
func runs(p engine.Phase) engine.Phase {
	if p == engine.Complete {
		return p
	}
	return engine.Pending
}

func submit(ctx context.Context, s store.Store, key store.Key, verb string) error {
	return s.Submit(ctx, key, newOrderOf(verb))
}

// newOrderOf is a command of this user, now.
func newOrderOf(verb string) store.Command {
	now := time.Now()
	return store.Command{ID: fmt.Sprintf("%s-%d", verb, now.UnixNano()), Kind: verb, By: operator(), At: now}
}
