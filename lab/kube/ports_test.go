package kube

import (
	"slices"
	"testing"
)

// A picker never gives a port twice, although nobody uses it yet.
func TestPortPicker(t *testing.T) {
	var p PortPicker
	var all []int
	for range 40 {
		picked, err := p.Pick(5)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, picked...)
	}
	for _, port := range all {
		if port < firstPort || port > lastPort {
			t.Errorf("port %d is outside of %d to %d", port, firstPort, lastPort)
		}
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 200 {
		t.Errorf("%d different ports of 200", n)
	}
}
