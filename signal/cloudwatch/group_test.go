package cloudwatch

import (
	"strings"
	"testing"
)

func TestExpression(t *testing.T) {
	const target = arnPrefix + oldGroup
	for lever, want := range map[string]string{
		arnPrefix + "listener/" + balancerID + "/f2f7dc8efc522ab2":                       balancerID + " " + oldGroup,
		arnPrefix + "listener-rule/" + balancerID + "/f2f7dc8efc522ab2/9683b2d02a6cabee": balancerID + " " + oldGroup,
		arnPrefix + "loadbalancer/" + balancerID:                                         balancerID + " " + oldGroup,
		arnPrefix + "listener/net/shop/50dc6c495c0c9188/f2f7dc8efc522ab2":                "only Application Load Balancers",
		arnPrefix + "listener/gwy/shop/50dc6c495c0c9188/f2f7dc8efc522ab2":                "only Application Load Balancers",
		arnPrefix + "loadbalancer/shop":                                                  "is not the ARN of a listener",
		arnPrefix + "listener/app/sh_op/50dc6c495c0c9188/f2f7dc8efc522ab2":               "is not the ARN of a listener",
		arnPrefix + oldGroup: "is not the ARN of a listener",
		"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/" + balancerID:    "only where its load balancer is",
		"arn:aws:elasticloadbalancing:eu-central-1:210987654321:loadbalancer/" + balancerID: "only where its load balancer is",
		"arn:aws:eks:eu-central-1:123456789012:cluster/shop":                                "is not an ARN of Elastic Load Balancing",
		"shop": "is not an ARN",
		"":     "is not an ARN",
	} {
		got, err := Expression(lever, target)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || (err == nil) != strings.HasPrefix(want, "app/") {
			t.Errorf("%s: %s, want %s", lever, got, want)
		}
		if err == nil {
			if g, err := parseGroup(got); err != nil || g.String() != got {
				t.Errorf("%s is read as %v, %v", got, g, err)
			}
		}
	}
	for _, group := range []string{"", target + "0", arnPrefix + "loadbalancer/" + balancerID, arnPrefix + "targetgroup/x/y"} {
		if got, err := Expression(arnPrefix+"loadbalancer/"+balancerID, group); err == nil {
			t.Errorf("%s became %s", group, got)
		}
	}
}

func TestGroupsThatAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "shop", oldGroup, balancerID, oldGroup + " " + balancerID, balancerID + " " + oldGroup + " x",
		"net/shop/50dc6c495c0c9188 " + oldGroup, "app/shop/50dc " + oldGroup, `app/shop/50dc6c495c0c9188 targetgroup/a"b/73e2d6bc24d8a067`,
	} {
		if g, err := parseGroup(text); err == nil {
			t.Errorf("%q became %v", text, g)
		}
	}
}
