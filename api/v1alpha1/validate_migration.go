package v1alpha1

import (
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (m *Migration) problems() (ps problems) {
	checkMetadata(&ps, &m.ObjectMeta)
	spec := field.NewPath("spec")
	checkSides(&ps, spec, &m.Spec)
	checkAWS(&ps, spec.Child("aws"), m.Spec.AWS)
	checkRoutes(&ps, spec.Child("routes"), m.Spec.Routes)
	checkSignals(&ps, spec, &m.Spec)
	checkGate(&ps, spec.Child("gate"), &m.Spec)
	checkSteps(&ps, spec.Child("steps"), &m.Spec)
	checkRollback(&ps, spec.Child("rollback"), &m.Spec.Rollback)
	checkWord(&ps, spec.Child("onDrift"), m.Spec.OnDrift)
	checkDeadline(&ps, spec.Child("deadline"), &m.Spec)
	return ps
}

func checkSides(ps *problems, spec *field.Path, s *MigrationSpec) {
	if s.Source == "" {
		ps.missing(spec.Child("source"), "name the Environment that has the traffic now")
	}
	switch {
	case s.Target == "":
		ps.missing(spec.Child("target"), "name the Environment that is to have the traffic")
	case s.Target == s.Source:
		ps.add(spec.Child("target"), "%q is the source too: name another Environment", s.Target)
	}
}

// checkSteps reports shares that do not rise to 100 % and holds in which nothing
// can be learnt.
func checkSteps(ps *problems, path *field.Path, s *MigrationSpec) {
	if len(s.Steps) == 0 {
		ps.missing(path, "write at least one step; the last is {share: 100%, hold: ...}")
		return
	}
	checkCount(ps, path, len(s.Steps), 100, "steps")
	window := orElse(s.Gate.Thresholds.Window, DefaultWindow)
	before := Share(0)
	for i, step := range s.Steps {
		at := path.Index(i)
		checkShare(ps, at.Child("share"), step.Share, before)
		checkHold(ps, at.Child("hold"), step.Hold.Duration, window, len(s.Signals) > 0)
		checkWord(ps, at.Child("approval"), step.Approval)
		before = max(before, step.Share)
	}
	checkLastShare(ps, path.Index(len(s.Steps)-1).Child("share"), before)
}

func checkShare(ps *problems, path *field.Path, share, before Share) {
	switch {
	case share > allShare:
		ps.add(path, "%s is above 100 %%: the last step is 100%%", share)
	case share <= 0:
		ps.absent(path, "a step needs a share above 0 %: write one such as 1%")
	case share <= before:
		ps.add(path, "%s is not above the step before (%s)", share, before)
	}
}

func checkLastShare(ps *problems, path *field.Path, highest Share) {
	switch {
	case highest >= allShare:
	case highest == 100:
		// Whoever wrote the bare number 100 meant percent.
		ps.add(path, "the last step is 1 %%: it must be 100%% (a number without %% counts basis points, 100 of them are 1 %%)")
	default:
		ps.add(path, "the last step is %s: it must be 100%%, or add such a step", highest)
	}
}

func checkHold(ps *problems, path *field.Path, hold, window time.Duration, counted bool) {
	switch {
	case hold == 0:
		ps.absent(path, "a step needs a hold above zero: write how long to hold the share, such as 10m")
	case hold < 0:
		ps.add(path, "%s is not above zero: write how long to hold the share, such as 10m", readable(hold))
	case counted && hold < window:
		ps.add(path, "%s is shorter than the gate's window (%s): hold at least %s, or make spec.gate.thresholds.window shorter",
			readable(hold), readable(window), readable(window))
	}
}

// checkDeadline reports a deadline that the holds alone would miss. The last hold
// is no part of it, because the deadline ends when the last share is reached.
func checkDeadline(ps *problems, path *field.Path, s *MigrationSpec) {
	if s.Deadline == nil {
		return
	}
	checkPositive(ps, path, s.Deadline)
	var holds time.Duration
	for _, step := range s.Steps[:max(0, len(s.Steps)-1)] {
		holds += max(step.Hold.Duration, 0)
	}
	if s.Deadline.Duration > 0 && s.Deadline.Duration <= holds {
		ps.add(path, "%s is not more than the steps before the last are held together (%s): allow more, or hold less",
			readable(s.Deadline.Duration), readable(holds))
	}
}

// stepsWithoutApproval returns the indices of the steps that are left without a person's agreement.
func stepsWithoutApproval(steps []Step) (open []int) {
	for i, step := range steps {
		if step.Approval != ApprovalRequired {
			open = append(open, i)
		}
	}
	return open
}
