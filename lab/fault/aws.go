package fault

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Kind is what goes wrong with a call of AWS.
type Kind string

// The kinds.
const (
	Throttle     Kind = "throttle"      // refused as too many; nothing was done
	Error        Kind = "error"         // HTTP 500; nothing was done
	ErrorAfter   Kind = "error-after"   // done, then HTTP 500
	LostReply    Kind = "lost-reply"    // done, then the connection is closed without an answer
	LostRequest  Kind = "lost-request"  // the connection is closed without an answer; nothing was done
	Delay        Kind = "delay"         // done after Delay, then answered
	Late         Kind = "late"          // the connection is closed at once, and it is done after Delay: maybe later than calls that came after it
	Partial      Kind = "partial"       // the first After calls are done, those that follow are throttled: a write of several calls is done in part
	ExpiredToken Kind = "expired-token" // refused because the credentials have expired
	AccessDenied Kind = "access-denied" // refused because no policy allows it
	Clock        Kind = "clock"         // AWS's clock is off by Off, as it looks to a caller whose own is wrong
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{Throttle, Error, ErrorAfter, LostReply, LostRequest, Delay, Late, Partial, ExpiredToken, AccessDenied, Clock}
}

// takesTime says that a kind needs a delay.
func (k Kind) takesTime() bool { return k == Delay || k == Late }

// Actions that stand for several.
const (
	Reads  = "reads"  // Describe*, Get* and List*
	Writes = "writes" // all others
)

// AWS is a rule for calls of the lab's AWS. Which calls it bites is decided by
// their order alone: the same calls in the same order meet the same faults.
//
// Where several rules match a call, the oldest one that bites is the one.
type AWS struct {
	Kind    Kind   `json:"kind"`
	Service string `json:"service,omitempty"` // see Services; empty: any
	Action  string `json:"action,omitempty"`  // such as ModifyRule, a pattern such as Describe*, Reads or Writes; empty: any

	After       int           `json:"after,omitempty"`       // matching calls that pass before the first bite
	Times       int           `json:"times,omitempty"`       // bites at most; 0: as many as there are calls, and For must be given
	For         time.Duration `json:"for,omitempty"`         // how long it lasts, at most MaxFor; 0: MaxFor, and Times must be given
	Probability float64       `json:"probability,omitempty"` // of a bite, 0..1; 0 is 1
	Seed        uint64        `json:"seed,omitempty"`        // of the chance and of the delays

	Delay time.Duration `json:"delay,omitempty"` // of Delay and Late, at most MaxDelay
	UpTo  time.Duration `json:"upTo,omitempty"`  // above Delay: each bite's delay is drawn from Delay..UpTo; 0: always Delay
	Off   time.Duration `json:"off,omitempty"`   // of Clock: how far ahead AWS's clock is, at most MaxOff; below 0: behind
}

func (a AWS) check() error {
	return errors.Join(append(append(a.checkWhat(), a.checkHowOften()...), a.checkDelay(), a.checkOff())...)
}

func (a AWS) checkWhat() (errs []error) {
	if !slices.Contains(Kinds(), a.Kind) {
		errs = append(errs, fmt.Errorf("there is no kind %q; there are: %s", a.Kind, join(Kinds())))
	}
	if a.Service != "" && !slices.Contains(Services(), a.Service) {
		return append(errs, fmt.Errorf("there is no service %q; there are: %s", a.Service, strings.Join(Services(), ", ")))
	}
	if spared(a.Kind, a.Action) {
		return append(errs, fmt.Errorf("sts %s needs no permission, or no credentials: it cannot be answered %s", a.Action, a.Kind))
	}
	if !a.matchesAny() {
		errs = append(errs, fmt.Errorf("%s; there are: reads, writes, patterns such as Describe*, %s", a.noAction(), strings.Join(Actions(a.Service), ", ")))
	}
	return errs
}

func (a AWS) noAction() string {
	if a.Service == "" {
		return fmt.Sprintf("there is no action %q", a.Action)
	}
	return fmt.Sprintf("there is no action %q of %s", a.Action, a.Service)
}

// matchesAny says whether there is a call that the rule is about.
func (a AWS) matchesAny() bool {
	for _, service := range Services() {
		for _, action := range Actions(service) {
			if a.matches(service, action) {
				return true
			}
		}
	}
	return false
}

func (a AWS) checkHowOften() (errs []error) {
	if a.After < 0 || a.Times < 0 {
		errs = append(errs, fmt.Errorf("after %d calls, %d times: neither can be negative", a.After, a.Times))
	}
	if a.Kind == Partial && a.After == 0 {
		errs = append(errs, errors.New("say how many calls are done before the others are refused: after, at least 1"))
	}
	if a.Times == 0 && a.For == 0 {
		errs = append(errs, errors.New("say how often (times) or for how long (for): every fault needs an end"))
	}
	if a.Probability < 0 || a.Probability > 1 {
		errs = append(errs, fmt.Errorf("probability %v: give 0 to 1", a.Probability))
	}
	return append(errs, checkFor(a.For))
}

func (a AWS) checkDelay() error {
	switch {
	case !a.Kind.takesTime() && (a.Delay != 0 || a.UpTo != 0):
		return fmt.Errorf("%s takes no delay; %s and %s do", a.Kind, Delay, Late)
	case a.Kind.takesTime() && (a.Delay < 0 || max(a.Delay, a.UpTo) <= 0 || max(a.Delay, a.UpTo) > MaxDelay):
		return fmt.Errorf("a delay of %s: give one above 0 and up to %s", max(a.Delay, a.UpTo), MaxDelay)
	case a.UpTo != 0 && a.UpTo <= a.Delay:
		return fmt.Errorf("a delay of %s up to %s: the second must be longer", a.Delay, a.UpTo)
	}
	return nil
}

func (a AWS) checkOff() error {
	switch {
	case a.Kind != Clock && a.Off != 0:
		return fmt.Errorf("%s sets no clock off; %s does", a.Kind, Clock)
	case a.Kind == Clock && (a.Off == 0 || a.Off.Abs() > MaxOff):
		return fmt.Errorf("a clock that is off by %s: give up to %s ahead (off), or behind (below 0)", a.Off, MaxOff)
	}
	return nil
}

// spared reports whether an action of STS cannot be refused so: two need no permission,
// one of them not even against a policy that denies it, and one is called without
// credentials (STS API Reference, GetCallerIdentity, GetSessionToken,
// AssumeRoleWithWebIdentity).
func spared(k Kind, action string) bool {
	switch k {
	case AccessDenied:
		return action == "GetCallerIdentity" || action == "GetSessionToken"
	case ExpiredToken:
		return action == "AssumeRoleWithWebIdentity"
	default:
		return false
	}
}

// matches says whether the rule is about a call.
func (a AWS) matches(service, action string) bool {
	if a.Service != "" && a.Service != service || spared(a.Kind, action) {
		return false
	}
	switch a.Action {
	case "", "*":
		return true
	case Reads:
		return isRead(action)
	case Writes:
		return !isRead(action)
	}
	ok, err := path.Match(a.Action, action)
	return ok && err == nil
}

func isRead(action string) bool {
	return slices.ContainsFunc([]string{"Describe", "Get", "List"}, func(verb string) bool { return strings.HasPrefix(action, verb) })
}

// lasts is how long the rule lasts.
func (a AWS) lasts() time.Duration {
	if a.For == 0 {
		return MaxFor
	}
	return a.For
}

// String says it in a line.
func (a AWS) String() string {
	words := []string{string(a.Kind), a.about()}
	if a.Kind.takesTime() {
		words = append(words, "by "+a.Delay.String())
		if a.UpTo > 0 {
			words = append(words, "to "+a.UpTo.String())
		}
	}
	if a.Kind == Clock {
		words = append(words, "off by "+a.Off.String())
	}
	if a.After > 0 {
		words = append(words, fmt.Sprintf("after %d calls", a.After))
	}
	if a.Probability > 0 && a.Probability < 1 {
		words = append(words, fmt.Sprintf("each with %.4g %%", 100*a.Probability))
	}
	if a.Times > 0 {
		words = append(words, fmt.Sprintf("%d times", a.Times))
	}
	if a.For > 0 {
		words = append(words, "for "+a.For.String())
	}
	return strings.Join(words, " ")
}

// about names the calls.
func (a AWS) about() string {
	service, action := a.Service, a.Action
	if service == "" {
		service = "AWS"
	}
	if action == "" {
		action = "*"
	}
	return service + " " + action
}
