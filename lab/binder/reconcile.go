package binder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"watari.dev/lab/binder/v1beta1"
)

// finalizer keeps a deleted binding until its targets are deregistered. The
// name is that of AWS's controller.
const finalizer = "elbv2.k8s.aws/resources"

// errNoBackend says that the Service or its port does not exist.
var errNoBackend = errors.New("backend not found")

// reconciler brings one binding's target group in line with its pods.
type reconciler struct {
	client client.Client
	reader client.Reader // past the cache, for objects that are not watched
	groups *groups
	events events.EventRecorder
	log    *slog.Logger
	now    func() time.Time

	healthInterval time.Duration
	resyncInterval time.Duration
}

// Reconcile is called by controller-runtime for each binding that may need it.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var tgb v1beta1.TargetGroupBinding
	if err := r.client.Get(ctx, req.NamespacedName, &tgb); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !tgb.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, &tgb)
	}
	if t := tgb.Spec.TargetType; t != nil && *t != v1beta1.TargetTypeIP {
		err := fmt.Errorf("binder: binding %s has targets of type %s; the lab has pods only, use type ip", req, *t)
		r.warn(&tgb, "UnsupportedTargetType", err)
		return ctrl.Result{}, reconcile.TerminalError(err)
	}
	if controllerutil.AddFinalizer(&tgb, finalizer) {
		if err := r.client.Update(ctx, &tgb); err != nil {
			return ctrl.Result{}, fmt.Errorf("binder: put the finalizer on %s: %w", req, err)
		}
	}
	again, err := r.bind(ctx, &tgb)
	if err == nil {
		err = r.writeObserved(ctx, &tgb)
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("binder: bind %s: %w", req, err)
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

// bind makes one turn and says when the next one is due.
func (r *reconciler) bind(ctx context.Context, tgb *v1beta1.TargetGroupBinding) (again time.Duration, err error) {
	gate := gateOf(tgb.Name)
	endpoints, pending, err := r.readEndpoints(ctx, tgb, gate)
	if errors.Is(err, errNoBackend) {
		r.warn(tgb, "BackendNotFound", err)
		return r.resyncInterval, r.release(ctx, tgb)
	}
	if err != nil {
		return 0, err
	}
	registered, err := r.groups.readHealth(ctx, tgb.Spec.TargetGroupARN)
	if err != nil {
		return 0, err
	}
	if err := r.writeTargets(ctx, tgb, desiredOf(endpoints), addressesOf(registered)); err != nil {
		return 0, err
	}
	waits, err := r.writeGates(ctx, gate, endpoints, registered)
	if err != nil {
		return 0, err
	}
	if waits || pending {
		return r.healthInterval, nil
	}
	return r.resyncInterval, nil
}

// writeTargets deregisters before it registers, as AWS's controller does.
func (r *reconciler) writeTargets(ctx context.Context, tgb *v1beta1.TargetGroupBinding, desired, registered targets) error {
	group, shared := tgb.Spec.TargetGroupARN, tgb.Spec.MultiClusterTargetGroup
	var own targets
	if shared {
		var err error
		if own, err = r.readOwn(ctx, tgb); err != nil {
			return err
		}
	}
	register, deregister := decideTargets(desired, registered, own, shared)
	if len(register)+len(deregister) > 0 {
		r.log.Info("binding", "binding", tgb.Namespace+"/"+tgb.Name, "register", register, "deregister", deregister)
	}
	if shared {
		all := union(own, desired)
		if err := r.writeOwn(ctx, tgb, own, all); err != nil {
			return err
		}
		own = all
	}
	if err := r.groups.writeDeregister(ctx, group, deregister); err != nil {
		return err
	}
	if err := r.groups.writeRegister(ctx, group, register); err != nil {
		return err
	}
	if shared {
		return r.writeOwn(ctx, tgb, own, desired)
	}
	return nil
}

// readEndpoints reads which pods belong into the group.
func (r *reconciler) readEndpoints(ctx context.Context, tgb *v1beta1.TargetGroupBinding, gate corev1.PodConditionType) ([]endpoint, bool, error) {
	var svc corev1.Service
	ref := client.ObjectKey{Namespace: tgb.Namespace, Name: tgb.Spec.ServiceRef.Name}
	if err := r.client.Get(ctx, ref, &svc); apierrors.IsNotFound(err) {
		return nil, false, fmt.Errorf("service %s: %w", ref, errNoBackend)
	} else if err != nil {
		return nil, false, fmt.Errorf("read service %s: %w", ref, err)
	}
	port, err := decideServicePort(&svc, tgb.Spec.ServiceRef.Port)
	if err != nil {
		return nil, false, err
	}
	seen, err := r.readBackends(ctx, ref)
	if err != nil {
		return nil, false, err
	}
	endpoints, pending := decideEndpoints(port, seen, gate)
	return endpoints, pending, nil
}

func (r *reconciler) readBackends(ctx context.Context, service client.ObjectKey) (backends, error) {
	seen := backends{pods: map[string]*corev1.Pod{}, nodes: map[string]corev1.ConditionStatus{}}
	var list discoveryv1.EndpointSliceList
	err := r.client.List(ctx, &list, client.InNamespace(service.Namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service.Name})
	if err != nil {
		return seen, fmt.Errorf("read endpoints of %s: %w", service, err)
	}
	seen.slices = list.Items
	for _, slice := range list.Items {
		for _, ep := range slice.Endpoints {
			if ep.TargetRef == nil || ep.TargetRef.Kind != "Pod" || seen.pods[ep.TargetRef.Name] != nil {
				continue
			}
			var pod corev1.Pod
			key := client.ObjectKey{Namespace: service.Namespace, Name: ep.TargetRef.Name}
			if err := r.client.Get(ctx, key, &pod); apierrors.IsNotFound(err) {
				continue
			} else if err != nil {
				return seen, fmt.Errorf("read pod %s: %w", key, err)
			}
			seen.pods[pod.Name] = &pod
			if err := r.readNode(ctx, pod.Spec.NodeName, seen.nodes); err != nil {
				return seen, err
			}
		}
	}
	return seen, nil
}

// readNode enters whether a node is ready.
func (r *reconciler) readNode(ctx context.Context, name string, nodes map[string]corev1.ConditionStatus) error {
	if _, known := nodes[name]; known {
		return nil
	}
	var node corev1.Node
	if err := r.client.Get(ctx, client.ObjectKey{Name: name}, &node); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read node %s: %w", name, err)
	}
	nodes[name] = corev1.ConditionFalse
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			nodes[name] = c.Status
		}
	}
	return nil
}

// writeObserved says in the status which version of the binding is in force.
func (r *reconciler) writeObserved(ctx context.Context, tgb *v1beta1.TargetGroupBinding) error {
	if o := tgb.Status.ObservedGeneration; o != nil && *o == tgb.Generation {
		return nil
	}
	before := tgb.DeepCopy()
	generation := tgb.Generation
	tgb.Status.ObservedGeneration = &generation
	return client.IgnoreNotFound(r.client.Status().Patch(ctx, tgb, client.MergeFrom(before)))
}

func (r *reconciler) warn(tgb *v1beta1.TargetGroupBinding, reason string, err error) {
	r.events.Eventf(tgb, nil, corev1.EventTypeWarning, reason, "Bind", "%v", err)
}
