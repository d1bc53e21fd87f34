package binder

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"watari.dev/lab/binder/v1beta1"
)

// Where the own targets of a shared group are kept: the names are those of AWS's
// controller, so that either can go on where the other stopped.
const (
	ownPrefix = "aws-lbc-targets-"
	ownKey    = "targets"
)

func ownName(tgb *v1beta1.TargetGroupBinding) client.ObjectKey {
	return client.ObjectKey{Namespace: tgb.Namespace, Name: ownPrefix + tgb.Name}
}

// readOwn returns the targets that this cluster registered in a shared group,
// nil if nothing is known.
func (r *reconciler) readOwn(ctx context.Context, tgb *v1beta1.TargetGroupBinding) (targets, error) {
	var cm corev1.ConfigMap
	err := r.reader.Get(ctx, ownName(tgb), &cm)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which targets are ours: %w", err)
	}
	return parseOwn(cm.Data[ownKey]), nil
}

// writeOwn remembers the targets that are ours, before they are registered: a
// target that is registered and forgotten would stay for ever.
func (r *reconciler) writeOwn(ctx context.Context, tgb *v1beta1.TargetGroupBinding, had, own targets) error {
	if had != nil && maps.Equal(had, own) {
		return nil
	}
	name := ownName(tgb)
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		Data:       map[string]string{ownKey: formatOwn(own)},
	}
	err := r.client.Update(ctx, cm)
	if apierrors.IsNotFound(err) {
		err = r.client.Create(ctx, cm)
	}
	if err != nil {
		return fmt.Errorf("remember which targets are ours: %w", err)
	}
	return nil
}

func (r *reconciler) deleteOwn(ctx context.Context, tgb *v1beta1.TargetGroupBinding) error {
	name := ownName(tgb)
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	if err := client.IgnoreNotFound(r.client.Delete(ctx, cm)); err != nil {
		return fmt.Errorf("forget which targets were ours: %w", err)
	}
	return nil
}

func formatOwn(own targets) string {
	names := make([]string, 0, len(own))
	for _, t := range own.sorted() {
		names = append(names, t.String())
	}
	return strings.Join(names, ",")
}

// parseOwn reads what formatOwn wrote. What it cannot read is not ours.
func parseOwn(text string) targets {
	own := targets{}
	for name := range strings.SplitSeq(text, ",") {
		if at, err := netip.ParseAddrPort(name); err == nil {
			own[target{ip: at.Addr().String(), port: int32(at.Port())}] = true
		}
	}
	return own
}
