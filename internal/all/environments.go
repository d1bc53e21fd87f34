package all

import (
	"context"
	"fmt"

	"watari.dev/environment/kubernetes"
	"watari.dev/plan"
)

// Describe says in a few words what an environment is at present, such as
// "Kubernetes 1.33.13, 214 of 214 pods ready", or why that is not known.
func Describe(ctx context.Context, e plan.Environment) string {
	text, err := describe(ctx, e)
	if err != nil {
		return "not read: " + err.Error()
	}
	return text
}

func describe(ctx context.Context, e plan.Environment) (string, error) {
	if e.Kubernetes == nil {
		return "", fmt.Errorf("the plan names no kind of %s that this watari knows", e.Name)
	}
	cluster, err := kubernetes.New(kubernetes.Settings{
		Kubeconfig: e.Kubernetes.Kubeconfig, Context: e.Kubernetes.Context, Include: e.Kubernetes.Include, Exclude: e.Kubernetes.Exclude,
	})
	if err != nil {
		return "", err
	}
	inventory, err := cluster.Inventory(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s, %d of %d pods ready", inventory.Kind, inventory.Version, inventory.Pods.Ready, inventory.Pods.Total), nil
}
