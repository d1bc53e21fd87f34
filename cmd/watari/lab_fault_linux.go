package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/lab"
	"watari.dev/lab/fault"
	"watari.dev/view"
)

func newLabFault(flags *labFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "fault", Short: "Make something go wrong in the lab: calls of AWS, processes, the network",
		Long: `Makes something go wrong in the lab that runs. Every fault ends by itself, and all
of them end with the lab.

  watari lab fault aws throttle --action ModifyListener --times 5
  watari lab fault kill api-server --side source --for 20s
  watari lab fault partition --side target --for 30s
  watari lab fault list
  watari lab fault heal`,
	}
	onlyCommands(cmd)
	cmd.AddCommand(newLabFaultAWS(flags), newLabFaultKill(flags), newLabFaultPartition(flags), newLabFaultList(flags), newLabFaultHeal(flags))
	return cmd
}

// faultKinds say what each kind does, in the order of fault.Kinds.
func faultKinds() string {
	var b strings.Builder
	for _, kind := range fault.Kinds() {
		fmt.Fprintf(&b, "  %-14s %s\n", kind, explainKind(kind))
	}
	return b.String()
}

func explainKind(k fault.Kind) string {
	switch k {
	case fault.Throttle:
		return "refused: Rate exceeded"
	case fault.Error:
		return "HTTP 500, nothing was done"
	case fault.ErrorAfter:
		return "done, then HTTP 500"
	case fault.LostReply:
		return "done, then the connection is closed without an answer"
	case fault.LostRequest:
		return "the connection is closed without an answer, nothing was done"
	case fault.Delay:
		return "done and answered after --delay, also if the caller has left"
	case fault.Late:
		return "the connection is closed at once, and it is done after --delay"
	case fault.Partial:
		return "the first calls (--after) are done, then all are throttled"
	case fault.ExpiredToken:
		return "refused: the credentials have expired"
	case fault.AccessDenied:
		return "refused: no policy allows it"
	case fault.Clock:
		return "AWS's clock is off by --off: signatures that do not go by it are refused"
	}
	return ""
}

func newLabFaultAWS(flags *labFlags) *cobra.Command {
	var a fault.AWS
	cmd := &cobra.Command{
		Use: "aws KIND", Short: "Let calls of the lab's AWS go wrong",
		Long: `Lets calls of the lab's AWS go wrong, whoever makes them: watari, the clusters'
binders, you. Which calls are bitten is decided by their order and --seed alone.

` + faultKinds() + `
Say how often (--times) or for how long (--for), at most ` + view.Span(fault.MaxFor) + `.`,
		Example: `  watari lab fault aws throttle --action ModifyListener --times 5
  watari lab fault aws lost-reply --service route53 --action writes --times 1
  watari lab fault aws late --action ModifyRule --delay 5s --up-to 8s --times 1
  watari lab fault aws error --service elbv2 --action 'Describe*' --probability 0.3 --seed 7 --for 1m
  watari lab fault aws clock --off 10m --for 5m
  watari lab fault aws partial --action ChangeResourceRecordSets --after 2 --for 20s`,
		Args: oneOf("what is to go wrong", fault.Kinds()),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Kind = fault.Kind(args[0])
			return flags.inject(cmd, fault.Fault{AWS: &a})
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.Service, "service", "", "only calls of one service: "+strings.Join(fault.Services(), ", "))
	f.StringVar(&a.Action, "action", "", "only some calls: an action such as ModifyRule, a pattern such as 'Describe*', reads or writes")
	f.IntVar(&a.After, "after", 0, "let that many of them pass first")
	f.IntVar(&a.Times, "times", 0, "bite at most that often")
	f.DurationVar(&a.For, "for", 0, "how long")
	f.Float64Var(&a.Probability, "probability", 1, "bite each of them with this probability, above 0 and up to 1")
	f.Uint64Var(&a.Seed, "seed", 0, "decides which are bitten, and the delays")
	f.DurationVar(&a.Delay, "delay", 0, "of delay and late: how much later")
	f.DurationVar(&a.UpTo, "up-to", 0, "of delay and late: between --delay and this much later")
	f.DurationVar(&a.Off, "off", 0, "of clock: how far AWS's clock is ahead; below 0 it is behind")
	return cmd
}

func newLabFaultKill(flags *labFlags) *cobra.Command {
	var k fault.Kill
	cmd := &cobra.Command{
		Use: "kill COMPONENT", Short: "kill -9 of a component of one side",
		Long: `Kills a component of one side with kill -9. The lab starts it again at once, or
after --for. Components: ` + words(fault.Components()) + `.

A node is killed with all its pods, and starts them again when it is back. The
binder registers pods with the load balancer's target groups.`,
		Example: `  watari lab fault kill api-server --side source --for 20s
  watari lab fault kill node --side target --number 2`,
		Args: oneOf("what to kill", fault.Components()),
		RunE: func(cmd *cobra.Command, args []string) error {
			k.Component = fault.Component(args[0])
			return flags.inject(cmd, fault.Fault{Kill: &k})
		},
	}
	registerSide(cmd, &k.Side)
	cmd.Flags().DurationVar(&k.For, "for", 0, "how long it is held down, at most "+view.Span(fault.MaxFor))
	cmd.Flags().IntVar(&k.Node, "number", 0, "which node of the side, from 1")
	return cmd
}

func newLabFaultPartition(flags *labFlags) *cobra.Command {
	p := fault.Partition{How: fault.Hang}
	cmd := &cobra.Command{
		Use: "partition --side SIDE --for DURATION", Short: "Cut one side off from everybody else",
		Long: `Cuts one side off: the load balancer reaches none of its pods, nobody outside its
API server, and its binder no AWS. Within the side everything goes on.

With --how hang connections stand still, and go on when it is over; with reset they
are reset, and new ones refused. A connection to the API server is accepted while it
hangs, and then nobody answers: to refuse even that would take root.`,
		Example: "  watari lab fault partition --side target --for 30s\n  watari lab fault partition --side source --for 1m --how reset",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.inject(cmd, fault.Fault{Partition: &p})
		},
	}
	registerSide(cmd, &p.Side)
	cmd.Flags().DurationVar(&p.For, "for", 0, "how long, at most "+view.Span(fault.MaxFor))
	cmd.Flags().StringVar((*string)(&p.How), "how", string(fault.Hang), "what connections do: "+words(fault.Hows()))
	return cmd
}

func registerSide(cmd *cobra.Command, side *string) {
	cmd.Flags().StringVar(side, "side", "", "source or target")
}

func newLabFaultList(flags *labFlags) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Short: "Every fault since the start of the lab, and what it bit", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usage{fmt.Errorf("-o %s: there are text and json", output)}
			}
			list, err := lab.Faults(cmd.Context(), flags.dir)
			if err != nil {
				return err
			}
			if output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(list)
			}
			return writeFaults(cmd.OutOrStdout(), list, time.Now())
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// writeFaults writes a table of faults.
func writeFaults(out io.Writer, list []fault.Injected, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "Nothing was made to go wrong since the start of the lab.")
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "id\tsince\tstate\thits\twhat\tbit")
	for _, i := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", i.ID, i.Began.Format(time.TimeOnly), faultState(i, now), i.Count(), i.Fault, hitsOf(i))
	}
	return t.Flush()
}

// faultState says how long a fault lasts yet, or why it is over.
func faultState(i fault.Injected, now time.Time) string {
	switch {
	case i.Lasts():
		return "for " + view.Span(max(0, i.Until.Sub(now)))
	case i.Pending > 0:
		return fmt.Sprintf("%s, %d still to come", i.End, i.Pending)
	default:
		return string(i.End)
	}
}

// hitsOf says what was bitten, and how often where that can be more than once.
func hitsOf(i fault.Injected) string {
	var parts []string
	for _, h := range i.Hits {
		if i.Fault.Kill != nil {
			parts = append(parts, h.Action)
		} else {
			parts = append(parts, fmt.Sprintf("%s %s: %d", h.Service, h.Action, h.Count))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing yet")
}

func newLabFaultHeal(flags *labFlags) *cobra.Command {
	return &cobra.Command{
		Use: "heal [ID]", Short: "End one fault, or all of them", Args: atMostOne,
		Long: `Ends one fault, or all of them. Returns when what was killed is ready again. Calls
that are late are on their way and still arrive.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return flags.healOne(cmd.Context(), cmd.OutOrStdout(), args[0])
			}
			healed, err := lab.HealAll(cmd.Context(), flags.dir)
			if err != nil {
				return err
			}
			if len(healed) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "There was nothing to heal.")
			}
			for _, i := range healed {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is %s: %s\n", i.ID, i.End, i.Fault)
			}
			return nil
		},
	}
}

func (f *labFlags) healOne(ctx context.Context, out io.Writer, id string) error {
	i, err := lab.Heal(ctx, f.dir, id)
	if errors.Is(err, fault.ErrUnknown) {
		return fmt.Errorf("%w; see watari lab fault list", err)
	}
	if err == nil {
		fmt.Fprintf(out, "%s is %s: %s\n", i.ID, i.End, i.Fault)
	}
	return err
}

// inject injects a fault and says how it ends.
func (f *labFlags) inject(cmd *cobra.Command, what fault.Fault) error {
	if what.AWS != nil && what.AWS.Probability <= 0 {
		return usage{fmt.Errorf("--probability %v: give one above 0 and up to 1", what.AWS.Probability)}
	}
	if err := what.Check(); err != nil {
		return usage{err}
	}
	i, err := lab.Inject(cmd.Context(), f.dir, what)
	if err != nil {
		return err
	}
	end := "over at " + i.Until.Format(time.TimeOnly) + " at the latest; end it: watari lab fault heal " + i.ID
	if !i.Lasts() {
		end = "it is being started again"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n%s\n", i.ID, i.Fault, end)
	return err
}

// oneOf wants one argument, which is checked later with the flags, and says what
// there is to choose from.
func oneOf[T ~string](what string, all []T) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return usage{fmt.Errorf("say %s: one of %s", what, words(all))}
	}
}

func words[T ~string](all []T) string {
	var list []string
	for _, one := range all {
		list = append(list, string(one))
	}
	return strings.Join(list, ", ")
}
