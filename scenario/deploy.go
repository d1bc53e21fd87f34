package scenario

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"watari.dev/lab"
)

//go:embed manifests
var manifests embed.FS

// cluster is one side with a client to it.
type cluster struct {
	lab.Cluster
	client client.Client
}

func connectCluster(c lab.Cluster) (*cluster, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig of %s: %w", c.Name, err)
	}
	cfg.QPS, cfg.Burst = 50, 100
	cl, err := client.New(cfg, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to cluster %s: %w", c.Name, err)
	}
	return &cluster{Cluster: c, client: cl}, nil
}

// manifest fills in a template of manifests/.
func manifest(name string, values map[string]string) ([]byte, error) {
	text, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		return nil, err
	}
	var missing []error
	out := os.Expand(string(text), func(key string) string {
		v, known := values[key]
		switch {
		case known:
			return v
		case key == "environment":
			return "${environment}" // watari's own placeholder
		}
		missing = append(missing, fmt.Errorf("manifest %s: nothing says what ${%s} is", name, key))
		return ""
	})
	return []byte(out), errors.Join(missing...)
}

// apply puts the documents of text into the cluster, as kubectl apply
// --server-side does.
func (c *cluster) apply(ctx context.Context, text []byte) error {
	docs := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var obj unstructured.Unstructured
		if err := docs.Decode(&obj); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := c.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(&obj), client.FieldOwner("demo"), client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s %s to %s: %w", obj.GetKind(), obj.GetName(), c.Name, err)
		}
	}
}

// version is one of the shop.
type version struct {
	tag      string
	faults   string // JSON as lab/app reads it
	database string // URL; empty: none
}

// deploy rolls the shop out and waits until its pods serve behind the target
// group.
func (c *cluster) deploy(ctx context.Context, cloud *cloud, v version) error {
	text, err := manifest("shop.yaml", map[string]string{
		"SIDE": c.Side, "TAG": v.tag, "FAULTS": v.faults, "DATABASE": v.database, "TARGET_GROUP_ARN": cloud.groups[c.Name],
	})
	if err != nil {
		return err
	}
	if err := c.apply(ctx, text); err != nil {
		return err
	}
	return c.rolledOut(ctx, cloud)
}

var webKey = client.ObjectKey{Namespace: "shop", Name: "web"}

// rolledOut waits for what kubectl rollout status waits for, and for the load
// balancer to agree.
func (c *cluster) rolledOut(ctx context.Context, cloud *cloud) error {
	return until(ctx, 90*time.Second, "the shop to serve in "+c.Name, func(ctx context.Context) (bool, error) {
		var d appsv1.Deployment
		if err := c.client.Get(ctx, webKey, &d); err != nil {
			return false, err
		}
		want := *d.Spec.Replicas
		if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < want || d.Status.AvailableReplicas < want || d.Status.Replicas > want {
			return false, nil
		}
		n, err := cloud.healthy(ctx, c.Name)
		return n >= int(want), err
	})
}

// restart replaces every pod, as kubectl rollout restart does.
func (c *cluster) restart(ctx context.Context) error {
	var d appsv1.Deployment
	if err := c.client.Get(ctx, webKey, &d); err != nil {
		return err
	}
	patch := client.MergeFrom(d.DeepCopy())
	if d.Spec.Template.Annotations == nil {
		d.Spec.Template.Annotations = map[string]string{}
	}
	d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] = time.Now().Format(time.RFC3339)
	return c.client.Patch(ctx, &d, patch)
}
