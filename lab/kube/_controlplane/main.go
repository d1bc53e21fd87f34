// Command controlplane is a Kubernetes control plane in one program, told apart
// by the first argument: etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler. They are the public commands of their projects, unchanged.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics, as in the real commands
	_ "k8s.io/component-base/metrics/prometheus/version"  // version metric, as in the real commands
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: controlplane etcd|kube-apiserver|kube-controller-manager|kube-scheduler [flags]")
		os.Exit(2)
	}
	// The commands read os.Args themselves and want their own name in front.
	name := os.Args[1]
	os.Args = append([]string{name}, os.Args[2:]...)
	if name == "etcd" {
		os.Exit(runEtcd(os.Args[1:]))
	}
	command, ok := commands()[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "controlplane: no component %q\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(command()))
}

func commands() map[string]func() *cobra.Command {
	return map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllers.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	}
}
