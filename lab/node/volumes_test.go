//go:build linux

package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
)

func mounts(pairs ...string) []v1.VolumeMount {
	var out []v1.VolumeMount
	for i := 0; i < len(pairs); i += 2 {
		at, sub, _ := strings.Cut(pairs[i+1], "#")
		out = append(out, v1.VolumeMount{Name: pairs[i], MountPath: at, SubPath: sub})
	}
	return out
}

func volumeSpec(containers ...[]v1.VolumeMount) *v1.PodSpec {
	spec := &v1.PodSpec{Volumes: []v1.Volume{
		{Name: "tmp", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}},
		{Name: "conf", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "conf"}}}},
		{Name: "kube-api-access-x", VolumeSource: v1.VolumeSource{Projected: &v1.ProjectedVolumeSource{Sources: []v1.VolumeProjection{{ServiceAccountToken: &v1.ServiceAccountTokenProjection{}}}}}},
	}}
	for i, m := range containers {
		spec.Containers = append(spec.Containers, v1.Container{Name: string(rune('a' + i)), VolumeMounts: m})
	}
	return spec
}

func TestDecidePlacements(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  *v1.PodSpec
		want  []placement
		wrong string
	}{
		{"none", volumeSpec(nil), nil, ""},
		{"the token is left out", volumeSpec(mounts("kube-api-access-x", "/var/run/secrets/x")), nil, ""},
		{"one path in two containers is one place", volumeSpec(mounts("tmp", "/tmp"), mounts("tmp", "/tmp/")), []placement{{volume: "tmp", at: "tmp"}}, ""},
		{"two paths are links", volumeSpec(mounts("tmp", "/a"), mounts("tmp", "/b")), []placement{{volume: "tmp", at: "a", linked: true}, {volume: "tmp", at: "b", linked: true}}, ""},
		{"a part is a link", volumeSpec(mounts("tmp", "/a#x")), []placement{{volume: "tmp", at: "a", subPath: "x", linked: true}}, ""},
		{"contents are written twice", volumeSpec(mounts("conf", "/a", "conf", "/b#k")), []placement{{volume: "conf", at: "a"}, {volume: "conf", at: "b", subPath: "k"}}, ""},
		{"two volumes at one path", volumeSpec(mounts("tmp", "/x"), mounts("conf", "/x")), nil, "both mounted"},
		{"the root", volumeSpec(mounts("tmp", "/")), nil, "root"},
		{"upwards stays inside", volumeSpec(mounts("tmp", "/../../etc")), []placement{{volume: "tmp", at: "etc"}}, ""},
	} {
		got, err := decidePlacements(c.spec)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(placement{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.wrong)
		}
	}
}

func TestVolumeFiles(t *testing.T) {
	secret, own := int32(0o400), int32(0o755)
	yes := true
	ref := func(name string) v1.LocalObjectReference { return v1.LocalObjectReference{Name: name} }
	label := []v1.DownwardAPIVolumeFile{{Path: "pod/labels", FieldRef: &v1.ObjectFieldSelector{FieldPath: "metadata.labels['b']"}}}
	for _, c := range []struct {
		name   string
		source v1.VolumeSource
		want   map[string]string // mode and data
		miss   errMissing
	}{
		{"empty", v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}, nil, errMissing{}},
		{"all keys", v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "sec", DefaultMode: &secret}}, map[string]string{"password": "-r-------- pw"}, errMissing{}},
		{
			"items", v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: ref("conf"), Items: []v1.KeyToPath{{Key: "k", Path: "d/k", Mode: &own}}}},
			map[string]string{"d/k": "-rwxr-xr-x v"},
			errMissing{},
		},
		{"a missing key", v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: ref("conf"), Items: []v1.KeyToPath{{Key: "no", Path: "k"}}}}, nil, errMissing{"configmap", "conf", "no"}},
		{"missing", v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "no"}}, nil, errMissing{"secret", "no", ""}},
		{"optional", v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "no", Optional: &yes}}, map[string]string{}, errMissing{}},
		{"downward", v1.VolumeSource{DownwardAPI: &v1.DownwardAPIVolumeSource{Items: label}}, map[string]string{"pod/labels": "-rw-r--r-- 2"}, errMissing{}},
		{
			"projected", v1.VolumeSource{Projected: &v1.ProjectedVolumeSource{DefaultMode: &secret, Sources: []v1.VolumeProjection{
				{Secret: &v1.SecretProjection{LocalObjectReference: ref("sec")}}, {DownwardAPI: &v1.DownwardAPIProjection{Items: label}},
				{ConfigMap: &v1.ConfigMapProjection{LocalObjectReference: ref("conf"), Items: []v1.KeyToPath{{Key: "k", Path: "k"}}}},
			}}},
			map[string]string{"password": "-r-------- pw", "pod/labels": "-r-------- 2", "k": "-r-------- v"},
			errMissing{},
		},
	} {
		files, err := volumeFiles(&v1.Volume{Name: "v", VolumeSource: c.source}, testFacts(), testObjects())
		var got map[string]string
		if files != nil {
			got = map[string]string{}
		}
		for name, f := range files {
			got[name] = f.mode.String() + " " + string(f.data)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		var miss errMissing
		if errors.As(err, &miss); miss != c.miss {
			t.Errorf("%s: error %v, want %v", c.name, err, c.miss)
		}
	}
	_, err := volumeFiles(&v1.Volume{Name: "v", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{}}}, testFacts(), testObjects())
	if err == nil || !strings.Contains(err.Error(), "does not have") {
		t.Errorf("a host volume: %v, want a refusal", err)
	}
}

// tree lists what is under a directory: files with their contents, links with an arrow.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			out[rel] = "-> " + to
			return err
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			out[rel] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWriteVolumes(t *testing.T) {
	dir := t.TempDir()
	v := volumes{root: filepath.Join(dir, "root"), home: filepath.Join(dir, "home")}
	spec := volumeSpec(mounts("tmp", "/data", "conf", "/etc/conf", "conf", "/etc/one.ini#one.ini", "conf", "/etc/part#d"), mounts("tmp", "/cache"))
	places, err := decidePlacements(spec)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]map[string]file{"conf": {
		"one.ini": {data: []byte("1"), mode: 0o644}, "d/two": {data: []byte("2"), mode: 0o600}, "gone": {data: []byte("x"), mode: 0o644},
	}}
	if err := v.write(spec, places, contents); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.root, "data", "shared"), []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.root, "etc", "conf", "foreign"), []byte("f"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"home/tmp/shared": "s", "root/data": "-> ../home/tmp", "root/cache": "-> ../home/tmp",
		"root/etc/conf/one.ini": "1", "root/etc/conf/d/two": "2", "root/etc/conf/gone": "x", "root/etc/conf/foreign": "f",
		"root/etc/one.ini": "1", "root/etc/part/two": "2",
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Fatalf("first (-want +got):\n%s", diff)
	}

	delete(contents["conf"], "gone")
	contents["conf"]["one.ini"] = file{data: []byte("one"), mode: 0o640}
	if err := v.write(spec, places, contents); err != nil {
		t.Fatal(err)
	}
	delete(want, "root/etc/conf/gone")
	want["root/etc/conf/one.ini"], want["root/etc/one.ini"] = "one", "one"
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Fatalf("after a change (-want +got):\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(v.root, "etc/one.ini"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode of the changed file: %v, %v; want 0640", info.Mode(), err)
	}
	if err := v.write(volumeSpec(mounts("conf", "/x#nothing")), []placement{{volume: "conf", at: "x", subPath: "nothing"}}, contents); err == nil {
		t.Error("a subPath that is not there gives no error")
	}
}
