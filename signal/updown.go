package signal

import (
	"cmp"
	"strings"
)

// GoUpAndDown says of the processes that SumOf has named why they are not counted;
// what stands for those without a name.
func GoUpAndDown(processes []string, what string) string {
	var named []string
	for _, p := range processes {
		named = append(named, cmp.Or(p, what))
	}
	text := "counters of " + named[0]
	if more := len(named) - 1; more > 0 {
		text = "counters of " + strings.Join(named[:min(len(named), 3)], ", ")
		if len(named) > 3 {
			text += " and others"
		}
	}
	return text + " go up and down: several processes answer at this address, or one begins again all the time; read each process by an address of its own"
}
