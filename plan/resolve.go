package plan

import (
	"time"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
)

// evaluateEvery is how often the gate looks at the signals.
const evaluateEvery = time.Second

// Resolve turns a valid, defaulted migration of a bundle into a plan. The bounds
// of its routes are not known before Bind.
func Resolve(bundle *v1alpha1.Bundle, m *v1alpha1.Migration) Plan {
	p := Plan{Version: formatVersion, Needs: needs}
	p.Environments.Source = environment(bundle.Environment(m.Namespace, m.Spec.Source))
	p.Environments.Target = environment(bundle.Environment(m.Namespace, m.Spec.Target))
	p.Spec = spec(m)
	for _, r := range m.Spec.Routes {
		p.Levers = append(p.Levers, lever(r))
		p.Spec.Routes = append(p.Spec.Routes, engine.RouteSpec{Name: r.Name})
	}
	for i := range m.Spec.Signals {
		p.Signals = append(p.Signals, counted(i, m))
	}
	p.Spec.Gate.Analysis = analysis(m, p.Signals)
	p.Spec.Gate.Window = window(p.Spec.Gate.Window, p.Signals)
	return p
}

func spec(m *v1alpha1.Migration) engine.Spec {
	t := m.Spec.Gate.Thresholds
	s := engine.Spec{
		Name: m.Name, Source: m.Spec.Source, Target: m.Spec.Target,
		Gate: engine.Gate{
			Signals:       len(m.Spec.Signals) > 0,
			MaxErrorRatio: 1,
			MinRequests:   int64(*t.MinRequests),
			StepRequests:  int64(*m.Spec.Gate.Analysis.MinRequests),
			Window:        t.Window.Duration,
			Interval:      evaluateEvery,
		},
		Rollback: engine.Rollback{
			Manual:       m.Spec.Rollback.Mode == v1alpha1.RollbackManual,
			OnUnknown:    engine.UnknownHolds,
			UnknownAfter: m.Spec.Rollback.UnknownAfter.Duration,
			Kinds:        unknowns(m.Spec.Rollback.OnUnknown),
		},
		OnDrift: engine.DriftHolds,
	}
	if m.Spec.OnDrift == v1alpha1.DriftReassert {
		s.OnDrift = engine.DriftReasserts
	}
	if t.MaxErrorRatio != nil {
		s.Gate.MaxErrorRatio = t.MaxErrorRatio.Float64()
	}
	if t.MaxP99 != nil {
		s.Gate.MaxP99 = t.MaxP99.Duration
	}
	if m.Spec.Deadline != nil {
		s.Deadline = m.Spec.Deadline.Duration
	}
	for _, step := range m.Spec.Steps {
		s.Steps = append(s.Steps, engine.StepSpec{
			Share: traffic.Share(step.Share), Hold: step.Hold.Duration, Approval: step.Approval == v1alpha1.ApprovalRequired,
		})
	}
	return s
}

func lever(r v1alpha1.Route) Lever {
	if r.ALB != nil {
		id := r.ALB.ListenerRuleARN
		if id == "" {
			id = r.ALB.ListenerARN
		}
		return Lever{
			Ref: router.Ref{Name: r.Name, Driver: "alb", ID: id, Source: r.ALB.Source.TargetGroupARN, Target: r.ALB.Target.TargetGroupARN},
			AWS: aws(r.ALB.AWS),
		}
	}
	d := r.Route53
	return Lever{
		Ref: router.Ref{
			Name: r.Name, Driver: "route53", ID: d.HostedZoneID, Names: d.Names, Type: string(d.Type),
			Source: d.Source.SetIdentifier, Target: d.Target.SetIdentifier, Create: created(d), Convert: d.Convert,
		},
		AWS: aws(d.AWS),
	}
}

// created says what the target's record is made of where it does not exist yet.
func created(d *v1alpha1.Route53Route) *router.Record {
	switch t := d.Target; {
	case t.Alias != nil:
		return &router.Record{Alias: &router.Alias{Zone: t.Alias.HostedZoneID, Name: t.Alias.DNSName, EvaluateHealth: t.Alias.EvaluateTargetHealth}}
	case t.Value != "":
		return &router.Record{Values: []string{t.Value}, TTL: time.Duration(*t.TTL) * time.Second}
	default:
		return nil
	}
}

func aws(a *v1alpha1.AWSAccess) AWS {
	if a == nil {
		return AWS{}
	}
	return AWS{Profile: a.Profile, Region: a.Region, RoleARN: a.RoleARN, EndpointURL: a.EndpointURL}
}

func environment(e *v1alpha1.Environment) Environment {
	out := Environment{Name: e.Name}
	if k := e.Spec.Kubernetes; k != nil {
		out.Kubernetes = &Kubernetes{Kubeconfig: k.Kubeconfig, Context: k.Context, Include: k.Namespaces.Include, Exclude: k.Namespaces.Exclude}
	}
	return out
}
