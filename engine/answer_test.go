package engine

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// TestAnswersAreBounded gives more commands than are remembered: the latest have their
// answers, and one that cannot be removed keeps its own, however old that is.
func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(Spec{Name: "shop", Routes: []RouteSpec{{Name: "public"}}, Steps: []StepSpec{{Share: 10000, Hold: time.Minute}}})
	stays := w.status.Bound(Command{ID: "stays", Verb: Retry, By: "anna"})
	for i := range 3 * keepAnswers {
		w.commands = append(w.commands, stays)
		w.command(Resume)
		w.turn()
		if a, has := w.status.Answered(fmt.Sprint("c", i+1)); !has || a.Obeyed || a.By != "anna" || a.Verb != Resume || !a.At.Equal(w.now) {
			t.Fatalf("command %d: %+v, %v", i+1, a, has)
		}
		if _, has := w.status.Answered("stays"); !has || len(w.status.Answers) > keepAnswers {
			t.Fatalf("%d answers, that of what stays: %v", len(w.status.Answers), has)
		}
	}
	told := 0
	for _, line := range w.log {
		if line == "      0s  retry by anna refused: there is nothing to try again: shop is pending" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("what stays was answered %d times:\n%q", told, w.log)
	}
}

// TestStatusOfAnOlderVersion: what it has obeyed is not obeyed again, and what waits
// for an approval there can be approved.
func TestStatusOfAnOlderVersion(t *testing.T) {
	var old Status
	if err := json.Unmarshal([]byte(`{"phase":"WaitingForApproval","attempt":2,"step":1,"consumed":["pause-1"],"adoptLive":true,"routes":[{"name":"public"}]}`), &old); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Name: "shop", Routes: []RouteSpec{{Name: "public"}}, Steps: []StepSpec{{Share: 100, Approval: true}, {Share: 5000, Approval: true}, {Share: 10000}}}
	approve := old.Bound(Command{ID: "approve-1", Verb: Approve, By: "anna"})
	status, notes := Obey(spec, old, []Command{{ID: "pause-1", Verb: Pause, By: "anna"}, approve, {ID: "back", Verb: TakeBack}}, dawn)
	if !status.Approved || status.Phase != WaitingForApproval || len(notes) != 1 || notes[0].Text != "approve by anna: step 2 of 3 (50 %)" {
		t.Errorf("%+v, %+v", status, notes)
	}
	if a, has := status.Answered("pause-1"); !has || !a.Obeyed || len(status.Consumed) != 0 {
		t.Errorf("the older answer: %+v %v, %v", a, has, status.Consumed)
	}
	if _, has := status.Answered("back"); has {
		t.Error("a rollback was answered and not carried out")
	}
}
