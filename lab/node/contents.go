//go:build linux

package node

import (
	"errors"
	"fmt"
	"io/fs"

	v1 "k8s.io/api/core/v1"
)

// file is one file of a volume.
type file struct {
	data []byte
	mode fs.FileMode
}

// The mode of files for which none is given (Kubernetes API reference, defaultMode).
const defaultFileMode = 0o644

// volumeNames returns the ConfigMaps and Secrets that a pod's volumes need.
func volumeNames(spec *v1.PodSpec) objectNames {
	names := newObjectNames()
	for _, v := range spec.Volumes {
		if isTokenVolume(v.Name) {
			continue
		}
		if v.ConfigMap != nil {
			names.configMaps[v.ConfigMap.Name] = true
		}
		if v.Secret != nil {
			names.secrets[v.Secret.SecretName] = true
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				names.configMaps[s.ConfigMap.Name] = true
			}
			if s.Secret != nil {
				names.secrets[s.Secret.Name] = true
			}
		}
	}
	return names
}

// volumeFiles returns the files of a volume, by path within it; nil for an emptyDir.
func volumeFiles(v *v1.Volume, facts podFacts, seen objects) (map[string]file, error) {
	switch {
	case v.EmptyDir != nil:
		return nil, nil
	case v.ConfigMap != nil:
		s := v.ConfigMap
		return keyFiles("configmap", s.Name, seen.configMapData(s.Name), s.Items, s.DefaultMode, isTrue(s.Optional))
	case v.Secret != nil:
		s := v.Secret
		return keyFiles("secret", s.SecretName, seen.secretData(s.SecretName), s.Items, s.DefaultMode, isTrue(s.Optional))
	case v.DownwardAPI != nil:
		return downwardFiles(v.DownwardAPI.Items, v.DownwardAPI.DefaultMode, facts)
	case v.Projected != nil:
		return projectedFiles(v.Projected, facts, seen)
	}
	return nil, fmt.Errorf("volume %q is of a kind that this node does not have; use emptyDir, configMap, secret, downwardAPI or projected", v.Name)
}

func projectedFiles(v *v1.ProjectedVolumeSource, facts podFacts, seen objects) (map[string]file, error) {
	all := map[string]file{}
	for _, s := range v.Sources {
		var files map[string]file
		var err error
		switch {
		case s.ConfigMap != nil:
			files, err = keyFiles("configmap", s.ConfigMap.Name, seen.configMapData(s.ConfigMap.Name), s.ConfigMap.Items, v.DefaultMode, isTrue(s.ConfigMap.Optional))
		case s.Secret != nil:
			files, err = keyFiles("secret", s.Secret.Name, seen.secretData(s.Secret.Name), s.Secret.Items, v.DefaultMode, isTrue(s.Secret.Optional))
		case s.DownwardAPI != nil:
			files, err = downwardFiles(s.DownwardAPI.Items, v.DefaultMode, facts)
		default:
			err = errors.New("a projected source is of a kind that this node does not have; use configMap, secret or downwardAPI")
		}
		if err != nil {
			return nil, err
		}
		for path, f := range files {
			all[path] = f
		}
	}
	return all, nil
}

// keyFiles returns the files of a ConfigMap or Secret: all keys, or those that items name.
func keyFiles(kind, name string, data map[string][]byte, items []v1.KeyToPath, mode *int32, optional bool) (map[string]file, error) {
	if data == nil && !optional {
		return nil, errMissing{kind: kind, name: name}
	}
	files := map[string]file{}
	if len(items) == 0 {
		for key, value := range data {
			files[key] = file{data: value, mode: fileMode(nil, mode)}
		}
		return files, nil
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok && !optional {
			return nil, errMissing{kind: kind, name: name, key: item.Key}
		}
		if ok {
			files[item.Path] = file{data: value, mode: fileMode(item.Mode, mode)}
		}
	}
	return files, nil
}

func downwardFiles(items []v1.DownwardAPIVolumeFile, mode *int32, facts podFacts) (map[string]file, error) {
	files := map[string]file{}
	for _, item := range items {
		var value string
		var err error
		switch {
		case item.FieldRef != nil:
			value, err = facts.field(item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			of := findContainer(&facts.pod.Spec, item.ResourceFieldRef.ContainerName)
			if of == nil {
				return nil, errMissing{kind: "container", name: item.ResourceFieldRef.ContainerName}
			}
			value, err = facts.resourceValue(of, item.ResourceFieldRef)
		}
		if err != nil {
			return nil, fmt.Errorf("downward file %s: %w", item.Path, err)
		}
		files[item.Path] = file{data: []byte(value), mode: fileMode(item.Mode, mode)}
	}
	return files, nil
}

func fileMode(own, fallback *int32) fs.FileMode {
	switch {
	case own != nil:
		return fs.FileMode(*own) & fs.ModePerm
	case fallback != nil:
		return fs.FileMode(*fallback) & fs.ModePerm
	}
	return defaultFileMode
}
