package traffic

import "slices"

// Owner is somebody besides the migration who writes a route's weights, as far as
// the data plane shows.
type Owner struct {
	Name   string    `json:"name"`             // as people know it: external-dns (owner prod)
	Sure   Certainty `json:"sure"`             // what the proof is worth
	Proof  string    `json:"proof,omitempty"`  // how it is known, as the end of a sentence that names the owner
	Remedy string    `json:"remedy,omitempty"` // what keeps it from writing while the migration runs, as an imperative
}

// Certainty says what is known of an Owner.
type Certainty string

// The kinds of certainty, from the least to the most.
const (
	Perhaps  Certainty = "perhaps"  // it writes when somebody runs it: Terraform, CloudFormation
	Probably Certainty = "probably" // it watches the route and corrects it by itself
	Surely   Certainty = "surely"   // what is there now is what it writes
)

// certainties from the least to the most.
var certainties = [...]Certainty{Perhaps, Probably, Surely}

// Above reports whether c is worth more than other.
func (c Certainty) Above(other Certainty) bool {
	return slices.Index(certainties[:], c) > slices.Index(certainties[:], other)
}

// Surest returns the owner of whom most is known, the first among equals; nil if
// there is none.
func Surest(owners []Owner) *Owner {
	if len(owners) == 0 {
		return nil
	}
	best := owners[0]
	for _, o := range owners {
		if o.Sure.Above(best.Sure) {
			best = o
		}
	}
	return &best
}
