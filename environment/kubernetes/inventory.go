package kubernetes

import (
	"context"
	"errors"
	"slices"
	"sort"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"watari.dev/environment"
	"watari.dev/traffic"
)

// pageSize is how many objects one call returns, as kubectl does it.
const pageSize = 500

// Inventory implements environment.Environment.
func (c *Cluster) Inventory(ctx context.Context) (environment.Inventory, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	found := environment.Inventory{Kind: "Kubernetes", At: c.now()}
	var err error
	if found.Version, err = c.version(ctx); err != nil {
		return environment.Inventory{}, c.failure(ctx, "read the version", err)
	}
	if found.Namespaces, err = c.namespaces(ctx); err != nil {
		return environment.Inventory{}, err
	}
	if found.Pods, err = c.pods(ctx, found.Namespaces); err != nil {
		return environment.Inventory{}, c.failure(ctx, "list the pods", err)
	}
	if found.Nodes, err = c.nodes(ctx); err != nil {
		return environment.Inventory{}, c.failure(ctx, "list the nodes", err)
	}
	return found, nil
}

// namespaces returns the names of those that are meant. Who may not look at
// namespaces, but named some, is believed.
func (c *Cluster) namespaces(ctx context.Context) ([]string, error) {
	var names []string
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.CoreV1().Namespaces().List(ctx, o)
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
func (c *Cluster) pods(ctx context.Context, namespaces []string) (count environment.Count, err error) {
	in := []string{metav1.NamespaceAll}
	if len(c.settings.Include) > 0 {
		in = namespaces
	}
	for _, namespace := range in {
		err := pages(func(o metav1.ListOptions) (string, error) {
			list, err := c.client.CoreV1().Pods(namespace).List(ctx, o)
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
func (c *Cluster) nodes(ctx context.Context) (traffic.Reading[environment.Count], error) {
	var count environment.Count
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.CoreV1().Nodes().List(ctx, o)
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

// failure says what kind of failure err is.
func (c *Cluster) failure(ctx context.Context, op string, err error) error {
	e := &environment.Error{Op: "kubernetes: " + op, On: c.name, Kind: environment.ErrUnreachable, Cause: err}
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		e.Kind, e.Advice = environment.ErrDenied, "grant this user the role view, and list of nodes"
	case ctx.Err() != nil:
		e.Cause = errors.Join(context.Cause(ctx), err)
		e.Cause = ctxError{why: "no answer within " + c.patience.String() + ", or the caller gave up", err: e.Cause}
		e.Advice = "see whether kubectl reaches it"
	default:
		e.Advice = "see whether kubectl reaches it"
	}
	return e
}

// ctxError says in words that nobody answered in time.
type ctxError struct {
	why string
	err error
}

func (e ctxError) Error() string { return e.why }
func (e ctxError) Unwrap() error { return e.err }
