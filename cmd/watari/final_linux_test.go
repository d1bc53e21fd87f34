package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/engine"
	"watari.dev/plan"
	"watari.dev/store"
	"watari.dev/traffic"
)

var shop = store.Key{Name: "shop"}

// alone leaves of the migration the route that is converted.
func (z *hostedZone) alone() *hostedZone {
	z.plan.Levers = slices.DeleteFunc(z.plan.Levers, func(l plan.Lever) bool { return l.Ref.Name != "partners" })
	z.plan.Spec.Routes = slices.DeleteFunc(z.plan.Spec.Routes, func(r engine.RouteSpec) bool { return r.Name != "partners" })
	return z
}

// status returns what is remembered.
func (z *hostedZone) status() engine.Status {
	z.t.Helper()
	_, status, err := recall(z.t.Context(), z.store, shop)
	if err != nil {
		z.t.Fatal(err)
	}
	return status
}

// alter changes what is remembered.
func (z *hostedZone) alter(change func(*engine.Status)) {
	z.t.Helper()
	record, revision, err := z.store.Load(z.t.Context(), shop)
	if err != nil {
		z.t.Fatal(err)
	}
	status := z.status()
	change(&status)
	if record.Status, err = json.Marshal(status); err != nil {
		z.t.Fatal(err)
	}
	if _, err := z.store.Save(z.t.Context(), shop, revision, record); err != nil {
		z.t.Fatal(err)
	}
}

// waiting counts the commands that nobody has consumed.
func (z *hostedZone) waiting() int {
	z.t.Helper()
	commands, err := z.store.Commands(z.t.Context(), shop)
	if err != nil {
		z.t.Fatal(err)
	}
	return len(commands)
}

// completed is a migration that is complete, with the converted route alone.
func completed(t *testing.T) *hostedZone {
	t.Helper()
	z := newHostedZone(t).alone()
	z.moved(1000, traffic.All)
	z.remember(engine.Complete)
	return z
}

// TestNothingIsTakenBackAfterRestore: what was restored on the target stays complete
// whatever is asked for, nothing is written, and the way out is said.
func TestNothingIsTakenBackAfterRestore(t *testing.T) {
	z := completed(t)
	if _, err := z.restore(); err != nil {
		t.Fatal(err)
	}
	before := z.records()
	file := z.file
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"rollback", "shop"}, "begin a new migration with source and target exchanged"},
		{[]string{"rollback", "-f", file}, "begin a new migration with source and target exchanged"},
		{[]string{"rollback", "shop", "-f", file}, "partners has simple records since"},
	} {
		said, err := z.watari(c.args...)
		if err == nil || codeOf(err) != exitRefused || !strings.Contains(err.Error(), c.says) || said != "" {
			t.Errorf("%v: %v, said %q", c.args, err, said)
		}
		if n := z.waiting(); n != 0 {
			t.Errorf("%v: %d commands wait for somebody", c.args, n)
		}
	}
	for _, args := range [][]string{{"run", "-f", file}, {"status", "shop"}} {
		if said, err := z.watari(args...); err != nil || !strings.Contains(said, "It cannot be rolled back any more: partners has simple records") || strings.Contains(said, "watari rollback") {
			t.Errorf("%v: %v, said\n%s", args, err, said)
		}
	}
	if said, err := z.restore(); err != nil || !strings.Contains(said, "partners: simple already") {
		t.Errorf("a second restore: %v, said %s", err, said)
	}
	if status := z.status(); status.Phase != engine.Complete {
		t.Errorf("it is %s", status.Phase)
	}
	if got := z.records(); !slices.Equal(got, before) {
		t.Errorf("%q became %q", before, got)
	}
}

// TestAnOrderThatCameBeforeRestoreIsRefused: a rollback that somebody has left in
// the store is carried out by nobody, whichever way it comes to the engine.
func TestAnOrderThatCameBeforeRestoreIsRefused(t *testing.T) {
	z := completed(t)
	if _, err := z.restore(); err != nil {
		t.Fatal(err)
	}
	before := z.records()
	if err := z.store.Submit(t.Context(), shop, store.Command{ID: "1", Kind: string(engine.TakeBack), By: "ana@ops1", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	_, _ = z.watari("run", "-f", z.file) // ends with what the phase says
	if status := z.status(); status.Phase != engine.Complete || status.WhyFinal("shop") == "" {
		t.Errorf("it is %s: %s", status.Phase, status.Reason)
	}
	if got := z.records(); !slices.Equal(got, before) {
		t.Errorf("%q became %q", before, got)
	}
}

// TestRollbackAfterRestoreOnTheSource: what is on the source already stays there,
// and a new attempt is one like the first.
func TestRollbackAfterRestoreOnTheSource(t *testing.T) {
	z := newHostedZone(t).alone()
	z.moved(1000, traffic.None)
	z.remember(engine.RolledBack)
	if _, err := z.restore(); err != nil {
		t.Fatal(err)
	}
	want := []string{"api.example.com. 192.0.2.1", "shop.example.com. 192.0.2.1"}
	z.moved(traffic.None) // as a rollback would
	if got := z.records(); !slices.Equal(got, want) || z.status().WhyFinal("shop") != "" {
		t.Errorf("%q, %s", got, z.status().WhyFinal("shop"))
	}
	after, _ := engine.Step(z.plan.Spec, z.status(), engine.Observation{Commands: []engine.Command{z.status().Bound(engine.Command{ID: "1", Verb: engine.Retry, By: "ana@ops1"})}}, time.Now())
	if after.Attempt < 2 || after.Routes[0].Restored != nil {
		t.Errorf("the new attempt remembers %+v", after.Routes[0].Restored)
	}
}

// TestARestoreThatDiedIsFinished: after one name of two, a rollback refuses, because
// it could not be carried out, and the next restore does the rest.
func TestARestoreThatDiedIsFinished(t *testing.T) {
	z := completed(t)
	began := time.Now().Add(-time.Hour)
	z.alter(func(s *engine.Status) {
		s.Routes = []engine.RouteStatus{{Name: "partners", Restored: &engine.Restored{Keep: traffic.Target, By: "bob@ops2", At: began}}}
	})
	names := z.plan.Levers[0].Ref.Names
	z.plan.Levers[0].Ref.Names = names[:1]
	c, err := connectBlind(t.Context(), z.plan)
	if err != nil {
		t.Fatal(err)
	}
	restorer, _ := restorerOf(c.routes["partners"])
	if _, err := restorer.Restore(t.Context(), z.plan.Levers[0].Ref, traffic.Target, time.Time{}); err != nil {
		t.Fatal(err)
	}
	z.plan.Levers[0].Ref.Names = names
	if got := z.records(); len(got) != 3 {
		t.Fatalf("%q is not half of it", got)
	}
	if _, err := z.watari("rollback", "shop"); err == nil || !strings.Contains(err.Error(), "bob@ops2 has begun to restore partners") || !strings.Contains(err.Error(), "finish it: watari restore shop") {
		t.Errorf("%v", err)
	}
	if said, err := z.restore(); err != nil || !strings.Contains(said, "partners: simple again: shop.example.com") {
		t.Errorf("%v, said %s", err, said)
	}
	status := z.status()
	if got, want := z.records(), []string{"api.example.com. 192.0.2.2", "shop.example.com. 192.0.2.2"}; !slices.Equal(got, want) || status.Phase != engine.Complete || !status.Routes[0].Restored.Done {
		t.Errorf("%q, %s, %+v", got, status.Phase, status.Routes[0].Restored)
	}
}

// TestARestoreThatHasDeletedNothingStopsNoRollback: it died before its first write.
func TestARestoreThatHasDeletedNothingStopsNoRollback(t *testing.T) {
	z := completed(t)
	z.alter(func(s *engine.Status) {
		s.Routes = []engine.RouteStatus{{Name: "partners", Restored: &engine.Restored{Keep: traffic.Target, By: "bob@ops2", At: time.Now()}}}
	})
	if said, err := z.watari("rollback", "shop"); err != nil {
		t.Errorf("%v, said %s", err, said)
	}
	status := z.status()
	if status.Phase != engine.RolledBack || status.Routes[0].Restored != nil {
		t.Errorf("it is %s, %+v", status.Phase, status.Routes[0].Restored)
	}
	if got := z.records(); !slices.ContainsFunc(got, func(r string) bool { return strings.HasPrefix(r, "api.example.com. eks-1-36=0 ") }) {
		t.Errorf("%q", got)
	}
}

// TestRollbackWhileRestoreRuns: it waits for the lease, and then says that there is
// nothing left to take back. No order stays behind.
func TestRollbackWhileRestoreRuns(t *testing.T) {
	z := completed(t)
	lease, err := z.store.Acquire(t.Context(), shop, store.Holder{ID: "restore", User: "bob", Host: "elsewhere", PID: 1, Since: time.Now()}, time.Hour, false)
	if err != nil {
		t.Fatal(err)
	}
	back := make(chan error, 1)
	go func() {
		_, err := z.watari("rollback", "shop")
		back <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); z.waiting() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the rollback asks nobody")
		}
	}
	z.alter(func(s *engine.Status) {
		s.Routes = []engine.RouteStatus{{Name: "partners", Restored: &engine.Restored{Keep: traffic.Target, By: "bob@elsewhere", At: time.Now(), Done: true}}}
	})
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-back:
		if err == nil || !strings.Contains(err.Error(), "partners has simple records since bob@elsewhere") {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the rollback does not end")
	}
	if status := z.status(); status.Phase != engine.Complete || z.waiting() != 0 {
		t.Errorf("it is %s, %d commands wait", status.Phase, z.waiting())
	}
}

// TestRestoreAsksFirst: without a terminal it refuses, unless it need not ask.
func TestRestoreAsksFirst(t *testing.T) {
	z := completed(t)
	before := z.records()
	said, err := z.watari("restore", "shop")
	if codeOf(err) != exitUsage || !strings.Contains(err.Error(), "watari restore shop --yes") {
		t.Errorf("%v", err)
	}
	want := `api.example.com, route partners:
  delete   A eks-1-33 weight 0, TTL 1: 192.0.2.1
  delete   A eks-1-36 weight 100, TTL 1: 192.0.2.2
  stays    A, TTL 1: 192.0.2.2
`
	if !strings.HasPrefix(said, want) || !strings.HasSuffix(said, "watari cannot take shop back after that.\n") {
		t.Errorf("said\n%s\nwant\n%s", said, want)
	}
	if got := z.records(); !slices.Equal(got, before) || len(z.effects()) > 0 {
		t.Errorf("%q became %q, the journal has %q", before, got, z.effects())
	}
}

// TestRestoreTakesNoForAnAnswer asks at a terminal.
func TestRestoreTakesNoForAnAnswer(t *testing.T) {
	z := completed(t)
	before := z.records()
	for _, c := range []struct {
		answer string
		code   int
		after  int // records
	}{{"\n", exitError, 4}, {"n\n", exitError, 4}, {"yes please\n", exitError, 4}, {"y\n", exitOK, 2}} {
		master, slave := terminal(t)
		cmd := exec.Command("watari", "restore", "shop", "--state", z.state)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := master.WriteString(c.answer); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			t.Fatalf("%q: it does not end", c.answer)
		}
		if code := cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("%q: exit code %d, want %d", c.answer, code, c.code)
		}
		if got := z.records(); len(got) != c.after {
			t.Errorf("%q: %q became %q", c.answer, before, got)
		}
		master.Close()
		slave.Close()
	}
}

// TestRestoreGoesByWhatWasShown: records that somebody has changed since are not
// deleted, and what was certainly not begun is not remembered as such.
func TestRestoreGoesByWhatWasShown(t *testing.T) {
	z := completed(t)
	r := restoring{store: z.store, key: shop}
	if err := r.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.routes[0].names[1].Deletes[0] += " as it was before somebody has changed it"
	before := z.records()
	var out strings.Builder
	if err := r.restore(t.Context(), &out); err == nil || !strings.Contains(out.String(), "somebody has changed its records") {
		t.Errorf("%v, said %s", err, out.String())
	}
	if got := z.records(); !slices.Equal(got, before) || z.status().Routes[0].Restored != nil {
		t.Errorf("%q became %q, remembered is %+v", before, got, z.status().Routes[0].Restored)
	}
}

// TestAGoneNameAfterARestoreThatDied: a restore died before its first write, and one of
// the names is deleted since, or has another weight. The other name is taken back.
func TestAGoneNameAfterARestoreThatDied(t *testing.T) {
	for name, harm := range map[string]func(z *hostedZone){
		"deleted": func(z *hostedZone) { z.drop("api.example.com.") },
		"moved": func(z *hostedZone) {
			names := z.plan.Levers[0].Ref.Names
			z.plan.Levers[0].Ref.Names = []string{"api.example.com"}
			z.moved(5000)
			z.plan.Levers[0].Ref.Names = names
		},
	} {
		t.Run(name, func(t *testing.T) {
			z := completed(t)
			z.alter(func(s *engine.Status) {
				s.Routes = []engine.RouteStatus{{Name: "partners", Restored: &engine.Restored{Keep: traffic.Target, By: "bob@ops2", At: time.Now()}}}
			})
			harm(z)
			if said, err := z.watari("rollback", "shop", "--without", "api.example.com"); err != nil {
				t.Errorf("%v, said %s", err, said)
			}
			if got := z.status().Phase; got != engine.RolledBack {
				t.Errorf("it is %s", got)
			}
			if got := z.records(); !slices.ContainsFunc(got, func(r string) bool { return strings.HasPrefix(r, "shop.example.com. eks-1-36=0 ") }) {
				t.Errorf("%q", got)
			}
		})
	}
}

// drop deletes all records of a name.
func (z *hostedZone) drop(name string) {
	z.t.Helper()
	list, err := z.api.ListResourceRecordSets(z.t.Context(), &sdk.ListResourceRecordSetsInput{HostedZoneId: &z.id})
	if err != nil {
		z.t.Fatal(err)
	}
	var changes []types.Change
	for _, s := range list.ResourceRecordSets {
		if *s.Name == name && s.Type == types.RRTypeA {
			changes = append(changes, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &s})
		}
	}
	if _, err := z.api.ChangeResourceRecordSets(z.t.Context(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &z.id, ChangeBatch: &types.ChangeBatch{Changes: changes}}); err != nil {
		z.t.Fatal(err)
	}
}
