//go:build !linux

package filestore

// Only whether a process exists is known here.

func bootID() string { return "" }

func pidNamespace() string { return "" }

func startOf(int) (start string, gone bool) { return "", false }
