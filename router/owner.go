package router

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"watari.dev/traffic"
)

// TagOwners says who writes the weights of an AWS resource, by its tags. what
// names the resource in a sentence, such as "the rule".
//
// The AWS Load Balancer Controller tags everything that it makes (its
// documentation, "Ingress annotations", Resource Tags; for gateways "Gateway
// API"), CloudFormation what belongs to a stack (CloudFormation User Guide,
// "Resource tag"). Terraform has no tag of its own: it is named only where its
// users' tags do.
func TagOwners(what string, tags map[string]string) (owners []traffic.Owner) {
	if o, is := controllerOf(what, tags); is {
		owners = append(owners, o)
	}
	if stack := tags["aws:cloudformation:stack-name"]; stack != "" {
		owners = append(owners, traffic.Owner{
			Name: "the CloudFormation stack " + stack, Sure: traffic.Perhaps,
			Proof:  what + " has its tag aws:cloudformation:stack-name",
			Remedy: "do not update the stack while the migration runs",
		})
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if o, is := taggedBy(what, key, tags[key]); is && !slices.ContainsFunc(owners, func(have traffic.Owner) bool { return have.Name == o.Name }) {
			owners = append(owners, o)
		}
	}
	return owners
}

// controllers are the prefixes of the tags in which the AWS Load Balancer
// Controller says for which object it made a resource, and where that object
// keeps its weights.
var controllers = []struct{ prefix, object, weights string }{
	{"ingress.k8s.aws", "Ingress", "the annotation alb.ingress.kubernetes.io/actions.NAME"},
	{"gateway.k8s.aws.alb", "Gateway", "the backendRefs of its routes"},
}

func controllerOf(what string, tags map[string]string) (traffic.Owner, bool) {
	cluster := tags["elbv2.k8s.aws/cluster"]
	if cluster == "" {
		return traffic.Owner{}, false
	}
	o := traffic.Owner{
		Name: "the AWS Load Balancer Controller of cluster " + cluster, Sure: traffic.Probably,
		Proof:  what + " has its tag elbv2.k8s.aws/cluster",
		Remedy: "scale it down while the migration runs, or use a rule that it does not make",
	}
	for _, c := range controllers {
		if stack := tags[c.prefix+"/stack"]; stack != "" {
			o.Name += fmt.Sprintf(" (%s %s)", c.object, stack)
			o.Proof = fmt.Sprintf("%s has its tags elbv2.k8s.aws/cluster and %s/stack", what, c.prefix)
			o.Remedy = fmt.Sprintf("set the weights in %s as well, or use a rule that it does not make", c.weights)
		}
	}
	return o, true
}

// taggedBy reads the tags by which people say what they manage a resource with.
func taggedBy(what, key, value string) (traffic.Owner, bool) {
	o := traffic.Owner{Sure: traffic.Perhaps, Proof: fmt.Sprintf("%s has the tag %s=%s", what, key, value), Remedy: "do not apply it while the migration runs"}
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(key)) {
	case "terraform":
		if slices.Contains([]string{"", "false", "no", "0"}, strings.ToLower(value)) {
			return o, false
		}
		o.Name = "Terraform"
	case "managedby":
		if value == "" {
			return o, false
		}
		o.Name = value
		if strings.EqualFold(value, "terraform") {
			o.Name = "Terraform"
		}
	default:
		return o, false
	}
	if o.Name == "Terraform" {
		o.Remedy = "do not apply it while the migration runs, or let it ignore the weights (lifecycle, ignore_changes)"
	}
	return o, true
}

// Registration is what a TXT record of external-dns says of a record that it owns
// (external-dns documentation, "TXT registry"). The TXT record of a weighted
// record has its set identifier, and as its weight the one of the annotation.
type Registration struct {
	Owner    string // its --txt-owner-id
	Resource string // what it was made for, such as ingress/shop/web; may be empty
	TXT      string // name of the TXT record
	Name     string // name of the record
	Own      *int64 // the weight that it registered; nil if it has none
	Now      *int64 // the weight that the record has now; nil if it has none
}

// RegistrationOwners says who writes weights by what is registered, one owner for
// each external-dns. Where all weights that it registered are there now, it has
// written them, or nobody has written since.
func RegistrationOwners(all []Registration) (owners []traffic.Owner) {
	by := map[string][]Registration{}
	for _, r := range all {
		by[r.Owner] = append(by[r.Owner], r)
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		owners = append(owners, registrar(name, by[name]))
	}
	return owners
}

func registrar(owner string, of []Registration) traffic.Owner {
	first := of[0]
	on := "its object"
	if first.Resource != "" {
		on = first.Resource
	}
	o := traffic.Owner{
		Name: fmt.Sprintf("external-dns (owner %s)", owner), Sure: traffic.Probably,
		Proof:  fmt.Sprintf("the TXT record %s says that it owns %s", first.TXT, first.Name),
		Remedy: fmt.Sprintf("set external-dns.alpha.kubernetes.io/aws-weight on %s, or stop it while the migration runs", on),
	}
	names, own := map[string]bool{}, true
	for _, r := range of {
		names[r.Name] = true
		own = own && r.Own != nil && r.Now != nil && *r.Own == *r.Now
	}
	if more := len(names) - 1; more > 0 {
		o.Proof += fmt.Sprintf(" (and %d more of the names)", more)
	}
	if own {
		o.Sure = traffic.Surely
		o.Proof += fmt.Sprintf(", and the weight that it registered, %d, is there now", *first.Own)
	}
	return o
}
