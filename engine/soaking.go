package engine

import "fmt"

// soaking is the hold of the last step: everything is on the target and still
// watched, and everything can still be taken back.
func (t *turn) soaking() {
	if t.endangered() || !t.heldEnough() {
		return
	}
	if t.spec.Steps[t.step()].Approval {
		t.await(fmt.Sprintf("%s soaked for %s", t.goal(), t.spec.Steps[t.step()].Hold))
		return
	}
	t.complete()
}

// complete ends the migration. heldEnough has seen every route settled and read
// back a moment ago.
func (t *turn) complete() {
	t.enter(Complete, "everything is on %s, settled and read back on every route", t.spec.Target)
}
