package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"watari.dev/scenario"
)

// playDemo plays a scenario. Who closes the terminal does not want the lab to go on.
func playDemo(ctx context.Context, o scenario.Options, to *streams) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	o.Out = to.out
	summary, err := scenario.Run(ctx, o)
	if errors.Is(err, scenario.ErrNotMet) {
		fmt.Fprintf(to.errs, "\n%v\n", err)
		return &ended{exitError}
	}
	if err == nil {
		fmt.Fprintf(to.out, "\n%s\nYour own: docs/guide.md\n", summary.Shown())
	}
	return err
}

func newDemo() *cobra.Command {
	var o scenario.Options
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: "try",
		Short:   "See it: a bad attempt that takes itself back, then a good one that loses no request",
		Long: `Starts two real Kubernetes clusters (1.33 and 1.36) and an AWS with a data plane on
this machine, puts a service with real users on it and moves it from one cluster
to the other. The first attempt goes to a version that fails 5 % of its requests;
the second, fixed, goes to 100 % while all pods of both sides are replaced.

Exit code 0 only if the first was taken back and the second lost no request.

Other scenarios move a good version, with trouble in the middle:

  --scenario shared-outage   the database behind both sides fails half of its
                             requests for five minutes: nothing rises, and nothing
                             is taken back, because the target is not to blame
  --scenario metrics-lost    nobody can read the metrics for 90 seconds: nothing
                             rises, and no request is lost

With --chaos SEED both attempts are played under faults that the seed decides, and
that are listed before they happen: AWS throttles, answers 500, loses replies and
requests, comes late, says that the token has expired; watari run is killed, or
stopped for longer than its lease while another one takes over; API servers and
other parts of the control planes are killed; the metrics cannot be read. What
kills pods under their users (a node that dies, a side that is cut off) belongs to
the first attempt: it costs requests whatever moves the traffic, and they are
counted apart. Exit code 0 only if the first attempt was taken back within its
bound, the second lost no request, and no process wrote after its lease.`,
		Example: "  watari demo\n  watari demo --kills 10\n  watari demo --chaos 4",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("chaos") && o.Chaos == 0 {
				return usage{errors.New("--chaos 0: seeds begin with 1")}
			}
			return unhindered(cmd, nil, func(to *streams) error { return playDemo(cmd.Context(), o, to) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Name, "scenario", scenario.TargetGroupBinding, fmt.Sprintf("which migration to play: %v", scenario.Names()))
	f.Float64Var(&o.Rate, "rate", 200, "requests per second")
	f.Uint64Var(&o.Seed, "seed", 1, "decides which user sends when")
	f.DurationVar(&o.Trouble, "trouble", 0, "how long the trouble in the middle lasts, where there is some (default: as above)")
	f.BoolVar(&o.Keep, "keep", false, "leave the lab up at the end")
	f.Uint64Var(&o.Chaos, "chaos", 0, "play it under the schedule of faults of this seed, from 1 (default: no faults)")
	f.IntVar(&o.Kills, "kills", 0, "kill watari run that often with kill -9 in each attempt, and start it again")
	f.StringVar(&o.LabDir, "lab-dir", "", "directory of the lab (default $WATARI_LAB_DIR, then the user cache directory)")
	return cmd
}
