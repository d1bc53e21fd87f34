package binder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"watari.dev/lab/binder/v1beta1"
)

// Run binds until ctx ends. It installs the definition of TargetGroupBinding
// first, and waits up to a minute for an API server that does not answer yet.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	log := slog.With("cluster", cfg.ClusterName)
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler())) // the library complains without it

	restConfig, err := clientcmd.BuildConfigFromFlags("", cfg.Kubeconfig)
	if err != nil {
		return fmt.Errorf("binder: read kubeconfig %s: %w", cfg.Kubeconfig, err)
	}
	restConfig.UserAgent = "watari-lab-binder"
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	direct, err := client.New(restConfig, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("binder: reach cluster %s: %w", cfg.ClusterName, err)
	}
	if err := installDefinition(ctx, direct); err != nil {
		return err
	}
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme, Logger: logr.FromSlogHandler(log.Handler()),
		Metrics:                server.Options{BindAddress: "0"}, // none
		HealthProbeBindAddress: "0",                              // none
		Cache:                  cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
	})
	if err != nil {
		return fmt.Errorf("binder: reach cluster %s: %w", cfg.ClusterName, err)
	}
	if err := watch(mgr, &reconciler{
		client: mgr.GetClient(), reader: mgr.GetAPIReader(), groups: newGroups(newLoadBalancing(cfg)),
		events: mgr.GetEventRecorder("targetgroupbinding"), log: log, now: time.Now,
		healthInterval: cfg.HealthInterval, resyncInterval: cfg.ResyncInterval,
	}); err != nil {
		return fmt.Errorf("binder: watch cluster %s: %w", cfg.ClusterName, err)
	}
	log.Info("binder: binding", "endpoint", cfg.Endpoint)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("binder: cluster %s: %w", cfg.ClusterName, err)
	}
	return nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	err := errors.Join(
		corev1.AddToScheme(scheme), discoveryv1.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), v1beta1.AddToScheme(scheme),
	)
	if err != nil {
		return nil, fmt.Errorf("binder: %w", err)
	}
	return scheme, nil
}
