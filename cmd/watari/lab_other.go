//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// errLinuxOnly says why the lab is not here: its pods are processes that die
// with their node and are found by /proc, which only Linux has.
var errLinuxOnly = errors.New("the lab and the demo run on Linux only; plan, run and rollback work here")

func newLab() *cobra.Command {
	return linuxOnly("lab", "Two real Kubernetes clusters and an AWS (Linux only)")
}

func newDemo() *cobra.Command { return linuxOnly("demo", "See it in the lab (Linux only)") }

func linuxOnly(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, GroupID: "try", Short: short, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error { return errLinuxOnly },
	}
}
