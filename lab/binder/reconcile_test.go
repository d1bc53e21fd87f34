package binder

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"watari.dev/lab/binder/v1beta1"
)

func ready(name string) podSpec {
	return podSpec{name: name, ready: true, containers: true, node: "good"}
}
func gated(name string) podSpec {
	return podSpec{name: name, containers: true, gated: true, node: "good"}
}

func leaving(name string) podSpec {
	return podSpec{name: name, containers: true, terminating: true, node: "good"}
}

func TestPodsAreRegisteredAndDeregistered(t *testing.T) {
	s := newStage(t, append(shop(ready("1"), ready("2")), newBinding(plain))...)
	if again := s.turn(); again != time.Minute {
		t.Errorf("next turn after %s, want the resync", again)
	}
	s.serves("1 2")
	s.wrote("+2")
	s.turn()
	s.wrote() // nothing to do, nothing done

	s.change(ready("1"), leaving("2"))
	s.turn()
	s.serves("1")
	s.wrote("-1")

	s.change(ready("1"), ready("2")) // the same address again while it still drains
	s.turn()
	s.serves("1 2")
	s.wrote("+1")

	tgb := s.binding()
	if o := tgb.Status.ObservedGeneration; o == nil || *o != 4 {
		t.Errorf("observed generation %v, want 4", o)
	}
	if len(tgb.Finalizers) != 1 || tgb.Finalizers[0] != "elbv2.k8s.aws/resources" {
		t.Errorf("finalizers %v", tgb.Finalizers)
	}
}

func TestAGatedPodIsRegisteredAndToldItsHealth(t *testing.T) {
	s := newStage(t, append(shop(gated("1")), newBinding(plain))...)
	if again := s.turn(); again != time.Second {
		t.Errorf("next turn after %s, want the health interval", again)
	}
	s.serves("1")
	if got := s.conditionOf("1"); got != corev1.ConditionFalse {
		t.Errorf("gate %s after the registration, want False", got)
	}
	s.elb.setHealth("1", health{state: elbtypes.TargetHealthStateEnumUnhealthy, reason: "Target.Timeout", description: "Request timed out"})
	if s.turn() != time.Second || s.conditionOf("1") != corev1.ConditionFalse {
		t.Error("an unhealthy target is not asked for again, or its gate is open")
	}
	s.elb.setHealth("1", health{state: elbtypes.TargetHealthStateEnumHealthy})
	if s.turn() != time.Minute || s.conditionOf("1") != corev1.ConditionTrue {
		t.Error("a healthy target is still asked for, or its gate is closed")
	}
	s.wrote("+1")
}

func TestAPodThatStartsIsAskedForAgain(t *testing.T) {
	s := newStage(t, append(shop(podSpec{name: "1", gated: true, node: "good"}), newBinding(plain))...)
	if again := s.turn(); again != time.Second {
		t.Errorf("next turn after %s, want the health interval", again)
	}
	s.serves("")
	if got := s.conditionOf("1"); got != "none" {
		t.Errorf("a pod whose containers start was told %s", got)
	}
}

func TestAnUngatedPodIsToldNothing(t *testing.T) {
	s := newStage(t, append(shop(ready("1")), newBinding(plain))...)
	s.turn()
	if got := s.conditionOf("1"); got != "none" {
		t.Errorf("condition %s on a pod without the gate", got)
	}
}

func TestForeignTargetsAreEvicted(t *testing.T) {
	s := newStage(t, append(shop(ready("1")), newBinding(plain))...)
	s.elb.put("77 88")
	s.turn()
	s.serves("1")
	s.wrote("-2", "+1")
	if _, exists := s.ownMap(); exists {
		t.Error("own targets are kept for a group that is not shared")
	}
}

func TestForeignTargetsStayInASharedGroup(t *testing.T) {
	s := newStage(t, append(shop(ready("1"), ready("2")), newBinding(shared))...)
	s.elb.put("77")
	s.turn()
	s.serves("1 2 77")
	if own, _ := s.ownMap(); own != "10.231.33.1:8080,10.231.33.2:8080" {
		t.Errorf("own targets %q", own)
	}
	s.change(ready("2"), ready("3"))
	s.turn()
	s.serves("2 3 77")
	if own, _ := s.ownMap(); own != "10.231.33.2:8080,10.231.33.3:8080" {
		t.Errorf("own targets %q", own)
	}
}

func TestASharedGroupOfUnknownPastLosesNothing(t *testing.T) {
	s := newStage(t, append(shop(ready("1")), newBinding(shared))...)
	s.elb.put("9 77") // 9 may have been ours; nobody knows
	s.turn()
	s.serves("1 77 9")
	s.change(ready("2"))
	s.turn()
	s.serves("2 77 9")
}

func TestATargetIsOursBeforeItIsRegistered(t *testing.T) {
	s := newStage(t, append(shop(ready("1")), newBinding(shared))...)
	s.turn()
	s.elb.fail = errors.New("Throttling: Rate exceeded")
	s.change(ready("2"))
	if _, err := s.try(); err == nil || !strings.Contains(err.Error(), "Throttling") || !strings.Contains(err.Error(), "shop/web") {
		t.Fatalf("error %v, want the throttling of shop/web", err)
	}
	// Whatever of the writes arrived: both targets may be registered, and both are known as ours.
	if own, _ := s.ownMap(); own != "10.231.33.1:8080,10.231.33.2:8080" {
		t.Errorf("own targets %q", own)
	}
	s.elb.fail = nil
	s.turn()
	s.serves("2")
	if own, _ := s.ownMap(); own != "10.231.33.2:8080" {
		t.Errorf("own targets %q", own)
	}
}

func TestADeletedBindingEmptiesItsGroup(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*v1beta1.TargetGroupBinding)
		left   string
	}{{"alone", plain, ""}, {"shared", shared, "77"}} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, append(shop(gated("1"), gated("2")), newBinding(c.change))...)
			s.turn()
			s.elb.put("77")
			if err := s.c.Delete(t.Context(), s.binding()); err != nil {
				t.Fatal(err)
			}
			if s.binding() == nil {
				t.Fatal("the binding is gone before its targets are")
			}
			s.turn()
			s.serves(c.left)
			if s.binding() != nil {
				t.Error("the binding is still there")
			}
			if s.conditionOf("1") != corev1.ConditionTrue {
				t.Error("a pod waits for a binding that is gone")
			}
			if _, exists := s.ownMap(); exists {
				t.Error("own targets are kept of a binding that is gone")
			}
			s.turn() // and once more, as events come late
		})
	}
}

func TestABindingIsDeletedAlthoughItsGroupIsGone(t *testing.T) {
	s := newStage(t, append(shop(gated("1")), newBinding(shared))...)
	s.turn()
	s.elb.missing = true
	if err := s.c.Delete(t.Context(), s.binding()); err != nil {
		t.Fatal(err)
	}
	s.turn()
	if s.binding() != nil || s.conditionOf("1") != corev1.ConditionTrue {
		t.Error("the binding is still there, or its pod waits")
	}
}

func TestADeletedBindingStaysUntilItsTargetsAreGone(t *testing.T) {
	s := newStage(t, append(shop(ready("1")), newBinding(plain))...)
	s.turn()
	s.elb.fail = errors.New("Throttling: Rate exceeded")
	if err := s.c.Delete(t.Context(), s.binding()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.try(); err == nil {
		t.Error("no error although nothing could be deregistered")
	}
	if s.binding() == nil {
		t.Error("the binding is gone and its targets are not")
	}
}

func TestWithoutItsServiceABindingReleasesItsTargets(t *testing.T) {
	for name, spoil := range map[string]func(*stage){
		"no service": func(s *stage) {
			var svc corev1.Service
			svc.Namespace, svc.Name = "shop", "web"
			if err := s.c.Delete(s.t.Context(), &svc); err != nil {
				s.t.Fatal(err)
			}
		},
		"no such port": func(s *stage) {
			tgb := s.binding()
			tgb.Spec.ServiceRef.Port = intstr.FromInt32(81)
			if err := s.c.Update(s.t.Context(), tgb); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, append(shop(ready("1")), newBinding(plain))...)
			s.turn()
			spoil(s)
			if again := s.turn(); again != time.Minute {
				t.Errorf("next turn after %s", again)
			}
			s.serves("")
			if event := <-s.events.Events; !strings.Contains(event, "BackendNotFound") {
				t.Errorf("event %q", event)
			}
		})
	}
}

func TestInstancesAreRefusedForGood(t *testing.T) {
	instance := v1beta1.TargetTypeInstance
	s := newStage(t, append(shop(ready("1")), newBinding(func(tgb *v1beta1.TargetGroupBinding) { tgb.Spec.TargetType = &instance }))...)
	if _, err := s.try(); !errors.Is(err, reconcile.TerminalError(nil)) {
		t.Errorf("error %v, want one that is not retried", err)
	}
	s.wrote()
	if event := <-s.events.Events; !strings.Contains(event, "UnsupportedTargetType") {
		t.Errorf("event %q", event)
	}
}

func TestAMissingGroupIsAnErrorThatIsTriedAgain(t *testing.T) {
	s := newStage(t, append(shop(ready("1")), newBinding(plain))...)
	s.elb.missing = true
	if _, err := s.try(); !errors.Is(err, errNoGroup) || errors.Is(err, reconcile.TerminalError(nil)) {
		t.Errorf("error %v", err)
	}
}

func TestManyTargetsGoInBatches(t *testing.T) {
	s := newStage(t)
	many := make([]target, 450)
	for i := range many {
		many[i] = target{ip: "10.231.33.1", port: int32(i + 1)}
	}
	if err := errors.Join(s.r.groups.writeRegister(t.Context(), group, many), s.r.groups.writeDeregister(t.Context(), group, many[:201])); err != nil {
		t.Fatal(err)
	}
	s.wrote("+200", "+200", "+50", "-200", "-1")
}

// The API server refuses a patch with another UID as a conflict; the fake one does not
// look at it.
func TestANewPodOfTheSameNameIsNotToldTheOldHealth(t *testing.T) {
	s := newStage(t, shop(gated("1"))...)
	var patch []byte
	s.r.client = interceptor.NewClient(s.c.(client.WithWatch), interceptor.Funcs{
		SubResourcePatch: func(_ context.Context, _ client.Client, _ string, o client.Object, p client.Patch, _ ...client.SubResourcePatchOption) error {
			var err error
			patch, err = p.Data(o)
			return errors.Join(err, apierrors.NewConflict(corev1.Resource("pods"), o.GetName(), errors.New("the UID in the precondition differs")))
		},
	})
	old := newPod(gated("1"))
	old.UID = "uid-of-the-pod-before"
	waits, err := s.r.writeGate(t.Context(), old, gate, registering)
	if err != nil || waits {
		t.Errorf("waits %v, error %v; the pod is gone and nobody has to wait", waits, err)
	}
	if !strings.Contains(string(patch), `"uid":"uid-of-the-pod-before"`) {
		t.Errorf("the patch %s does not say whom it means", patch)
	}
}

func TestWhomAnEventConcerns(t *testing.T) {
	other := newBinding(func(tgb *v1beta1.TargetGroupBinding) { tgb.Name, tgb.Spec.ServiceRef.Name = "api", "api" })
	s := newStage(t, newBinding(plain), other)
	got := s.r.bindingsOf(t.Context(), "shop", "web")
	if len(got) != 1 || got[0].NamespacedName != (client.ObjectKey{Namespace: "shop", Name: "web"}) {
		t.Errorf("service web concerns %v", got)
	}
	if got := s.r.bindingsOf(t.Context(), "elsewhere", "web"); len(got) != 0 {
		t.Errorf("a service of another namespace concerns %v", got)
	}
	if got := bindingsOfPod(t.Context(), newPod(gated("1"))); len(got) != 1 || got[0].Name != "web" {
		t.Errorf("a gated pod concerns %v", got)
	}
	if got := bindingsOfPod(t.Context(), newPod(ready("1"))); len(got) != 0 {
		t.Errorf("a pod without a gate concerns %v", got)
	}
}
