//go:build linux

package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"watari.dev/lab/aws"
	"watari.dev/lab/aws/eks"
	"watari.dev/lab/binder"
	"watari.dev/lab/fault"
	"watari.dev/lab/kube"
	"watari.dev/lab/node"
)

// clusterPlan is what is decided about a cluster before it is made.
type clusterPlan struct {
	name, side string
	network    int // of its pods; see networks
	version    kube.Version
}

// clusters are the two clusters of a lab, the source first.
func clusters() []clusterPlan {
	return []clusterPlan{
		{name: "eks-1-33", side: "source", network: 33, version: kube.V1_33},
		{name: "eks-1-36", side: "target", network: 36, version: kube.V1_36},
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

// nodesPerCluster are enough to lose one.
const nodesPerCluster = 2

// planLab decides what runs, and writes the configuration of each component. The
// plan holds the networks of the pods until it is closed.
func planLab(ctx context.Context, l layout, s settings) (plan, error) {
	var numbers []int
	for _, c := range clusters() {
		numbers = append(numbers, c.network)
	}
	n, err := claimNetworks(ctx, numbers...)
	if err != nil {
		return plan{}, err
	}
	p, err := planWith(l, s, n)
	if err != nil {
		n.close()
		return plan{}, err
	}
	p.close = n.close
	return p, nil
}

func planWith(l layout, s settings, n networks) (plan, error) {
	ports := new(kube.PortPicker)
	var planes []*kube.Plane
	for _, c := range clusters() {
		plane, err := kube.Prepare(kube.Config{Name: c.name, Version: c.version, Binary: s.ControlPlanes[c.version], Dir: l.componentDir(c.name), Ports: ports})
		if err != nil {
			return plan{}, err
		}
		planes = append(planes, plane)
	}
	ways, err := planWays(ports)
	if err != nil {
		return plan{}, err
	}
	token := rand.Text() + rand.Text()
	picked, err := ports.Pick(2)
	if err != nil {
		return plan{}, err
	}
	cloud := newAWS(picked)
	cloudComponent, err := planAWS(l, s, cloud, n, ways, planes, token)
	if err != nil {
		return plan{}, err
	}
	p := plan{
		info:       Info{Kubeconfig: l.kubeconfig(), AWS: cloud, Control: Control{Token: token}},
		components: []component{cloudComponent}, sides: map[string]sidePlan{},
	}
	for i, c := range clusters() {
		if err := planCluster(l, s, &p, c, n, planes[i], ways[i]); err != nil {
			return plan{}, err
		}
	}
	return p, writeKubeconfig(l, planes, ways)
}

// ways are the only ones from outside to a cluster's API server and from its
// binder to AWS, host:port; a partition cuts them. The cluster's own components go
// past them.
type ways struct{ apiServer, aws string }

// server is the API server as it is reached from outside.
func (w ways) server() string { return "https://" + w.apiServer }

func planWays(ports *kube.PortPicker) ([]ways, error) {
	var all []ways
	for range clusters() {
		picked, err := ports.Pick(2)
		if err != nil {
			return nil, err
		}
		all = append(all, ways{apiServer: loopback(picked[0]), aws: loopback(picked[1])})
	}
	return all, nil
}

// planCluster adds a cluster to the plan.
func planCluster(l layout, s settings, p *plan, c clusterPlan, n networks, plane *kube.Plane, w ways) error {
	p.components = append(p.components, planeComponents(c, s, plane)...)
	nodes, err := planNodes(l, s, c, n, plane)
	if err != nil {
		return err
	}
	binder, err := planBinder(l, s, c, plane, p.info.AWS, w)
	if err != nil {
		return err
	}
	p.components = append(append(p.components, nodes...), binder)
	p.sides[c.side] = planSide(c, plane, p.info.AWS, w)
	p.info.Clusters = append(p.info.Clusters, Cluster{
		Name: c.name, Side: c.side, Version: string(c.version), Server: w.server(),
		Kubeconfig: l.outsideKubeconfig(c.name), Nodes: nodeNames(c), PodCIDR: n.pods(c.network).String(),
	})
	return nil
}

// planSide says what of a cluster can be made to go wrong.
func planSide(c clusterPlan, plane *kube.Plane, cloud AWS, w ways) sidePlan {
	return sidePlan{
		components: map[fault.Component][]string{
			fault.APIServer:         {c.name + "-kube-apiserver"},
			fault.Etcd:              {c.name + "-etcd"},
			fault.ControllerManager: {c.name + "-kube-controller-manager"},
			fault.Scheduler:         {c.name + "-kube-scheduler"},
			fault.Node:              nodeNames(c),
			fault.Binder:            {binderName(c)},
		},
		relays: []relayPlan{
			{name: "api-server", listen: w.apiServer, to: strings.TrimPrefix(plane.Server(), "https://")},
			{name: "aws", listen: w.aws, to: strings.TrimPrefix(cloud.Endpoint, "http://")},
		},
	}
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

// newAWS is an AWS that listens on two ports, with a key that nobody had before.
func newAWS(ports []int) AWS {
	return AWS{
		Endpoint: "http://" + loopback(ports[0]), DNS: loopback(ports[1]), Account: account, Region: region,
		AccessKey: "AKIALAB" + rand.Text()[:13], SecretKey: rand.Text() + rand.Text(),
	}
}

func planAWS(l layout, s settings, cloud AWS, n networks, ways []ways, planes []*kube.Plane, token string) (component, error) {
	cfg := aws.Config{
		Dir: l.componentDir(awsName), Listen: strings.TrimPrefix(cloud.Endpoint, "http://"), DNSListen: cloud.DNS, Account: cloud.Account, Region: cloud.Region,
		AccessKey: cloud.AccessKey, SecretKey: cloud.SecretKey, Seed: s.Seed,
		Token: token, Networks: map[string]string{},
	}
	for i, c := range clusters() {
		cfg.Networks[c.side] = n.pods(c.network).String()
		cfg.Clusters = append(cfg.Clusters, eks.Cluster{
			Name: c.name, Version: c.version.Minor(), Endpoint: ways[i].server(), CA: planes[i].CA(), Created: time.Now().UTC(),
		})
	}
	run, err := planSubcommand(l, s, awsName, awsName, cfg)
	run.endpoint = cloud.Endpoint
	run.ready = func(ctx context.Context) error { return getOK(ctx, cloud.Endpoint+"/_lab/healthz") }
	return run, err
}

func nodeNames(c clusterPlan) []string {
	var names []string
	for i := range nodesPerCluster {
		names = append(names, fmt.Sprintf("%s-node-%d", c.name, i+1))
	}
	return names
}

func binderName(c clusterPlan) string { return c.name + "-binder" }

func planNodes(l layout, s settings, c clusterPlan, n networks, plane *kube.Plane) ([]component, error) {
	var nodes []component
	cidrs := halves(n.pods(c.network))
	for i, name := range nodeNames(c) {
		run, err := planSubcommand(l, s, name, "node", node.Config{
			Kubeconfig: plane.Kubeconfig(), Name: name, PodCIDR: cidrs[i], Dir: l.componentDir(name),
			Images: map[string][]string{AppImage: {s.Executable, "lab", "app"}},
		})
		if err != nil {
			return nil, err
		}
		run.after = []string{c.name + "-kube-apiserver"}
		run.ready = func(ctx context.Context) error {
			return hasCondition(ctx, plane, "/api/v1/nodes/"+name, "Ready")
		}
		nodes = append(nodes, run)
	}
	return nodes, nil
}

const bindingCRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/targetgroupbindings.elbv2.k8s.aws"

func planBinder(l layout, s settings, c clusterPlan, plane *kube.Plane, cloud AWS, w ways) (component, error) {
	run, err := planSubcommand(l, s, binderName(c), "binder", binder.Config{
		Kubeconfig: plane.Kubeconfig(), ClusterName: c.name, Endpoint: "http://" + w.aws,
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

// writeKubeconfig writes the kubeconfigs of those who are outside of the clusters:
// one for each cluster, and one for all.
func writeKubeconfig(l layout, planes []*kube.Plane, ways []ways) error {
	var contents [][]byte
	for i, c := range clusters() {
		content, err := planes[i].KubeconfigAt(ways[i].server())
		if err != nil {
			return err
		}
		if err := writeFile(l.outsideKubeconfig(c.name), content); err != nil {
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
