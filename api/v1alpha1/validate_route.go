package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func checkRoutes(ps *problems, path *field.Path, routes []Route) {
	if len(routes) == 0 {
		ps.missing(path, "name at least one lever: alb or route53")
	}
	checkCount(ps, path, len(routes), 100, "routes")
	for i := range routes {
		at := path.Index(i)
		checkRouteName(ps, at.Child("name"), routes[i].Name)
		checkUnion(ps, at, routes[i])
		if routes[i].ALB != nil {
			checkALB(ps, at.Child("alb"), routes[i].ALB)
		}
		if routes[i].Route53 != nil {
			checkRoute53(ps, at.Child("route53"), routes[i].Route53)
		}
	}
	checkClaims(ps, path, routes)
}

func checkRouteName(ps *problems, path *field.Path, name string) {
	if name == "" {
		ps.missing(path, "give the route a name, such as public")
	} else if len(validation.IsDNS1123Label(name)) > 0 {
		ps.add(path, "%q is not a name: use small letters, digits and -, at most 63", name)
	}
}

// claims remembers which route holds something that only one may hold.
type claims map[string]string

// checkClaims reports names, levers and target groups that two routes have.
func checkClaims(ps *problems, path *field.Path, routes []Route) {
	held := claims{}
	for i := range routes {
		r, at := &routes[i], path.Index(i)
		if r.Name != "" {
			held.take(ps, at.Child("name"), "name "+r.Name, r.Name,
				"%[1]q is the name of another route: give this one its own")
		}
		if r.ALB != nil {
			held.takeALB(ps, at.Child("alb"), r.Name, r.ALB)
		}
		if r.Route53 != nil {
			held.takeRoute53(ps, at.Child("route53"), r.Name, r.Route53)
		}
	}
}

func (held claims) takeALB(ps *problems, path *field.Path, route string, r *ALBRoute) {
	const twice = "is the lever of route %q already: remove one of the two"
	if r.ListenerRuleARN != "" {
		held.take(ps, path.Child("listenerRuleARN"), r.ListenerRuleARN, route, twice)
	}
	if r.ListenerARN != "" {
		held.take(ps, path.Child("listenerARN"), r.ListenerARN, route, twice)
	}
	const shared = "is a target group of route %q already: a group belongs to one route"
	for _, side := range []struct{ name, group string }{{"source", r.Source.TargetGroupARN}, {"target", r.Target.TargetGroupARN}} {
		// Both sides of one route are compared by checkALB.
		if side.group != "" && (side.name == "source" || r.Source != r.Target) {
			held.take(ps, path.Child(side.name, "targetGroupARN"), side.group, route, shared)
		}
	}
}

func (held claims) takeRoute53(ps *problems, path *field.Path, route string, r *Route53Route) {
	kind := r.Type
	if kind == "" {
		kind = RecordA
	}
	own := map[string]bool{}
	for i, name := range r.Names {
		name, at := canonicalName(name), path.Child("names").Index(i)
		if own[name] {
			ps.add(at, "%q is listed twice: remove one", name)
			continue
		}
		own[name] = true
		held.take(ps, at, r.HostedZoneID+" "+string(kind)+" "+name, route,
			"is moved by route %q already: remove one of the two")
	}
}

func (held claims) take(ps *problems, path *field.Path, thing, route, message string) {
	if holder, taken := held[thing]; taken {
		ps.add(path, message, holder)
		return
	}
	held[thing] = route
}

func checkALB(ps *problems, path *field.Path, r *ALBRoute) {
	switch {
	case r.ListenerRuleARN == "" && r.ListenerARN == "":
		ps.missing(path, "name listenerRuleARN, or listenerARN for a listener's default action")
	case r.ListenerRuleARN != "" && r.ListenerARN != "":
		ps.add(path, "has listenerRuleARN and listenerARN: keep the rule, or the listener for its default action")
	}
	checkARN(ps, path.Child("listenerRuleARN"), r.ListenerRuleARN, arnOfRule)
	checkARN(ps, path.Child("listenerARN"), r.ListenerARN, arnOfListener)

	lever, _ := parseARN(r.leverARN())
	checkTargetGroup(ps, path.Child("source", "targetGroupARN"), r.Source.TargetGroupARN, lever)
	target := path.Child("target", "targetGroupARN")
	checkTargetGroup(ps, target, r.Target.TargetGroupARN, lever)
	if r.Target.TargetGroupARN != "" && r.Source == r.Target {
		ps.add(target, "is the source's target group too: name the group of the target")
	}
	checkAWS(ps, path.Child("aws"), r.AWS)
	if r.AWS != nil && regionForm.MatchString(r.AWS.Region) && lever.region != "" && r.AWS.Region != lever.region {
		ps.add(path.Child("aws", "region"), "%q is not the region of the ARN (%s): remove the field", r.AWS.Region, lever.region)
	}
}

func checkTargetGroup(ps *problems, path *field.Path, text string, lever arn) {
	if text == "" {
		ps.missing(path, "name the target group of this side")
		return
	}
	if !checkARN(ps, path, text, arnOfTargetGroup) {
		return
	}
	if group, _ := parseARN(text); lever.region != "" && group.region != lever.region {
		ps.add(path, "is in %s, the load balancer in %s: a load balancer forwards inside of its own region", group.region, lever.region)
	}
}

// checkARN reports an ARN that is written and wrong, and returns whether it is right.
func checkARN(ps *problems, path *field.Path, text string, kind arnKind) bool {
	if text == "" {
		return false
	}
	if err := kind.check(text); err != nil {
		ps.add(path, "%s", err)
		return false
	}
	return true
}

func checkAWS(ps *problems, path *field.Path, a *AWSAccess) {
	if a == nil {
		return
	}
	if a.Region != "" && !regionForm.MatchString(a.Region) {
		ps.add(path.Child("region"), "%q is not a region: write one such as eu-west-1", a.Region)
	}
	checkARN(ps, path.Child("roleARN"), a.RoleARN, arnOfRole)
	if a.EndpointURL != "" {
		checkURL(ps, path.Child("endpointURL"), a.EndpointURL)
	}
}
