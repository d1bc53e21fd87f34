package router

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"watari.dev/traffic"
)

// PartProblem is a part of a route that cannot be moved, and why. Other parts of
// the route are moved all the same when it is taken back.
type PartProblem struct {
	Name string `json:"name,omitempty"` // of the part; empty for a lever without names
	Kind error  `json:"-"`              // one of the sentinels
	Text string `json:"text"`           // why, and what to do about it
	// Share is what the part sends to the target all the same; Unknown where
	// nobody can tell, as with another routing policy.
	Share traffic.Reading[traffic.Share] `json:"share"`
}

// Describe writes the problem as people read it.
func (p PartProblem) Describe() string {
	if p.Name == "" {
		return p.Text
	}
	return p.Name + ": " + p.Text
}

// DescribeLeft names at most three parts and counts the rest.
func DescribeLeft(left []PartProblem) string {
	var few []string
	for _, p := range left[:min(3, len(left))] {
		few = append(few, p.Describe())
	}
	text := strings.Join(few, "; ")
	if more := len(left) - len(few); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Standing reports whether a failure of that kind stays until somebody mends what
// it is about, as opposed to one that passes by itself.
func Standing(kind error) bool {
	return errors.Is(kind, ErrNotFound) || errors.Is(kind, ErrNotOwned) || errors.Is(kind, ErrInexact) ||
		errors.Is(kind, ErrDenied) && !errors.Is(kind, ErrSignedOut)
}

// LeftOf returns the parts that err names as not moved, and whether all of them
// stand: everything else of the route was done, and only somebody's hand can help
// the rest.
func LeftOf(err error) (left []PartProblem, standing bool) {
	var e *Error
	if !errors.As(err, &e) || len(e.Left) == 0 {
		return nil, false
	}
	standing = e.Effect != EffectUnknown && Standing(e.Kind)
	for _, p := range e.Left {
		standing = standing && Standing(p.Kind)
	}
	return e.Left, standing
}

// Without returns the route without some of its names.
func (r Ref) Without(names []string) Ref {
	if len(names) > 0 {
		r.Names = slices.DeleteFunc(slices.Clone(r.Names), func(n string) bool { return slices.Contains(names, n) })
	}
	return r
}

// fewOf names at most three and counts the rest.
func fewOf(names []string) string {
	text := strings.Join(names[:min(3, len(names))], ", ")
	if more := len(names) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
