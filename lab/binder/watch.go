package binder

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"watari.dev/lab/binder/v1beta1"
)

// workers is how many bindings are brought in line at the same time, as in
// AWS's controller.
const workers = 3

// After an error a binding is tried again within these bounds. The library's
// own bound is a quarter of an hour, in which a load balancer that came back would
// be left with dead targets.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// watch calls r for whatever concerns a binding.
func watch(mgr ctrl.Manager, r *reconciler) error {
	manyPerProcess := true // one per cluster
	return ctrl.NewControllerManagedBy(mgr).
		Named("targetgroupbinding").
		For(&v1beta1.TargetGroupBinding{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Service{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return r.bindingsOf(ctx, o.GetNamespace(), o.GetName())
		})).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
			return r.bindingsOf(ctx, o.GetNamespace(), o.GetLabels()[discoveryv1.LabelServiceName])
		})).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(bindingsOfPod), builder.WithPredicates(podPredicate())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers, SkipNameValidation: &manyPerProcess,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(r)
}

// bindingsOf returns the bindings that refer to a Service.
func (r *reconciler) bindingsOf(ctx context.Context, namespace, service string) (requests []reconcile.Request) {
	var list v1beta1.TargetGroupBindingList
	if err := r.client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		r.log.Error("read bindings", "namespace", namespace, "err", err) // the next resync finds what changed
		return nil
	}
	for i := range list.Items {
		if list.Items[i].Spec.ServiceRef.Name == service {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// bindingsOfPod returns the bindings that a pod waits for, by its gates. Pods
// without a gate are followed through their EndpointSlices.
func bindingsOfPod(_ context.Context, o client.Object) (requests []reconcile.Request) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return nil
	}
	for _, g := range pod.Spec.ReadinessGates {
		if name, ours := strings.CutPrefix(string(g.ConditionType), gatePrefix); ours {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: pod.Namespace, Name: name}})
		}
	}
	return requests
}

// podPredicate lets through what decideEndpoints looks at.
func podPredicate() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok1 := e.ObjectOld.(*corev1.Pod)
			after, ok2 := e.ObjectNew.(*corev1.Pod)
			return ok1 && ok2 && (hasCondition(before, corev1.ContainersReady) != hasCondition(after, corev1.ContainersReady) ||
				before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero())
		},
	}
}
