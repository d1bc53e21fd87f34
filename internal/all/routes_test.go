package all

import (
	"testing"

	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/router/paced"
)

// TestWhatAWSCountsTogetherIsPacedTogether: Route 53 counts the calls of an account,
// Elastic Load Balancing those of an account and region, and neither the other's.
func TestWhatAWSCountsTogetherIsPacedTogether(t *testing.T) {
	c := &connector{pacers: map[string]*paced.Pacer{}}
	lever := func(driver, region, profile string) *paced.Pacer {
		return c.pacer(plan.Lever{Ref: router.Ref{Driver: driver}, AWS: plan.AWS{Region: region, Profile: profile}})
	}
	rule, name := lever("alb", "eu-central-1", "shop"), lever("route53", "eu-central-1", "shop")
	for what, together := range map[string]bool{
		"rules of a region":            lever("alb", "eu-central-1", "shop") == rule,
		"names, whatever the region":   lever("route53", "us-east-1", "shop") == name,
		"no rules of another region":   lever("alb", "us-east-1", "shop") != rule,
		"no rules of another account":  lever("alb", "eu-central-1", "bank") != rule,
		"no names of another account":  lever("route53", "us-east-1", "bank") != name,
		"rules and names are separate": rule != name,
	} {
		if !together {
			t.Errorf("not so: %s", what)
		}
	}
}
