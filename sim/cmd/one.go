package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"watari.dev/sim"
)

// playOne plays one plan and prints everything about it.
func (c *command) playOne(ctx context.Context, broken *sim.Mutant) error {
	plan := sim.Draw(c.seed)
	if c.plan != "" {
		var err error
		if plan, err = readPlan(c.plan); err != nil {
			return usage{err}
		}
	}
	var s sim.Simulator
	defer s.Close()
	r := s.Run(ctx, plan, sim.Options{Mutant: broken, Trace: true})
	switch {
	case c.script:
		fmt.Fprint(c.out, sim.Script(plan, r))
	case c.json:
		return errors.Join(c.print(oneReport{plan, string(r.Phase), r.Took.Seconds(), reportOf(plan.Seed, r), r.Trace}), verdict(r))
	default:
		fmt.Fprintf(c.out, "%s\n%s\n\n%s, after %s, %d steps of the engine and %d events\n", plan.Words(), r.Text(), r.Phase, r.Took, r.Steps, r.Events)
		if r.Broken != nil {
			fmt.Fprintf(c.out, "\n%s", c.least(ctx, &s, plan, broken).words())
		}
	}
	return verdict(r)
}

func verdict(r sim.Result) error {
	if r.Broken != nil {
		return errBroken
	}
	return nil
}

// oneReport is what --json prints of one run.
type oneReport struct {
	Plan        sim.Plan   `json:"plan"`
	Phase       string     `json:"phase"`
	TookSeconds float64    `json:"tookSeconds"`
	Violation   *violation `json:"violation,omitempty"`
	Trace       []string   `json:"trace"`
}

// readPlan reads a plan that was stored. An unknown field is an error.
func readPlan(path string) (sim.Plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return sim.Plan{}, fmt.Errorf("read the plan: %w", err)
	}
	var plan sim.Plan
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&plan); err != nil {
		return sim.Plan{}, fmt.Errorf("read the plan %s: %w; it is what watari-sim has written, as JSON", path, err)
	}
	if len(plan.Levers) == 0 || len(plan.Levers) != len(plan.Spec.Routes) || len(plan.Spec.Steps) == 0 {
		return sim.Plan{}, fmt.Errorf("read the plan %s: it has %d levers, %d routes and %d steps; it needs one lever for each route, and steps",
			path, len(plan.Levers), len(plan.Spec.Routes), len(plan.Spec.Steps))
	}
	for _, f := range plan.Faults {
		if f.Route < 0 || f.Route >= len(plan.Levers) {
			return sim.Plan{}, fmt.Errorf("read the plan %s: the fault %q is of route %d; there are %d, counted from 0", path, f.Kind, f.Route, len(plan.Levers))
		}
	}
	return plan, nil
}

// violation is a plan that breaks an invariant, as reports have it.
type violation struct {
	Seed      uint64    `json:"seed"`
	Invariant string    `json:"invariant"`
	Text      string    `json:"text"`
	AtSeconds float64   `json:"atSeconds"`
	Runs      int       `json:"runs,omitempty"`   // that cutting the plan took
	Least     *sim.Plan `json:"least,omitempty"`  // what is left of it
	Script    string    `json:"script,omitempty"` // file
	Plan      string    `json:"plan,omitempty"`   // file
	problem   error     // why there are no files
	again     string
}

// reportOf says what a run broke; nil if nothing.
func reportOf(seed uint64, r sim.Result) *violation {
	var v *sim.Violation
	if !errors.As(r.Broken, &v) {
		return nil
	}
	return &violation{Seed: seed, Invariant: v.Invariant, Text: v.Text, AtSeconds: v.At.Round(time.Millisecond).Seconds()}
}

// least cuts a plan to the least that still breaks the same invariant, and writes
// that down.
func (c *command) least(ctx context.Context, s *sim.Simulator, plan sim.Plan, broken *sim.Mutant) *violation {
	cut, r, runs := sim.Shrink(ctx, s, plan, sim.Options{Mutant: broken})
	v := reportOf(plan.Seed, r)
	if v == nil { // broken only beside another run, as a trace that is not the same is
		return nil
	}
	v.Runs, v.Least = runs, &cut
	name := fmt.Sprintf("seed_%d", plan.Seed)
	mutant := ""
	if broken != nil {
		name += "_" + strings.ReplaceAll(broken.Name, " ", "_")
		mutant = fmt.Sprintf(" --mutant %q", broken.Name)
	}
	v.again = "watari-sim --plan " + filepath.Join(c.dir, name+".json") + mutant
	v.Script, v.Plan, v.problem = c.store(name, cut, r)
	return v
}

// store writes a plan and its script into the directory for them.
func (c *command) store(name string, plan sim.Plan, r sim.Result) (script, stored string, err error) {
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return "", "", fmt.Errorf("write the plan: %w", err)
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", "", fmt.Errorf("write the plan: %w", err)
	}
	script, stored = filepath.Join(c.dir, name+".txt"), filepath.Join(c.dir, name+".json")
	if err := os.WriteFile(stored, append(text, '\n'), 0o644); err != nil {
		return "", "", fmt.Errorf("write the plan: %w", err)
	}
	if err := os.WriteFile(script, []byte(sim.Script(plan, r)), 0o644); err != nil {
		return "", "", fmt.Errorf("write the script: %w", err)
	}
	return script, stored, nil
}

// words tells a violation in a few lines.
func (v *violation) words() string {
	if v == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d broke %q\n  %s, at %s\n", v.Seed, v.Invariant, v.Text, time.Duration(v.AtSeconds*float64(time.Second)).Round(time.Millisecond))
	if v.Least == nil {
		fmt.Fprintf(&b, "  again:   watari-sim --seed %d\n", v.Seed)
		return b.String()
	}
	fmt.Fprintf(&b, "  the least that does, found in %d runs:\n", v.Runs)
	for line := range strings.Lines(v.Least.Words()) {
		b.WriteString("    " + line)
	}
	if v.problem != nil {
		fmt.Fprintf(&b, "  no files: %v\n  again:   watari-sim --seed %d\n", v.problem, v.Seed)
		return b.String()
	}
	fmt.Fprintf(&b, "  script:  %s\n  again:   %s\n", v.Script, v.again)
	return b.String()
}
