//go:build linux

package node

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// objectNames are the ConfigMaps and Secrets that something refers to.
type objectNames struct {
	configMaps, secrets map[string]bool
}

func newObjectNames() objectNames {
	return objectNames{configMaps: map[string]bool{}, secrets: map[string]bool{}}
}

// objects holds what was read. An object that does not exist is not in it.
type objects struct {
	configMaps map[string]*v1.ConfigMap
	secrets    map[string]*v1.Secret
}

// errMissing says that a pod refers to something that is not there.
type errMissing struct{ kind, name, key string }

func (e errMissing) Error() string {
	if e.key != "" {
		return fmt.Sprintf("%s %q has no key %q", e.kind, e.name, e.key)
	}
	return fmt.Sprintf("%s %q not found", e.kind, e.name)
}

// readObjects reads the named objects of one namespace. A missing object is no error here:
// whether it matters is decided where it is used.
func readObjects(ctx context.Context, client kubernetes.Interface, namespace string, names objectNames) (objects, error) {
	seen := objects{configMaps: map[string]*v1.ConfigMap{}, secrets: map[string]*v1.Secret{}}
	for name := range names.configMaps {
		cm, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return seen, fmt.Errorf("read ConfigMap %s/%s: %w", namespace, name, err)
		}
		seen.configMaps[name] = cm
	}
	for name := range names.secrets {
		secret, err := client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return seen, fmt.Errorf("read Secret %s/%s: %w", namespace, name, err)
		}
		seen.secrets[name] = secret
	}
	return seen, nil
}

// configMapData returns all keys of a ConfigMap, nil if it is missing.
func (o objects) configMapData(name string) map[string][]byte {
	cm := o.configMaps[name]
	if cm == nil {
		return nil
	}
	data := map[string][]byte{}
	for k, v := range cm.Data {
		data[k] = []byte(v)
	}
	for k, v := range cm.BinaryData {
		data[k] = v
	}
	return data
}

// secretData returns all keys of a Secret, nil if it is missing. The API server has merged
// stringData into data.
func (o objects) secretData(name string) map[string][]byte {
	secret := o.secrets[name]
	if secret == nil {
		return nil
	}
	data := map[string][]byte{}
	for k, v := range secret.Data {
		data[k] = v
	}
	return data
}
