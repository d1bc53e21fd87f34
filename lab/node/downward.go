//go:build linux

package node

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// podFacts is what a container may learn about its pod and its node.
type podFacts struct {
	pod         *v1.Pod
	podIP       string
	hostIP      string
	allocatable v1.ResourceList
}

// field returns the value of a fieldRef. The paths are those of the Kubernetes
// documentation, "Downward API: available fields".
func (f podFacts) field(path string) (string, error) {
	if key, ok := subscript(path, "metadata.labels"); ok {
		return f.pod.Labels[key], nil
	}
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return f.pod.Annotations[key], nil
	}
	switch path {
	case "metadata.name":
		return f.pod.Name, nil
	case "metadata.namespace":
		return f.pod.Namespace, nil
	case "metadata.uid":
		return string(f.pod.UID), nil
	case "metadata.labels":
		return formatMap(f.pod.Labels), nil
	case "metadata.annotations":
		return formatMap(f.pod.Annotations), nil
	case "spec.nodeName":
		return f.pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return f.pod.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs":
		return f.podIP, nil
	case "status.hostIP", "status.hostIPs":
		return f.hostIP, nil
	}
	return "", fmt.Errorf("fieldRef %q is not a field that a container may ask for", path)
}

// subscript returns the key of prefix['key'].
func subscript(path, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(path, prefix+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}

// formatMap writes labels as the kubelet does: one sorted key="value" line each.
func formatMap(m map[string]string) string {
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&out, "%s=%q\n", k, m[k])
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// resourceValue returns the value of a resourceFieldRef in units of its divisor,
// rounded up. A limit that is not set is what the node has to give.
func (f podFacts) resourceValue(c *v1.Container, ref *v1.ResourceFieldSelector) (string, error) {
	list, name, ok := strings.Cut(ref.Resource, ".")
	if !ok || (list != "limits" && list != "requests") {
		return "", fmt.Errorf("resourceFieldRef %q is neither limits.* nor requests.*", ref.Resource)
	}
	var q resource.Quantity
	if list == "limits" {
		if q, ok = c.Resources.Limits[v1.ResourceName(name)]; !ok {
			q = f.allocatable[v1.ResourceName(name)]
		}
	} else {
		q = c.Resources.Requests[v1.ResourceName(name)]
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if v1.ResourceName(name) == v1.ResourceCPU {
		return strconv.FormatInt(dividedUp(q.MilliValue(), divisor.MilliValue()), 10), nil
	}
	return strconv.FormatInt(dividedUp(q.Value(), divisor.Value()), 10), nil
}

func dividedUp(n, by int64) int64 { return (n + by - 1) / by }

// findContainer returns the container of that name, among init containers too.
func findContainer(spec *v1.PodSpec, name string) *v1.Container {
	for i := range spec.Containers {
		if spec.Containers[i].Name == name {
			return &spec.Containers[i]
		}
	}
	for i := range spec.InitContainers {
		if spec.InitContainers[i].Name == name {
			return &spec.InitContainers[i]
		}
	}
	return nil
}
