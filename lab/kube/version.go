package kube

import (
	"fmt"
	"strings"
)

// Version is a Kubernetes release, such as "1.36.3".
type Version string

// The releases that the lab can build.
const (
	V1_33 Version = "1.33.13"
	V1_36 Version = "1.36.3"
)

// Versions returns the releases that the lab can build, oldest first.
func Versions() []Version { return []Version{V1_33, V1_36} }

// Minor returns the release without its patch, such as "1.36".
func (v Version) Minor() string { return string(v[:max(0, strings.LastIndexByte(string(v), '.'))]) }

// numbers returns the first two numbers of a release.
func (v Version) numbers() (major, minor string, err error) {
	parts := strings.Split(string(v), ".")
	if len(parts) != 3 {
		return "", "", fmt.Errorf("kubernetes version %q is not like %s", v, V1_36)
	}
	return parts[0], parts[1], nil
}
