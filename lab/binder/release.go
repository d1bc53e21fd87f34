package binder

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"watari.dev/lab/binder/v1beta1"
)

// finalize releases the targets of a deleted binding and lets it go.
func (r *reconciler) finalize(ctx context.Context, tgb *v1beta1.TargetGroupBinding) error {
	if !controllerutil.ContainsFinalizer(tgb, finalizer) {
		return nil
	}
	err := r.release(ctx, tgb)
	if err == nil {
		controllerutil.RemoveFinalizer(tgb, finalizer)
		err = client.IgnoreNotFound(r.client.Update(ctx, tgb))
	}
	if err != nil {
		return fmt.Errorf("binder: unbind %s/%s: %w", tgb.Namespace, tgb.Name, err)
	}
	return nil
}

// release empties the group, as far as it is ours to empty: as with AWS's
// controller that is everything, unless the group is said to be shared.
func (r *reconciler) release(ctx context.Context, tgb *v1beta1.TargetGroupBinding) error {
	registered, err := r.groups.readHealth(ctx, tgb.Spec.TargetGroupARN)
	if errors.Is(err, errNoGroup) {
		return r.releasePods(ctx, tgb)
	}
	if err != nil {
		return err
	}
	shared := tgb.Spec.MultiClusterTargetGroup
	var own targets
	if shared {
		if own, err = r.readOwn(ctx, tgb); err != nil {
			return err
		}
	}
	_, deregister := decideTargets(nil, addressesOf(registered), own, shared)
	if len(deregister) > 0 {
		r.log.Info("releasing", "binding", tgb.Namespace+"/"+tgb.Name, "deregister", deregister)
	}
	err = r.groups.writeDeregister(ctx, tgb.Spec.TargetGroupARN, deregister)
	if err != nil && !errors.Is(err, errNoGroup) {
		return err
	}
	return r.releasePods(ctx, tgb)
}

// releasePods forgets what was ours and lets no pod wait for a health that
// nobody will read.
func (r *reconciler) releasePods(ctx context.Context, tgb *v1beta1.TargetGroupBinding) error {
	if tgb.Spec.MultiClusterTargetGroup {
		if err := r.deleteOwn(ctx, tgb); err != nil {
			return err
		}
	}
	var pods corev1.PodList
	if err := r.client.List(ctx, &pods, client.InNamespace(tgb.Namespace)); err != nil {
		return fmt.Errorf("read pods of %s: %w", tgb.Namespace, err)
	}
	gate := gateOf(tgb.Name)
	for i := range pods.Items {
		if _, err := r.writeGate(ctx, &pods.Items[i], gate, released); err != nil {
			return err
		}
	}
	return nil
}
