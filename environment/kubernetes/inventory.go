package kubernetes

import (
	"context"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"watari.dev/environment"
	"watari.dev/environment/kubernetes/plugin"
	"watari.dev/traffic"
)

// pageSize is how many objects one call returns, as kubectl does it.
const pageSize = 500

// Inventory implements environment.Environment.
func (c *Cluster) Inventory(ctx context.Context) (environment.Inventory, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	credentials, err := c.signIn(ctx)
	if err != nil {
		return environment.Inventory{}, err
	}
	found, err := c.inventory(ctx, credentials)
	if c.plugin == nil || !apierrors.IsUnauthorized(err) {
		return found, err
	}
	c.plugin.Refuse(credentials) // they may have ended before their time: once more with new ones
	if credentials, err = c.signIn(ctx); err != nil {
		return environment.Inventory{}, err
	}
	return c.inventory(ctx, credentials)
}

// signIn returns what the plugin gives; nil without one.
func (c *Cluster) signIn(ctx context.Context) (*plugin.Credentials, error) {
	if c.plugin == nil {
		return nil, nil
	}
	credentials, err := c.plugin.Credentials(ctx)
	if err != nil {
		return nil, c.notSignedIn(err)
	}
	return credentials, nil
}

// inventory asks with credentials.
func (c *Cluster) inventory(ctx context.Context, credentials *plugin.Credentials) (environment.Inventory, error) {
	found := environment.Inventory{Kind: "Kubernetes", At: c.now()}
	s, err := c.connect(credentials)
	if err != nil {
		return environment.Inventory{}, c.failure(ctx, "connect", err)
	}
	if found.Version, err = s.version(ctx); err != nil {
		return environment.Inventory{}, c.failure(ctx, "read the version", err)
	}
	if found.Namespaces, err = c.namespaces(ctx, s); err != nil {
		return environment.Inventory{}, err
	}
	if found.Pods, err = c.pods(ctx, s, found.Namespaces); err != nil {
		return environment.Inventory{}, c.failure(ctx, "list the pods", err)
	}
	if found.Nodes, err = c.nodes(ctx, s); err != nil {
		return environment.Inventory{}, c.failure(ctx, "list the nodes", err)
	}
	return found, nil
}

// namespaces returns the names of those that are meant. Who may not look at
// namespaces, but named some, is believed.
func (c *Cluster) namespaces(ctx context.Context, s session) ([]string, error) {
	var names []string
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := s.client.CoreV1().Namespaces().List(ctx, o)
		if err != nil {
			return "", err
		}
		for _, n := range list.Items {
			names = append(names, n.Name)
		}
		return list.Continue, nil
	})
	if apierrors.IsForbidden(err) && len(c.settings.Include) > 0 {
		names, err = c.settings.Include, nil
	}
	if err != nil {
		return nil, c.failure(ctx, "list the namespaces", err)
	}
	for _, n := range c.settings.Include {
		if !slices.Contains(names, n) {
			return nil, &environment.Error{Op: "kubernetes: find namespace " + n, On: c.name, Kind: environment.ErrNotFound, Advice: "correct the name or create it"}
		}
	}
	return decideNamespaces(names, c.settings), nil
}

// decideNamespaces returns those of names that are meant, sorted.
func decideNamespaces(names []string, s Settings) []string {
	meant := slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return len(s.Include) > 0 && !slices.Contains(s.Include, n) || slices.Contains(s.Exclude, n)
	})
	sort.Strings(meant)
	return meant
}

// pods counts the pods of the namespaces: in one listing if all are meant, and
// otherwise in one for each, because a listing of all may not be permitted.
func (c *Cluster) pods(ctx context.Context, s session, namespaces []string) (count environment.Count, err error) {
	in := []string{metav1.NamespaceAll}
	if len(c.settings.Include) > 0 {
		in = namespaces
	}
	for _, namespace := range in {
		err := pages(func(o metav1.ListOptions) (string, error) {
			list, err := s.client.CoreV1().Pods(namespace).List(ctx, o)
			if err != nil {
				return "", err
			}
			for i := range list.Items {
				if slices.Contains(namespaces, list.Items[i].Namespace) {
					add(&count, &list.Items[i])
				}
			}
			return list.Continue, nil
		})
		if err != nil {
			return environment.Count{}, err
		}
	}
	return count, nil
}

// add counts a pod unless it has finished or is going.
func add(count *environment.Count, pod *corev1.Pod) {
	finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if finished || pod.DeletionTimestamp != nil {
		return
	}
	count.Total++
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			count.Ready++
		}
	}
}

// nodes counts the nodes. Not to be permitted to see them is common, the view
// role does not include them, and so no error.
func (c *Cluster) nodes(ctx context.Context, s session) (traffic.Reading[environment.Count], error) {
	var count environment.Count
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := s.client.CoreV1().Nodes().List(ctx, o)
		if err != nil {
			return "", err
		}
		for _, n := range list.Items {
			count.Total++
			for _, condition := range n.Status.Conditions {
				if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
					count.Ready++
				}
			}
		}
		return list.Continue, nil
	})
	switch {
	case apierrors.IsForbidden(err):
		return traffic.FailedAt[environment.Count](err, c.now()), nil
	case err != nil:
		return traffic.Reading[environment.Count]{}, err
	}
	return traffic.KnownAt(count, c.now()), nil
}

// pages calls list until there is no page left.
func pages(list func(metav1.ListOptions) (next string, err error)) error {
	options := metav1.ListOptions{Limit: pageSize}
	for {
		next, err := list(options)
		if err != nil || next == "" {
			return err
		}
		options.Continue = next
	}
}
