//go:build linux

package node

// threshold turns single results of a probe into a lasting one: so many equal
// results in a row are needed to change it.
type threshold struct {
	success, failure int32 // results in a row; at least 1
	run              int32
	last             bool
}

// add counts one result. The first value says whether enough equal results have come in
// a row for the result to hold.
func (t *threshold) add(ok bool) (holds bool) {
	if ok != t.last || t.run == 0 {
		t.last, t.run = ok, 0
	}
	t.run++
	if ok {
		return t.run >= max(1, t.success)
	}
	return t.run >= max(1, t.failure)
}
