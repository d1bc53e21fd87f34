//go:build linux

package lab

import (
	"slices"
	"testing"
)

// Labs that live at the same time have different networks, and a lab that ends
// gives its own back.
func TestNetworksOfSeveralLabs(t *testing.T) {
	// High numbers, which labs that really run on this machine have last.
	numbers := []int{227, 228}
	first, err := claimNetworks(t.Context(), numbers...)
	if err != nil {
		t.Fatal(err)
	}
	second, err := claimNetworks(t.Context(), numbers...)
	if err != nil {
		t.Fatal(err)
	}
	defer second.close()
	if first.pods(227) == second.pods(227) || first.pods(228) == second.pods(228) {
		t.Errorf("both have %s and %s", first.pods(227), first.pods(228))
	}
	mine := first.offset
	first.close()
	again, err := claimNetworks(t.Context(), numbers...)
	if err != nil || again.offset > mine {
		t.Errorf("afterwards: offset %d, %v; %d is free", again.offset, err, mine)
	}
	again.close()
	third, err := claimNetworks(t.Context(), 255)
	if err != nil {
		t.Fatal(err)
	}
	defer third.close()
	if _, err := claimNetworks(t.Context(), 255); err == nil {
		t.Error("more labs than there are networks")
	}
}

func TestHalves(t *testing.T) {
	if got := halves(networks{offset: 10}.pods(33)); !slices.Equal(got, []string{"10.231.43.0/25", "10.231.43.128/25"}) {
		t.Errorf("%v", got)
	}
}
