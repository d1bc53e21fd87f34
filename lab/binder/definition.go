package binder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"watari.dev/lab/binder/v1beta1"
)

// How long the API server may take to answer and to know the definition.
const (
	installEvery = 100 * time.Millisecond
	installLimit = time.Minute
)

// installDefinition makes the API server know TargetGroupBinding and waits until
// it does. A server that does not answer yet is asked again.
func installDefinition(ctx context.Context, c client.Client) error {
	want, err := v1beta1.CRD()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	if err := until(ctx, func() error { return writeDefinition(ctx, c, want) }); err != nil {
		return fmt.Errorf("binder: install %s: %w", want.Name, err)
	}
	if err := until(ctx, func() error { return readEstablished(ctx, c, want.Name) }); err != nil {
		return fmt.Errorf("binder: wait for the API server to know %s: %w", want.Name, err)
	}
	return nil
}

// until tries again until there is no error or ctx ends, and returns the last
// error then.
func until(ctx context.Context, try func() error) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, installEvery, true, func(context.Context) (bool, error) {
		last = try()
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// writeDefinition creates the definition, or replaces one of an earlier binder.
func writeDefinition(ctx context.Context, c client.Client, want *apiextensionsv1.CustomResourceDefinition) error {
	var have apiextensionsv1.CustomResourceDefinition
	err := c.Get(ctx, client.ObjectKeyFromObject(want), &have)
	if apierrors.IsNotFound(err) {
		return c.Create(ctx, want.DeepCopy())
	}
	if err != nil {
		return err
	}
	update := want.DeepCopy()
	update.ResourceVersion = have.ResourceVersion
	return c.Update(ctx, update)
}

// errNotEstablished says that the API server does not serve the kind yet.
var errNotEstablished = errors.New("not established yet")

func readEstablished(ctx context.Context, c client.Client, name string) error {
	var have apiextensionsv1.CustomResourceDefinition
	if err := c.Get(ctx, client.ObjectKey{Name: name}, &have); err != nil {
		return err
	}
	if !slices.ContainsFunc(have.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	}) {
		return errNotEstablished
	}
	return nil
}
