//go:build linux

package node

import (
	"errors"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestConfigSaysEveryMistake(t *testing.T) {
	good := Config{Name: "n", PodCIDR: "10.231.36.0/24", Dir: "/tmp/n"}
	if _, err := good.check(); err != nil {
		t.Fatalf("check(%+v) = %v", good, err)
	}
	for name, c := range map[string]Config{
		"no name":        {PodCIDR: good.PodCIDR, Dir: good.Dir},
		"relative dir":   {Name: "n", PodCIDR: good.PodCIDR, Dir: "n"},
		"no prefix":      {Name: "n", PodCIDR: "10.231.36.0", Dir: good.Dir},
		"foreign prefix": {Name: "n", PodCIDR: "10.0.0.0/24", Dir: good.Dir},
		"too wide":       {Name: "n", PodCIDR: "10.231.0.0/8", Dir: good.Dir},
		"too narrow":     {Name: "n", PodCIDR: "10.231.36.0/30", Dir: good.Dir},
		"empty image":    {Name: "n", PodCIDR: good.PodCIDR, Dir: good.Dir, Images: map[string][]string{"app": nil}},
	} {
		if _, err := c.check(); err == nil {
			t.Errorf("%s: check(%+v) accepts it", name, c)
		}
	}
	_, err := Config{PodCIDR: "x", Dir: "y"}.check()
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 3 {
		t.Errorf("check reports %v, want three mistakes at once", err)
	}
}

func TestAddressPool(t *testing.T) {
	p := newAddressPool(netip.MustParsePrefix("10.231.9.0/29")) // .1 to .6
	kept := netip.MustParseAddr("10.231.9.2")
	if !p.reserve(kept) || p.reserve(kept) {
		t.Fatal("an address can be reserved once, and only once")
	}
	if p.reserve(netip.MustParseAddr("10.231.9.0")) || p.reserve(netip.MustParseAddr("10.231.9.7")) || p.reserve(netip.MustParseAddr("10.231.8.1")) {
		t.Error("the ends of the range and other ranges are not to be had")
	}
	var got []string
	for range 5 {
		a, err := p.take()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.String())
	}
	want := []string{"10.231.9.1", "10.231.9.3", "10.231.9.4", "10.231.9.5", "10.231.9.6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	if _, err := p.take(); !errors.Is(err, errNoAddress) {
		t.Errorf("take of an empty pool: %v", err)
	}
	p.release(netip.MustParseAddr("10.231.9.4"))
	p.release(netip.MustParseAddr("10.231.9.4")) // twice is once
	p.release(kept)
	first, _ := p.take()
	second, _ := p.take()
	if _, err := p.take(); first.String() != "10.231.9.4" || second != kept || err == nil {
		t.Errorf("after release: %s, %s, %v; want the oldest first and each once", first, second, err)
	}
}

func TestDelays(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: 0, 2: time.Second, 3: 2 * time.Second, 7: 32 * time.Second, 8: time.Minute, 1000: time.Minute} {
		if got := restartDelay(failures); got != want {
			t.Errorf("restartDelay(%d) = %s, want %s", failures, got, want)
		}
	}
	for tries, want := range map[int]time.Duration{1: 200 * time.Millisecond, 2: 400 * time.Millisecond, 1000: 10 * time.Second} {
		if got := retryDelay(tries); got != want {
			t.Errorf("retryDelay(%d) = %s, want %s", tries, got, want)
		}
	}
}

func TestSplitImage(t *testing.T) {
	for _, c := range []struct{ image, name, tag string }{
		{"app", "app", "latest"},
		{"app:v1", "app", "v1"},
		{"registry:5000/app", "registry:5000/app", "latest"},
		{"registry:5000/team/app:1.2", "registry:5000/team/app", "1.2"},
		{"app:v1@sha256:abc", "app", "v1"},
		{"app@sha256:abc", "app", "latest"},
	} {
		if name, tag := splitImage(c.image); name != c.name || tag != c.tag {
			t.Errorf("splitImage(%s) = %s, %s; want %s, %s", c.image, name, tag, c.name, c.tag)
		}
	}
}

func TestDecideArgv(t *testing.T) {
	inPath := func(name string) (string, error) {
		if name == "sh" {
			return "/bin/sh", nil
		}
		return "", exec.ErrNotFound
	}
	images := map[string][]string{"lab/app": {"/opt/watari", "app"}}
	for _, c := range []struct {
		name, image   string
		command, args []string
		want          []string
	}{
		{"absolute", "x", []string{"/bin/true"}, []string{"a"}, []string{"/bin/true", "a"}},
		{"in PATH", "x", []string{"sh", "-c"}, []string{"a"}, []string{"/bin/sh", "-c", "a"}},
		{"PATH before the image", "lab/app:v1", []string{"sh"}, nil, []string{"/bin/sh"}},
		{"image", "lab/app:v1", nil, nil, []string{"/opt/watari", "app"}},
		{"image with arguments", "lab/app", nil, []string{"--x"}, []string{"/opt/watari", "app", "--x"}},
		{"image with a command of its own", "lab/app", []string{"serve"}, []string{"--x"}, []string{"/opt/watari", "app", "serve", "--x"}},
		{"arguments are no command", "x", nil, []string{"/bin/true"}, nil},
		{"unknown", "x:1", []string{"nothing"}, nil, nil},
	} {
		got, err := decideArgv(c.image, c.command, c.args, images, inPath)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		var unknown errImage
		if (c.want == nil) != errors.As(err, &unknown) {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
	if images["lab/app"][1] != "app" || len(images["lab/app"]) != 2 {
		t.Error("the configuration was changed")
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "1", "EMPTY": "", "NESTED": "$(A)"}
	for in, want := range map[string]string{
		"":               "",
		"plain":          "plain",
		"$(A)":           "1",
		"x$(A)y$(A)z":    "x1y1z",
		"$$(A)":          "$(A)",
		"$$$(A)":         "$1",
		"$(UNKNOWN)":     "$(UNKNOWN)",
		"[$(EMPTY)]":     "[]",
		"$(NESTED)":      "$(A)",
		"$(A":            "$(A",
		"$A ${A} $":      "$A ${A} $",
		"$()":            "$()",
		"$(A)$(UNKNOWN)": "1$(UNKNOWN)",
	} {
		if got := expandAll([]string{in}, env)[0]; got != want {
			t.Errorf("expand(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestThreshold(t *testing.T) {
	for _, c := range []struct {
		name             string
		success, failure int32
		results, holds   string // + and - are results; y and n say whether they hold
	}{
		{"defaults to one", 0, 0, "+-+", "yyy"},
		{"three failures", 1, 3, "+---+--+---", "ynnyynnynny"},
		{"two successes", 2, 1, "++-+-++", "nyynyny"},
		{"first result counts from one", 2, 2, "--", "ny"},
	} {
		th := threshold{success: c.success, failure: c.failure}
		got := ""
		for _, r := range c.results {
			if th.add(r == '+') {
				got += "y"
			} else {
				got += "n"
			}
		}
		if got != c.holds {
			t.Errorf("%s: %s holds %s, want %s", c.name, c.results, got, c.holds)
		}
	}
}

func TestPortNumber(t *testing.T) {
	ports := []v1.ContainerPort{{Name: "http", ContainerPort: 8080}}
	for _, c := range []struct {
		port intstr.IntOrString
		want int
	}{
		{intstr.FromInt32(9), 9},
		{intstr.FromString("http"), 8080},
		{intstr.FromString("81"), 81},
		{intstr.FromString("grpc"), 0},
	} {
		if got, err := portNumber(c.port, ports); got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("portNumber(%s) = %d, %v; want %d", c.port.String(), got, err, c.want)
		}
	}
}

func testFacts() podFacts {
	return podFacts{
		pod: &v1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: "p", Namespace: "ns", UID: "u-1",
				Labels: map[string]string{"b": "2", "a": "say \"1\""}, Annotations: map[string]string{"x/y": "z"},
			},
			Spec: v1.PodSpec{
				NodeName: "n", ServiceAccountName: "sa",
				Containers: []v1.Container{{Name: "main", Resources: v1.ResourceRequirements{
					Limits:   v1.ResourceList{v1.ResourceCPU: resource.MustParse("1500m"), v1.ResourceMemory: resource.MustParse("100Mi")},
					Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("250m")},
				}}},
			},
		},
		podIP: "10.231.9.1", hostIP: hostIP, allocatable: capacity(),
	}
}

func TestFields(t *testing.T) {
	for path, want := range map[string]string{
		"metadata.name":               "p",
		"metadata.namespace":          "ns",
		"metadata.uid":                "u-1",
		"metadata.labels":             "a=\"say \\\"1\\\"\"\nb=\"2\"",
		"metadata.labels['b']":        "2",
		"metadata.labels['none']":     "",
		"metadata.annotations['x/y']": "z",
		"metadata.annotations":        "x/y=\"z\"",
		"spec.nodeName":               "n",
		"spec.serviceAccountName":     "sa",
		"status.podIP":                "10.231.9.1",
		"status.podIPs":               "10.231.9.1",
		"status.hostIP":               "127.0.0.1",
		"status.hostIPs":              "127.0.0.1",
	} {
		if got, err := testFacts().field(path); err != nil || got != want {
			t.Errorf("field(%s) = %q, %v; want %q", path, got, err, want)
		}
	}
	if _, err := testFacts().field("spec.hostname"); err == nil {
		t.Error("an unknown field gives no error")
	}
}

func TestResourceFields(t *testing.T) {
	f := testFacts()
	for _, c := range []struct{ ref, divisor, want string }{
		{"limits.cpu", "", "2"},
		{"limits.cpu", "1m", "1500"},
		{"requests.cpu", "1m", "250"},
		{"requests.memory", "", "0"},
		{"limits.memory", "1Mi", "100"},
		{"limits.memory", "1Gi", "1"},
		{"limits.ephemeral-storage", "1Gi", "64"}, // not set: what the node has
		{"cpu", "", ""},
	} {
		ref := &v1.ResourceFieldSelector{Resource: c.ref}
		if c.divisor != "" {
			ref.Divisor = resource.MustParse(c.divisor)
		}
		got, err := f.resourceValue(&f.pod.Spec.Containers[0], ref)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("resourceValue(%s, %s) = %q, %v; want %q", c.ref, c.divisor, got, err, c.want)
		}
	}
}

func testObjects() objects {
	return objects{
		configMaps: map[string]*v1.ConfigMap{"conf": {Data: map[string]string{"k": "v", "sub.ini": "x"}, BinaryData: map[string][]byte{"bin": {0}}}},
		secrets:    map[string]*v1.Secret{"sec": {Data: map[string][]byte{"password": []byte("pw")}}},
	}
}

func TestDecideEnv(t *testing.T) {
	yes := true
	in := func(name string) v1.LocalObjectReference { return v1.LocalObjectReference{Name: name} }
	from := func(s v1.EnvVarSource) *v1.EnvVarSource { return &s }
	for _, c := range []struct {
		name    string
		from    []v1.EnvFromSource
		env     []v1.EnvVar
		want    map[string]string
		missing errMissing
	}{
		{name: "given", want: map[string]string{"GIVEN": "g"}},
		{
			name: "later replaces earlier, and sees it",
			from: []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: in("conf")}}, {Prefix: "S_", SecretRef: &v1.SecretEnvSource{LocalObjectReference: in("sec")}}},
			env: []v1.EnvVar{
				{Name: "k", Value: "$(k)+$(S_password)+$(LATER)"}, {Name: "LATER", Value: "$(k)"}, {Name: "GIVEN", Value: "[$(GIVEN)]"},
				{Name: "IP", ValueFrom: from(v1.EnvVarSource{FieldRef: &v1.ObjectFieldSelector{FieldPath: "status.podIP"}})},
				{Name: "KEY", ValueFrom: from(v1.EnvVarSource{ConfigMapKeyRef: &v1.ConfigMapKeySelector{LocalObjectReference: in("conf"), Key: "k"}})},
				{Name: "PW", ValueFrom: from(v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: in("sec"), Key: "password"}})},
				{Name: "CPU", ValueFrom: from(v1.EnvVarSource{ResourceFieldRef: &v1.ResourceFieldSelector{Resource: "limits.cpu"}})},
			},
			want: map[string]string{
				"GIVEN": "[g]", "k": "v+pw+$(LATER)", "sub.ini": "x", "bin": "\x00", "S_password": "pw", "LATER": "v+pw+$(LATER)",
				"IP": "10.231.9.1", "KEY": "v", "PW": "pw", "CPU": "2",
			},
		},
		{
			name: "optional and missing",
			from: []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: in("none"), Optional: &yes}}},
			env: []v1.EnvVar{
				{Name: "KEY", ValueFrom: from(v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: in("sec"), Key: "none", Optional: &yes}})},
			},
			want: map[string]string{"GIVEN": "g"},
		},
		{
			name:    "missing map",
			from:    []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: in("none")}}},
			missing: errMissing{kind: "configmap", name: "none"},
		},
		{
			name:    "missing secret",
			env:     []v1.EnvVar{{Name: "KEY", ValueFrom: from(v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: in("none"), Key: "k"}})}},
			missing: errMissing{kind: "secret", name: "none"},
		},
		{
			name:    "missing key",
			env:     []v1.EnvVar{{Name: "KEY", ValueFrom: from(v1.EnvVarSource{ConfigMapKeyRef: &v1.ConfigMapKeySelector{LocalObjectReference: in("conf"), Key: "none"}})}},
			missing: errMissing{kind: "configmap", name: "conf", key: "none"},
		},
	} {
		facts := testFacts()
		spec := facts.pod.Spec.Containers[0].DeepCopy()
		spec.EnvFrom, spec.Env = c.from, c.env
		got, err := decideEnv(spec, map[string]string{"GIVEN": "g"}, facts, testObjects())
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		var missing errMissing
		if errors.As(err, &missing); missing != c.missing {
			t.Errorf("%s: error %v, want %v", c.name, err, c.missing)
		}
	}
}
