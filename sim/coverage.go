package sim

import "watari.dev/engine"

// Coverage counts which fault was met in which phase.
type Coverage struct {
	Met [kinds][]int64
}

func (c *Coverage) add(k Kind, p engine.Phase) {
	if c.Met[k] == nil {
		c.Met[k] = make([]int64, len(Phases()))
	}
	for i, q := range Phases() {
		if p == q {
			c.Met[k][i]++
		}
	}
}
