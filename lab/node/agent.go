//go:build linux

package node

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	events "k8s.io/client-go/tools/record"
)

// leaveGrace is what containers get to stop when the agent itself ends. Their hooks are not run: nobody
// asked for the pods to end.
const leaveGrace = 2 * time.Second

// agent runs the pods of one node.
type agent struct {
	cfg       Config
	client    kubernetes.Interface
	log       *slog.Logger
	spawner   *spawner
	addresses *addressPool
	recorder  events.EventRecorder
	pods      cache.SharedIndexInformer
	leave     context.Context // the agent's own end

	mu      sync.Mutex
	workers map[types.UID]*podWorker
	working sync.WaitGroup
}

// Run registers the node and runs its pods until ctx is cancelled; then it stops every process
// it has started and returns nil. The pods stay in the API, and the next agent of that
// name starts them again. An error means that the configuration is wrong or that the
// API server refuses the node; an API server that does not answer is waited for.
func Run(ctx context.Context, cfg Config) error {
	if _, err := cfg.check(); err != nil {
		return err
	}
	rest, err := clientcmd.BuildConfigFromFlags("", cfg.Kubeconfig)
	if err != nil {
		return fmt.Errorf("node %s: read kubeconfig %s: %w", cfg.Name, cfg.Kubeconfig, err)
	}
	rest.QPS, rest.Burst = 100, 200 // a node's pods all start at once in a lab
	readers, err := certificatePool(rest)
	if err != nil {
		return fmt.Errorf("node %s: use kubeconfig %s: %w", cfg.Name, cfg.Kubeconfig, err)
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return fmt.Errorf("node %s: use kubeconfig %s: %w", cfg.Name, cfg.Kubeconfig, err)
	}
	return run(ctx, cfg, client, readers)
}

// run is Run with a client, and with the authorities that vouch for readers of logs.
func run(ctx context.Context, cfg Config, client kubernetes.Interface, readers *x509.CertPool) error {
	cidr, err := cfg.check()
	if err != nil {
		return err
	}
	a := &agent{
		cfg: cfg, client: client, log: slog.With("node", cfg.Name),
		addresses: newAddressPool(cidr), leave: ctx, workers: map[types.UID]*podWorker{},
	}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "pods"), 0o700); err != nil {
		return fmt.Errorf("node %s: make its directory: %w", cfg.Name, err)
	}
	factory := podInformers(client, cfg.Name)
	a.pods = factory.Core().V1().Pods().Informer()
	logs, err := serveLogs(a, readers)
	if err != nil {
		return fmt.Errorf("node %s: serve logs: %w", cfg.Name, err)
	}
	defer logs.close()
	broadcaster := events.NewBroadcaster(events.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: client.CoreV1().Events("")})
	a.recorder = broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: "kubelet", Host: cfg.Name})

	reg := registration{client: client, name: cfg.Name, podCIDR: cidr.String(), port: logs.port}
	if err := a.register(ctx, &reg); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	a.log.Info("node registered", "podCIDR", cidr, "port", logs.port)
	var beating sync.WaitGroup
	beating.Go(func() { a.beat(ctx, reg) })
	defer beating.Wait()
	a.runPods(ctx, factory)
	return nil
}

// register makes the Node known. It waits for an API server that does not answer, not for
// one that refuses.
func (a *agent) register(ctx context.Context, reg *registration) error {
	for tries := 1; ctx.Err() == nil; tries++ {
		version, err := a.client.Discovery().ServerVersion()
		if err == nil {
			reg.version = version.GitVersion
			err = reg.beat(ctx, time.Now())
		}
		if err == nil {
			return nil
		}
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsInvalid(err) {
			return err
		}
		a.log.Warn("node is not registered yet", "err", err)
		sleep(ctx, retryDelay(tries))
	}
	return nil
}

// beat renews the node's lease until ctx ends.
func (a *agent) beat(ctx context.Context, reg registration) {
	for sleep(ctx, leasePeriod) {
		if err := reg.beat(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.log.Warn("heartbeat", "err", err)
		}
	}
}

// podInformers watches the pods that are bound to one node.
func podInformers(client kubernetes.Interface, node string) informers.SharedInformerFactory {
	return informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", node).String()
	}))
}

// runPods watches the pods of the node and runs a worker for each until ctx ends.
func (a *agent) runPods(ctx context.Context, factory informers.SharedInformerFactory) {
	a.spawner = newSpawner()
	defer a.spawner.close() // after every process has ended
	defer a.working.Wait()

	defer factory.Shutdown()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), a.pods.HasSynced) {
		return
	}
	a.adopt()
	_, err := a.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { a.observe(ctx, o.(*v1.Pod)) },
		UpdateFunc: func(_, o any) { a.observe(ctx, o.(*v1.Pod)) },
		DeleteFunc: func(o any) { a.vanish(o) },
	})
	if err != nil { // only after the informer has stopped
		return
	}
	<-ctx.Done()
	a.mu.Lock()
	for _, w := range a.workers {
		w.ending.begin(leaveGrace)
	}
	a.mu.Unlock()
}
