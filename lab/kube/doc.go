// Package kube builds and runs real Kubernetes control planes from the sources
// on the Go module proxy: etcd, API server, controller manager and scheduler as
// four processes on loopback, without containers and without root.
//
// It promises that a build is whole or absent, whatever is killed meanwhile;
// that every door of a plane wants a certificate or a token; and that a plane
// is ready when it says so. It never changes the user's Go settings, and
// nothing of Kubernetes enters the product's own go.mod: the sources of the
// program lie in _controlplane, a module of its own that the go tool ignores.
package kube
