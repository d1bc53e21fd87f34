package v1alpha1

import (
	"fmt"
	"regexp"
	"strings"
)

// arn is an Amazon Resource Name: arn:partition:service:region:account:resource.
type arn struct {
	partition, service, region, account, resource string
}

var (
	partitionForm = regexp.MustCompile(`^aws[-a-z]*$`)
	regionForm    = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+$`)
	accountForm   = regexp.MustCompile(`^[0-9]{12}$`)

	ruleForm        = regexp.MustCompile(`^listener-rule/app/[A-Za-z0-9-]{1,32}/[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]+$`)
	listenerForm    = regexp.MustCompile(`^listener/app/[A-Za-z0-9-]{1,32}/[A-Za-z0-9]+/[A-Za-z0-9]+$`)
	targetGroupForm = regexp.MustCompile(`^targetgroup/[A-Za-z0-9-]{1,32}/[A-Za-z0-9]+$`)
	roleForm        = regexp.MustCompile(`^role/[A-Za-z0-9_+=,.@/-]+$`)
)

// arnKind is one kind of resource that a field may name.
type arnKind struct {
	what     string // for messages
	service  string
	resource *regexp.Regexp
	regional bool
	example  string
}

// Forms of the resources: Service Authorization Reference, "Resource types
// defined by AWS Elastic Load Balancing V2" and "... by AWS IAM".
var (
	arnOfRule = arnKind{"the ARN of an ALB's listener rule", "elasticloadbalancing", ruleForm, true,
		"arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/0123456789abcdef/0123456789abcdef/0123456789abcdef"}
	arnOfListener = arnKind{"the ARN of an ALB's listener", "elasticloadbalancing", listenerForm, true,
		"arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/0123456789abcdef/0123456789abcdef"}
	arnOfTargetGroup = arnKind{"the ARN of a target group", "elasticloadbalancing", targetGroupForm, true,
		"arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/0123456789abcdef"}
	arnOfRole = arnKind{"the ARN of an IAM role", "iam", roleForm, false,
		"arn:aws:iam::123456789012:role/watari"}
)

func parseARN(text string) (arn, error) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return arn{}, fmt.Errorf("%q is not an ARN", text)
	}
	return arn{partition: parts[1], service: parts[2], region: parts[3], account: parts[4], resource: parts[5]}, nil
}

// check returns what is wrong with text as an ARN of kind k.
func (k arnKind) check(text string) error {
	a, err := parseARN(text)
	switch {
	case err != nil:
		return fmt.Errorf("%w: write %s, such as %s", err, k.what, k.example)
	case !partitionForm.MatchString(a.partition):
		return fmt.Errorf("%q has the unknown partition %q: AWS's begin with \"aws\"", text, a.partition)
	case a.service != k.service || !k.resource.MatchString(a.resource):
		return fmt.Errorf("%q is not %s, which looks like %s", text, k.what, k.example)
	case k.regional && !regionForm.MatchString(a.region):
		return fmt.Errorf("%q has no region such as eu-west-1 after the service", text)
	case !k.regional && a.region != "":
		return fmt.Errorf("%q names the region %q; %s has none: leave that part empty", text, a.region, k.what)
	case !accountForm.MatchString(a.account):
		return fmt.Errorf("%q has no account of 12 digits before the resource", text)
	}
	return nil
}

func (r *ALBRoute) leverARN() string {
	if r.ListenerRuleARN != "" {
		return r.ListenerRuleARN
	}
	return r.ListenerARN
}
