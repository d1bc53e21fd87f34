package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/lab"
	"watari.dev/lab/app"
	labaws "watari.dev/lab/aws"
	"watari.dev/lab/binder"
	"watari.dev/lab/kube"
	"watari.dev/lab/load"
	"watari.dev/lab/node"
	"watari.dev/scenario"
	"watari.dev/view"
)

// labFlags say which lab is meant.
type labFlags struct{ dir string }

func newLab() *cobra.Command {
	var flags labFlags
	cmd := &cobra.Command{
		Use:     "lab",
		GroupID: "try",
		Short:   "Two real Kubernetes clusters and an AWS on this machine",
		Long: `The lab runs two real Kubernetes clusters (1.33 and 1.36) and an AWS with a data
plane as processes of yours: no root, no Docker, no AWS account, nothing but
loopback. Kubernetes is compiled once, into the user cache directory.`,
	}
	cmd.PersistentFlags().StringVar(&flags.dir, "dir", "", "directory of the lab (default $WATARI_LAB_DIR, then the user cache directory)")
	onlyCommands(cmd)
	cmd.AddCommand(
		newLabUp(&flags), newLabDown(&flags), newLabStatus(&flags), newLabKubeconfig(&flags), newLabEnv(&flags), newLabLogs(&flags), newLabFault(&flags), newLabBuild(), newLabBench(&flags),
		newLabSupervise(&flags), newLabComponent(), newLabApp(), newLabLoad(),
	)
	return cmd
}

func (f *labFlags) config(cmd *cobra.Command) lab.Config {
	return lab.Config{Dir: f.dir, Progress: func(e lab.Event) { fmt.Fprintln(cmd.OutOrStdout(), e) }}
}

func newLabUp(flags *labFlags) *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Start it, or say that it runs", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, err := lab.Up(cmd.Context(), flags.config(cmd))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nkubectl:  export KUBECONFIG=%s   (contexts %s, %s)\nAWS:      eval \"$(watari lab env)\"\nStop it:  watari lab down\n",
				info.Kubeconfig, info.Clusters[0].Name, info.Clusters[1].Name)
			return nil
		},
	}
}

func newLabDown(flags *labFlags) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Stop it, and clean up what a killed one left", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := lab.Down(cmd.Context(), flags.config(cmd))
			if err != nil {
				return err
			}
			if len(report.Stopped) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "There was no lab to stop.")
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Stopped %d processes in %s.\n", len(report.Stopped), view.Span(report.Took))
			return nil
		},
	}
}

func newLabStatus(flags *labFlags) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "status", Short: "What of it runs", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, err := lab.Status(flags.dir)
			if err != nil {
				return err
			}
			if output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(info)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
			fmt.Fprintf(t, "lab %s: %s\n\n", info.Dir, info.State)
			fmt.Fprintln(t, "  component\tstate\tpid\tsince\trestarts\tendpoint")
			for _, c := range info.Components {
				pid, since := "-", "-"
				if c.Process.PID != 0 {
					pid, since = fmt.Sprint(c.Process.PID), view.Span(time.Since(c.Since).Round(time.Second))
				}
				fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d\t%s\n", c.Name, c.State, pid, since, c.Restarts, c.Endpoint)
			}
			return t.Flush()
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json (holds the lab's secrets)")
	return cmd
}

func newLabKubeconfig(flags *labFlags) *cobra.Command {
	return &cobra.Command{
		Use: "kubeconfig", Short: "Print the path of the kubeconfig for both clusters", Args: noArgs,
		Example: "  export KUBECONFIG=$(watari lab kubeconfig)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := lab.Kubeconfig(flags.dir)
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		},
	}
}

func newLabEnv(flags *labFlags) *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: "Print the environment that leads AWS tools into the lab", Args: noArgs,
		Example: `  eval "$(watari lab env)"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, err := lab.Read(flags.dir)
			if err != nil {
				return err
			}
			a := info.AWS
			fmt.Fprintf(cmd.OutOrStdout(), "export AWS_ENDPOINT_URL=%s\nexport AWS_REGION=%s\nexport AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\nunset AWS_PROFILE AWS_SESSION_TOKEN\nexport KUBECONFIG=%s\n",
				a.Endpoint, a.Region, a.AccessKey, a.SecretKey, info.Kubeconfig)
			return nil
		},
	}
}

func newLabLogs(flags *labFlags) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "logs [COMPONENT]", Short: "The log of a component; without a name, which there are", Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return lab.Logs(cmd.Context(), flags.dir, args[0], follow, cmd.OutOrStdout())
			}
			names, err := lab.LogNames(flags.dir)
			for _, name := range names {
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is added")
	return cmd
}

func newLabBuild() *cobra.Command {
	return &cobra.Command{
		Use: "build", Short: "Compile the Kubernetes versions that are not compiled yet", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := kube.Build(cmd.Context(), kube.Options{Progress: func(p kube.Progress) { fmt.Fprintln(cmd.OutOrStdout(), p) }})
			return err
		},
	}
}

// The commands below are how the lab starts its own processes.

func newLabSupervise(flags *labFlags) *cobra.Command {
	return &cobra.Command{
		Use: "supervise", Hidden: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return lab.Supervise(cmd.Context(), flags.dir) },
	}
}

func newLabComponent() *cobra.Command {
	var config string
	components := map[string]func(context.Context, []byte) error{
		"aws":    component(labaws.Run),
		"node":   component(node.Run),
		"binder": component(binder.Run),
	}
	cmd := &cobra.Command{
		Use: "component KIND", Hidden: true, Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			run, known := components[args[0]]
			if !known {
				return usage{fmt.Errorf("the lab has no component %q", args[0])}
			}
			content, err := os.ReadFile(config)
			if err != nil {
				return err
			}
			slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
			return run(cmd.Context(), content)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "file with the component's configuration")
	return cmd
}

// component reads a configuration and runs what wants it until it is told to
// end.
func component[C any](run func(context.Context, C) error) func(context.Context, []byte) error {
	return func(ctx context.Context, content []byte) error {
		var cfg C
		if err := json.Unmarshal(content, &cfg); err != nil {
			return err
		}
		if err := run(ctx, cfg); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
}

func newLabApp() *cobra.Command {
	return &cobra.Command{
		Use: "app", Hidden: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := app.ConfigFromEnv(os.Getenv)
			if err != nil {
				return err
			}
			return app.Run(cmd.Context(), cfg)
		},
	}
}

func newLabLoad() *cobra.Command {
	cfg := load.ProcessConfig{Config: load.Config{Rate: 100, Clients: load.Mix{Fresh: 1}}}
	cmd := &cobra.Command{
		Use: "load --url URL", Short: "Send counted requests to a service of the lab; loopback only", Args: noArgs,
		Long: `Sends requests at a fixed rate whatever the answers, and accounts for each one:
who answered, or how it failed. Nothing outside of 127.0.0.0/8 is dialled.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
			return load.Run(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.URL, "url", "", "what to ask for, by http")
	f.StringVar(&cfg.Resolver, "resolver", "", "DNS server that knows the name, host:port")
	f.IntVar(&cfg.Port, "port", 0, "dialled instead of the URL's port")
	f.Float64Var(&cfg.Rate, "rate", cfg.Rate, "requests per second")
	f.DurationVar(&cfg.Duration, "duration", 0, "how long; 0 is until Ctrl-C")
	f.Uint64Var(&cfg.Seed, "seed", 1, "decides which user sends when")
	f.Float64Var(&cfg.Clients.Fresh, "fresh", 1, "proportion of users that resolve the name for each request")
	f.Float64Var(&cfg.Clients.KeepAlive, "keepalive", 0, "proportion of users that keep their connections")
	f.Float64Var(&cfg.Clients.Forever, "forever", 0, "proportion of users that resolve the name once")
	f.StringVar(&cfg.Control, "control", "", "loopback host:port for GET /snapshot and POST /mark?name=")
	f.StringVar(&cfg.LogFile, "log", "", "file for one line of JSON per request")
	f.StringVar(&cfg.ResultFile, "result", "", "file for the account at the end")
	return cmd
}

func newLabBench(flags *labFlags) *cobra.Command {
	var o scenario.BenchOptions
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure the lab's start and how fast a bad target is taken back", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.LabDir, o.Out = flags.dir, cmd.OutOrStdout()
			return scenario.Bench(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&o.Attempts, "attempts", 20, "bad attempts to measure")
	cmd.Flags().IntVar(&o.Starts, "starts", 3, "starts of the lab to measure")
	cmd.Flags().BoolVar(&o.Cold, "cold", false, "also compile Kubernetes with empty caches, which takes about ten minutes")
	return cmd
}
