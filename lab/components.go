//go:build linux

package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"watari.dev/lab/aws"
	"watari.dev/lab/aws/eks"
	"watari.dev/lab/binder"
	"watari.dev/lab/kube"
	"watari.dev/lab/node"
)

// clusterPlan is what is decided about a cluster before it is made.
type clusterPlan struct {
	name, side, podCIDR string
	version             kube.Version
}

// clusters are the two clusters of a lab, the source first.
func clusters() []clusterPlan {
	return []clusterPlan{
		{name: "eks-1-33", side: "source", podCIDR: "10.231.33.0/24", version: kube.V1_33},
		{name: "eks-1-36", side: "target", podCIDR: "10.231.36.0/24", version: kube.V1_36},
	}
}

func clusterVersions() []kube.Version {
	var versions []kube.Version
	for _, c := range clusters() {
		versions = append(versions, c.version)
	}
	return versions
}

const (
	awsName = "aws"
	account = "123456789012" // the account of AWS's own examples
	region  = "eu-central-1"
	// AppImage is the image name, without tag, of the application under test.
	AppImage = "watari.dev/lab/app"
)

// planLab decides what runs, and writes the configuration of each component.
func planLab(l layout, s settings) (plan, error) {
	var planes []*kube.Plane
	for _, c := range clusters() {
		plane, err := kube.Prepare(kube.Config{Name: c.name, Version: c.version, Binary: s.ControlPlanes[c.version], Dir: l.componentDir(c.name)})
		if err != nil {
			return plan{}, err
		}
		planes = append(planes, plane)
	}
	cloud, cloudComponent, err := planAWS(l, s, planes)
	if err != nil {
		return plan{}, err
	}
	p := plan{info: Info{Kubeconfig: l.kubeconfig(), AWS: cloud}, components: []component{cloudComponent}}
	for i, c := range clusters() {
		p.info.Clusters = append(p.info.Clusters, Cluster{
			Name: c.name, Side: c.side, Version: string(c.version), Server: planes[i].Server(),
			Kubeconfig: planes[i].Kubeconfig(), Node: nodeName(c), PodCIDR: c.podCIDR,
		})
		p.components = append(p.components, planeComponents(c, s, planes[i])...)
		nodeComponent, err := planNode(l, s, c, planes[i])
		if err != nil {
			return plan{}, err
		}
		binderComponent, err := planBinder(l, s, c, planes[i], cloud)
		if err != nil {
			return plan{}, err
		}
		p.components = append(p.components, nodeComponent, binderComponent)
	}
	return p, writeKubeconfig(l, planes)
}

// planeComponents are the four processes of a control plane.
func planeComponents(c clusterPlan, s settings, plane *kube.Plane) []component {
	var components []component
	for _, command := range plane.Commands() {
		var after []string
		for _, name := range command.After {
			after = append(after, c.name+"-"+name)
		}
		components = append(components, component{
			name: c.name + "-" + command.Name, after: after,
			path: s.ControlPlanes[c.version], args: command.Args,
			endpoint: command.Endpoint, ready: command.Ready,
		})
	}
	return components
}

func planAWS(l layout, s settings, planes []*kube.Plane) (AWS, component, error) {
	ports, err := kube.PickPorts(2)
	if err != nil {
		return AWS{}, component{}, err
	}
	listen, dns := loopback(ports[0]), loopback(ports[1])
	cloud := AWS{
		Endpoint: "http://" + listen, DNS: dns, Account: account, Region: region,
		AccessKey: "AKIALAB" + rand.Text()[:13], SecretKey: rand.Text() + rand.Text(),
	}
	cfg := aws.Config{
		Dir: l.componentDir(awsName), Listen: listen, DNSListen: dns, Account: cloud.Account, Region: cloud.Region,
		AccessKey: cloud.AccessKey, SecretKey: cloud.SecretKey, Seed: s.Seed,
	}
	for i, c := range clusters() {
		cfg.Clusters = append(cfg.Clusters, eks.Cluster{
			Name: c.name, Version: c.version.Minor(), Endpoint: planes[i].Server(), CA: planes[i].CA(), Created: time.Now().UTC(),
		})
	}
	run, err := planSubcommand(l, s, awsName, awsName, cfg)
	run.endpoint = cloud.Endpoint
	run.ready = func(ctx context.Context) error { return getOK(ctx, cloud.Endpoint+"/_lab/healthz") }
	return cloud, run, err
}

func nodeName(c clusterPlan) string { return c.name + "-node" }

func planNode(l layout, s settings, c clusterPlan, plane *kube.Plane) (component, error) {
	name := nodeName(c)
	run, err := planSubcommand(l, s, name, "node", node.Config{
		Kubeconfig: plane.Kubeconfig(), Name: name, PodCIDR: c.podCIDR, Dir: l.componentDir(name),
		Images: map[string][]string{AppImage: {s.Executable, "lab", "app"}},
	})
	run.after = []string{c.name + "-kube-apiserver"}
	run.ready = func(ctx context.Context) error {
		return hasCondition(ctx, plane, "/api/v1/nodes/"+name, "Ready")
	}
	return run, err
}

const bindingCRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/targetgroupbindings.elbv2.k8s.aws"

func planBinder(l layout, s settings, c clusterPlan, plane *kube.Plane, cloud AWS) (component, error) {
	run, err := planSubcommand(l, s, c.name+"-binder", "binder", binder.Config{
		Kubeconfig: plane.Kubeconfig(), ClusterName: c.name, Endpoint: cloud.Endpoint,
		Region: cloud.Region, AccessKey: cloud.AccessKey, SecretKey: cloud.SecretKey,
	})
	run.after = []string{awsName, c.name + "-kube-apiserver"}
	run.ready = func(ctx context.Context) error { return hasCondition(ctx, plane, bindingCRD, "Established") }
	return run, err
}

// planSubcommand is a component that our own program runs. Its configuration
// goes through a file, so that it shows neither secrets nor clutter in ps.
func planSubcommand(l layout, s settings, name, kind string, cfg any) (component, error) {
	if err := os.MkdirAll(l.componentDir(name), 0o700); err != nil {
		return component{}, fmt.Errorf("prepare %s: %w", name, err)
	}
	path := l.componentConfig(name)
	return component{
		name: name, path: s.Executable,
		args: []string{"lab", "component", kind, "--config", path},
	}, writeJSON(path, cfg)
}

func writeKubeconfig(l layout, planes []*kube.Plane) error {
	var contents [][]byte
	for _, plane := range planes {
		content, err := os.ReadFile(plane.Kubeconfig())
		if err != nil {
			return err
		}
		contents = append(contents, content)
	}
	merged, err := kube.MergeKubeconfigs(contents...)
	if err != nil {
		return err
	}
	return writeFile(l.kubeconfig(), merged)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
