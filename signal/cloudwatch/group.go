package cloudwatch

import (
	"fmt"
	"regexp"
	"strings"
)

// group is one target group behind one load balancer, in the words of
// CloudWatch's dimensions.
type group struct {
	balancer string // app/name/id
	target   string // targetgroup/name/id; empty for the balancer as a whole
}

// String is the expression that names the group.
func (g group) String() string { return strings.TrimSpace(g.balancer + " " + g.target) }

// Dimensions are the final portions of ARNs (Elastic Load Balancing, "Metric
// dimensions for Application Load Balancers").
var (
	balancerForm = regexp.MustCompile(`^app/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}$`)
	targetForm   = regexp.MustCompile(`^targetgroup/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}$`)
)

// parseGroup reads an expression of requests.
func parseGroup(text string) (group, error) {
	words := strings.Fields(text)
	if len(words) != 2 || !balancerForm.MatchString(words[0]) || !targetForm.MatchString(words[1]) {
		return group{}, fmt.Errorf("%q is not a load balancer and a target group such as %q", text, "app/shop/50dc6c495c0c9188 targetgroup/shop-1-33/73e2d6bc24d8a067")
	}
	return group{words[0], words[1]}, nil
}

// Expression returns the text that names a target group in Query.Requests. lever
// is the ARN of what forwards to it: a listener, a listener's rule or the load
// balancer itself. It is an error if either is not such an ARN, if the two are of
// different accounts or regions, or if the balancer is not an Application Load
// Balancer: the others report no requests.
func Expression(lever, targetGroup string) (string, error) {
	from, to, err := parseARNs(lever, targetGroup)
	if err != nil {
		return "", fmt.Errorf("name target group %s for CloudWatch: %w", targetGroup, err)
	}
	return group{from, to}.String(), nil
}

func parseARNs(lever, targetGroup string) (balancer, target string, err error) {
	from, err := parseARN(lever)
	if err != nil {
		return "", "", err
	}
	to, err := parseARN(targetGroup)
	if err != nil {
		return "", "", err
	}
	parts := strings.Split(from.resource, "/")
	kind, isLever := parts[0], len(parts) >= 4
	switch {
	case !isLever || kind != "listener" && kind != "listener-rule" && kind != "loadbalancer":
		return "", "", fmt.Errorf("%s is not the ARN of a listener, a listener's rule or a load balancer", lever)
	case parts[1] != "app":
		return "", "", fmt.Errorf("%s belongs to a load balancer of the type %q: only Application Load Balancers report requests to CloudWatch; use another signal", lever, parts[1])
	case !targetForm.MatchString(to.resource):
		return "", "", fmt.Errorf("%s is not the ARN of a target group", targetGroup)
	case from.place != to.place:
		return "", "", fmt.Errorf("%s is in %s, %s in %s: CloudWatch knows a target group only where its load balancer is", lever, from.place, targetGroup, to.place)
	}
	balancer = strings.Join(parts[1:4], "/")
	if !balancerForm.MatchString(balancer) {
		return "", "", fmt.Errorf("%s is not the ARN of a listener, a listener's rule or a load balancer", lever)
	}
	return balancer, to.resource, nil
}

type arn struct {
	place    string // partition, region and account
	resource string
}

func parseARN(text string) (arn, error) {
	p := strings.SplitN(text, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "elasticloadbalancing" {
		return arn{}, fmt.Errorf("%q is not an ARN of Elastic Load Balancing", text)
	}
	return arn{place: p[1] + ":" + p[3] + ":" + p[4], resource: p[5]}, nil
}
