package dnsserver

// decideSet chooses one of the record sets of a name and type, as Route 53
// does ("How Amazon Route 53 chooses records when health checking is
// configured" and "Weighted routing"):
//   - healthy records with a weight above zero share the answers by weight;
//   - if they are all unhealthy, the healthy ones with weight zero serve;
//   - if nothing is healthy, all are treated as healthy;
//   - if all weights are zero, the records share equally.
//
// roll returns a uniform number in [0, n).
func decideSet(sets []*set, roll func(n int) int) *set {
	if len(sets) == 1 {
		return sets[0]
	}
	candidates, equal := decideCandidates(sets)
	total := 0
	for _, s := range candidates {
		total += s.share(equal)
	}
	at := roll(total)
	for _, s := range candidates {
		if at -= s.share(equal); at < 0 {
			return s
		}
	}
	return candidates[len(candidates)-1] // not reached: at < total
}

// decideCandidates returns who may answer, and whether equally.
func decideCandidates(sets []*set) (candidates []*set, equal bool) {
	healthy := keep(sets, func(s *set) bool { return s.Healthy })
	candidates = sets
	if len(healthy) > 0 {
		candidates = healthy
	}
	if weighted := keep(candidates, func(s *set) bool { return s.share(false) > 0 }); len(weighted) > 0 {
		return weighted, false
	}
	return candidates, true
}

func keep(sets []*set, ok func(*set) bool) []*set {
	var out []*set
	for _, s := range sets {
		if ok(s) {
			out = append(out, s)
		}
	}
	return out
}

// share is the weight of the set. A simple record has none; it cannot stand
// beside others, so any number does.
func (s *set) share(equal bool) int {
	if equal || s.Weight == nil {
		return 1
	}
	return int(*s.Weight)
}
