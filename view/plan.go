package view

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Plan writes what would happen. sides describes the environments, such as
// "Kubernetes 1.33, 214 pods"; empty if nobody could say, and "not read: ..." if
// asking failed, which a plan can do without.
func Plan(w io.Writer, f plan.Forecast, sides traffic.BySide[string]) {
	source, target := described(f.Source, sides.Source), described(f.Target, sides.Target)
	printable.Fprintf(w, "%s: %s -> %s\n\n", f.Name, source.headline, target.headline)
	for _, trouble := range []string{source.trouble, target.trouble} {
		if trouble != "" {
			printable.Fprintf(w, "  %s\n", trouble)
		}
	}
	if source.trouble != "" || target.trouble != "" {
		printable.Fprintln(w)
	}
	steps(w, f)
	printable.Fprintln(w)
	for _, r := range f.Routes {
		route(w, r)
	}
	gate(w, f)
	tries(w, f.Routes)
	printable.Fprintf(w, "  on drift   %s\n", drift(f.Drift))
	printable.Fprintf(w, "  writes     %s at least (%s with all reads)%s\n", plural(f.Writes, "API call"), Count(int64(f.Calls)), slowest(f.Routes))
	printable.Fprintf(w, "  takes      %s at least%s\n", Span(f.Takes), approvals(f.Steps))
	printable.Fprintf(w, "\nNothing was changed.\n")
}

// description is an environment in the headline, and a line of its own where it
// could not be read.
type description struct{ headline, trouble string }

func described(name, what string) description {
	if why, unread := strings.CutPrefix(what, "not read: "); unread {
		return description{name, name + " was not read, the plan does without: " + why}
	}
	if what == "" {
		return description{headline: name}
	}
	return description{headline: name + " (" + what + ")"}
}

func steps(w io.Writer, f plan.Forecast) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	printable.Fprintf(t, "  step\tshare\thold\tgate\tway back within\n")
	for i, s := range f.Steps {
		gate := strings.Join(s.Gates, ", ")
		if gate == "" {
			gate = "time only"
		}
		note := ""
		if len(s.Rounding) > 0 {
			note = "   written as " + strings.Join(s.Rounding, ", ")
		}
		printable.Fprintf(t, "  %d\t%s\t%s\t%s\t%s%s\n", i+1, s.Share, Span(s.Hold), gate, Span(s.WayBack), note)
	}
	t.Flush()
}

func route(w io.Writer, r plan.RouteForecast) {
	printable.Fprintf(w, "  route      %s   %s, share in steps of about %s\n", r.Ref.Name, lever(r), r.Finest)
	switch {
	case r.Err != nil:
		printable.Fprintf(w, "             cannot be read: %v\n", r.Err)
	case r.Snapshot != nil:
		printable.Fprintf(w, "             now %s (%s)\n", r.Snapshot.High(), legible(r.Snapshot.Describe()))
		for _, o := range r.Snapshot.Owners {
			owner(w, o)
		}
		for _, warning := range r.Snapshot.Warnings {
			printable.Fprintf(w, "             careful: %s\n", legible(warning))
		}
	}
	if r.Features.Limit != "" {
		printable.Fprintf(w, "             %s\n", r.Features.Limit)
	}
}

// drift says what happens when somebody else changes a weight.
func drift(d engine.OnDrift) string {
	if d == engine.DriftReasserts {
		return fmt.Sprintf("a share that somebody else raises is written again, up to %d times for each route; after that, or where one is lowered, you decide", engine.ReassertMost)
	}
	return "nothing is written once somebody else changes a weight; who it was is named, and you decide"
}

// gate says what is compared, and from which counts.
func gate(w io.Writer, f plan.Forecast) {
	head := "gate"
	for _, s := range f.Gate.Services {
		text := strings.Join(s.Metrics, ", ") + " compared with " + f.Source + ", from " + strings.Join(s.Signals, ", else ")
		if len(f.Gate.Services) > 1 {
			text = s.Name + ": " + text
		}
		if s.Late >= time.Minute {
			text += ", known " + Span(s.Late) + " late"
		}
		printable.Fprintf(w, "  %-10s %s\n", head, text)
		head = ""
		if s.Untimed > 0 {
			printable.Fprintf(w, "             careful: %s: no signal of it counts latency, so the limit of %s for the p99 says nothing of it\n", s.Name, Span(s.Untimed))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Gate.Trouble)) {
		printable.Fprintf(w, "             careful: %s: %s\n", name, f.Gate.Trouble[name])
	}
	for _, b := range f.Gate.Blind {
		printable.Fprintf(w, "             careful: %s: the requests of route %s are gRPC, whose failures have HTTP status 200, so this signal does not see them\n", b.Signal, b.Route)
		printable.Fprintf(w, "                      count them by prometheus or scrape, such as grpc_server_handled_total{grpc_code!=\"OK\"}\n")
	}
	if f.Gate.SlowerThan > 0 {
		printable.Fprintf(w, "             %s\n", slowerThan(f.Gate))
	}
	if f.Gate.Alpha > 0 {
		printable.Fprintf(w, "             takes back a target that is not worse in %s of migrations at most\n", Percent(f.Gate.Alpha))
	}
}

// slowerThan says what can be seen of requests that are rare and very slow.
func slowerThan(g plan.GateForecast) string {
	passes := "nothing beyond that"
	if g.Difference > 0 {
		passes = verdict.OneIn(g.Difference) + " requests beyond that"
	}
	return fmt.Sprintf("slower than %s: %.3g times as often as the source, and %s, is let pass (tolerance); %s", g.SlowerThan, g.Ratio, passes, verdict.Power(powerAt))
}

// powerAt is the rate at which a plan states power, because nobody knows the real one
// yet.
const powerAt = 10

// owner says who else writes the weights, how that is known, and what to do.
func owner(w io.Writer, o traffic.Owner) {
	text := "also written by " + o.Name
	if o.Sure == traffic.Perhaps {
		text += " when it is applied"
	}
	if o.Proof != "" {
		text += ": " + o.Proof
	}
	printable.Fprintf(w, "             careful: %s\n", legible(text))
	if o.Remedy != "" {
		printable.Fprintf(w, "                      %s\n", o.Remedy)
	}
}

func lever(r plan.RouteForecast) string {
	switch r.Ref.Driver {
	case "alb":
		return "ALB " + short(r.Ref.ID)
	case "route53":
		return fmt.Sprintf("Route 53 zone %s, %s", r.Ref.ID, plural(len(r.Ref.Names), "name"))
	default:
		return r.Ref.Driver + " " + r.Ref.ID
	}
}

// short keeps of an ARN what people recognise.
func short(arn string) string {
	if i := strings.LastIndexByte(arn, ':'); i >= 0 {
		return arn[i+1:]
	}
	return arn
}

func slowest(routes []plan.RouteForecast) string {
	var slow plan.RouteForecast
	var most time.Duration
	for _, r := range routes {
		if d := r.Features.Propagation + r.Features.Cached; d > most {
			slow, most = r, d
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("; slowest lever: %s, about %s per step", slow.Ref.Name, Span(most))
}

func approvals(steps []plan.StepForecast) string {
	n := 0
	for _, s := range steps {
		for _, g := range s.Gates {
			if g == "approval" {
				n++
			}
		}
	}
	if n == 0 {
		return ""
	}
	return ", and " + plural(n, "approval")
}
