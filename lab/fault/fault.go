package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// MaxFor bounds how long any fault lasts.
	MaxFor = 15 * time.Minute
	// MaxDelay bounds how long one call is delayed or its effect comes late.
	MaxDelay = 2 * time.Minute
	// MaxOff bounds how far a clock is off.
	MaxOff = 24 * time.Hour
)

// Sides of a migration.
const (
	Source = "source"
	Target = "target"
)

func sides() []string { return []string{Source, Target} }

// Fault is one thing to go wrong. Exactly one of its parts is set.
type Fault struct {
	AWS       *AWS       `json:"aws,omitempty"`
	Kill      *Kill      `json:"kill,omitempty"`
	Partition *Partition `json:"partition,omitempty"`
}

// Check reports every mistake in f, each with what there is to choose from.
func (f Fault) Check() error {
	switch {
	case f.parts() != 1:
		return fmt.Errorf("a fault is one of aws, kill and partition; this one has %d of them", f.parts())
	case f.AWS != nil:
		return f.AWS.check()
	case f.Kill != nil:
		return f.Kill.check()
	default:
		return f.Partition.check()
	}
}

func (f Fault) parts() (n int) {
	for _, set := range []bool{f.AWS != nil, f.Kill != nil, f.Partition != nil} {
		if set {
			n++
		}
	}
	return n
}

// String says it in a line.
func (f Fault) String() string {
	switch {
	case f.AWS != nil:
		return f.AWS.String()
	case f.Kill != nil:
		return f.Kill.String()
	case f.Partition != nil:
		return f.Partition.String()
	}
	return "nothing"
}

// Component is a part of a side that can be killed.
type Component string

// The components of a side.
const (
	APIServer         Component = "api-server"
	Etcd              Component = "etcd"
	ControllerManager Component = "controller-manager"
	Scheduler         Component = "scheduler"
	Node              Component = "node"   // the kubelet with all its pods
	Binder            Component = "binder" // the controller that registers pods with target groups
)

// Components are all of them.
func Components() []Component {
	return []Component{APIServer, Etcd, ControllerManager, Scheduler, Node, Binder}
}

// Kill is kill -9 of one component of one side. Pods die with their node. The
// lab starts the component again, at once or after For.
type Kill struct {
	Component Component     `json:"component"`
	Side      string        `json:"side"`           // Source or Target
	Node      int           `json:"node,omitempty"` // which node of the side, from 1; only for Node, 0 is the first
	For       time.Duration `json:"for,omitempty"`  // how long it is held down, at most MaxFor; 0: it is started again at once
}

func (k Kill) check() error {
	var errs []error
	if !slices.Contains(Components(), k.Component) {
		errs = append(errs, fmt.Errorf("there is no component %q; there are: %s", k.Component, join(Components())))
	}
	if k.Node < 0 || k.Node != 0 && k.Component != Node {
		errs = append(errs, fmt.Errorf("number %d: only nodes are numbered, from 1", k.Node))
	}
	return errors.Join(append(errs, checkSide(k.Side), checkFor(k.For))...)
}

// String says it in a line.
func (k Kill) String() string {
	name := string(k.Component)
	if k.Component == Node {
		name = fmt.Sprintf("node %d", max(k.Node, 1))
	}
	text := fmt.Sprintf("kill -9 of the %s's %s", k.Side, name)
	if k.For > 0 {
		text += ", held down for " + k.For.String()
	}
	return text
}

// How says what a cut does to connections.
type How string

// The ways.
const (
	// Hang lets connections in flight stand still and new ones wait; what was on
	// its way arrives after the end, as TCP sends it again.
	Hang How = "hang"
	// Reset ends connections in flight and refuses new ones.
	Reset How = "reset"
)

// Hows are all of them.
func Hows() []How { return []How{Hang, Reset} }

// Partition cuts one side off: nothing from outside reaches its pods and its API
// server, and its binder reaches no AWS. Within the side everything goes on.
type Partition struct {
	Side string        `json:"side"` // Source or Target
	For  time.Duration `json:"for"`  // above 0, at most MaxFor
	How  How           `json:"how,omitempty"`
}

func (p Partition) check() error {
	errs := []error{checkSide(p.Side), checkFor(p.For)}
	if p.For == 0 {
		errs = append(errs, errors.New("say for how long: a partition needs an end"))
	}
	if p.How != "" && !slices.Contains(Hows(), p.How) {
		errs = append(errs, fmt.Errorf("connections cannot %q; they can: %s", p.How, join(Hows())))
	}
	return errors.Join(errs...)
}

// String says it in a line.
func (p Partition) String() string {
	how := "connections hang"
	if p.How == Reset {
		how = "connections are reset"
	}
	return fmt.Sprintf("the %s cut off for %s; %s", p.Side, p.For, how)
}

func checkSide(side string) error {
	if slices.Contains(sides(), side) {
		return nil
	}
	if side == "" {
		return fmt.Errorf("say which side: %s", strings.Join(sides(), " or "))
	}
	return fmt.Errorf("there is no side %q; there are: %s", side, join(sides()))
}

func checkFor(d time.Duration) error {
	if d < 0 || d > MaxFor {
		return fmt.Errorf("for %s: give a duration up to %s", d, MaxFor)
	}
	return nil
}

func join[T ~string](all []T) string {
	var words []string
	for _, one := range all {
		words = append(words, string(one))
	}
	return strings.Join(words, ", ")
}
