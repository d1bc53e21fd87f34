// Package v1alpha1 is what users write: Environment and Migration, as strict
// YAML files or as custom resources of Kubernetes. It promises to report every
// mistake of all files at once, with its place and with what would be right, and
// that what it returns without mistakes is complete and defaulted. It holds types
// and validation only: it never reads anything but the files that it is given and
// never asks a cloud, a cluster or a clock.
//
// +groupName=watari.dev
// +kubebuilder:object:generate=true
package v1alpha1

//go:generate go run ./internal/generate
