package kube

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// The parts of a kubeconfig that the lab writes
// (k8s.io/client-go/tools/clientcmd/api/v1). Bytes become base64.
type kubeconfig struct {
	APIVersion     string         `json:"apiVersion"`
	Kind           string         `json:"kind"`
	Clusters       []namedCluster `json:"clusters"`
	Users          []namedUser    `json:"users"`
	Contexts       []namedContext `json:"contexts"`
	CurrentContext string         `json:"current-context"`
}

type namedCluster struct {
	Name    string `json:"name"`
	Cluster struct {
		Server string `json:"server"`
		CA     []byte `json:"certificate-authority-data"`
	} `json:"cluster"`
}

type namedUser struct {
	Name string `json:"name"`
	User struct {
		Token string `json:"token"`
	} `json:"user"`
}

type namedContext struct {
	Name    string `json:"name"`
	Context struct {
		Cluster string `json:"cluster"`
		User    string `json:"user"`
	} `json:"context"`
}

// newKubeconfig describes one cluster to one user, in one context with the name
// of the cluster. It needs no other file.
func newKubeconfig(cluster, server string, ca []byte, id identity) kubeconfig {
	user := cluster + "-" + id.user
	c := namedCluster{Name: cluster}
	c.Cluster.Server, c.Cluster.CA = server, ca
	u := namedUser{Name: user}
	u.User.Token = id.token
	x := namedContext{Name: cluster}
	x.Context.Cluster, x.Context.User = cluster, user
	return kubeconfig{
		APIVersion: "v1", Kind: "Config",
		Clusters: []namedCluster{c}, Users: []namedUser{u}, Contexts: []namedContext{x},
		CurrentContext: cluster,
	}
}

func (k kubeconfig) render() ([]byte, error) { return yaml.Marshal(k) }

// MergeKubeconfigs puts several kubeconfigs that Prepare wrote into one. The
// first one's context is the current one.
func MergeKubeconfigs(contents ...[]byte) ([]byte, error) {
	var merged kubeconfig
	for i, content := range contents {
		var one kubeconfig
		if err := yaml.Unmarshal(content, &one); err != nil {
			return nil, fmt.Errorf("merge kubeconfigs: read number %d: %w", i+1, err)
		}
		if i == 0 {
			merged = one
			continue
		}
		merged.Clusters = append(merged.Clusters, one.Clusters...)
		merged.Users = append(merged.Users, one.Users...)
		merged.Contexts = append(merged.Contexts, one.Contexts...)
	}
	return merged.render()
}
