//go:build linux

package node

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
)

// envNames returns the ConfigMaps and Secrets that a container's environment needs.
func envNames(c *v1.Container) objectNames {
	names := newObjectNames()
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef != nil {
			names.configMaps[from.ConfigMapRef.Name] = true
		}
		if from.SecretRef != nil {
			names.secrets[from.SecretRef.Name] = true
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			continue
		}
		if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil {
			names.configMaps[ref.Name] = true
		}
		if ref := e.ValueFrom.SecretKeyRef; ref != nil {
			names.secrets[ref.Name] = true
		}
	}
	return names
}

// decideEnv returns the environment of a container: what the agent gives every container, what
// envFrom imports, and what env sets, each able to replace what came before. Values of
// env may refer to anything that is set by then.
func decideEnv(c *v1.Container, given map[string]string, facts podFacts, seen objects) (map[string]string, error) {
	env := maps.Clone(given)
	for _, from := range c.EnvFrom {
		data, err := importedData(from, seen)
		if err != nil {
			return nil, err
		}
		for k, v := range data {
			env[from.Prefix+k] = string(v)
		}
	}
	for _, e := range c.Env {
		value, set, err := envValue(c, e, env, facts, seen)
		if err != nil {
			return nil, fmt.Errorf("env %s: %w", e.Name, err)
		}
		if set {
			env[e.Name] = value
		}
	}
	return env, nil
}

// importedData returns the keys that one envFrom brings.
func importedData(from v1.EnvFromSource, seen objects) (map[string][]byte, error) {
	switch {
	case from.ConfigMapRef != nil:
		data := seen.configMapData(from.ConfigMapRef.Name)
		if data == nil && !isTrue(from.ConfigMapRef.Optional) {
			return nil, errMissing{kind: "configmap", name: from.ConfigMapRef.Name}
		}
		return data, nil
	case from.SecretRef != nil:
		data := seen.secretData(from.SecretRef.Name)
		if data == nil && !isTrue(from.SecretRef.Optional) {
			return nil, errMissing{kind: "secret", name: from.SecretRef.Name}
		}
		return data, nil
	}
	return nil, nil
}

// envValue returns the value of one variable, and false if an optional source is missing.
func envValue(c *v1.Container, e v1.EnvVar, env map[string]string, facts podFacts, seen objects) (string, bool, error) {
	from := e.ValueFrom
	switch {
	case from == nil:
		return expandAll([]string{e.Value}, env)[0], true, nil
	case from.FieldRef != nil:
		value, err := facts.field(from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		of := c
		if from.ResourceFieldRef.ContainerName != "" {
			of = findContainer(&facts.pod.Spec, from.ResourceFieldRef.ContainerName)
		}
		if of == nil {
			return "", false, errMissing{kind: "container", name: from.ResourceFieldRef.ContainerName}
		}
		value, err := facts.resourceValue(of, from.ResourceFieldRef)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		return keyOf("configmap", ref.Name, ref.Key, isTrue(ref.Optional), seen.configMapData(ref.Name))
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		return keyOf("secret", ref.Name, ref.Key, isTrue(ref.Optional), seen.secretData(ref.Name))
	}
	return "", false, errors.New("this kind of valueFrom is not supported by this node")
}

// keyOf returns one key of a ConfigMap or Secret.
func keyOf(kind, name, key string, optional bool, data map[string][]byte) (string, bool, error) {
	value, ok := data[key]
	switch {
	case ok:
		return string(value), true, nil
	case optional:
		return "", false, nil
	case data == nil:
		return "", false, errMissing{kind: kind, name: name}
	}
	return "", false, errMissing{kind: kind, name: name, key: key}
}

// environ writes an environment the way os/exec wants it, sorted.
func environ(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

func isTrue(b *bool) bool { return b != nil && *b }
