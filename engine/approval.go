package engine

// waitingForApproval keeps watching until an operator says yes; what was true
// when the hold ended must still be true then.
func (t *turn) waitingForApproval() {
	if t.endangered() || !t.status.Approved || !t.heldEnough() {
		return
	}
	if t.lastStep() {
		t.complete()
		return
	}
	t.next()
}
