package alb

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/traffic"
)

// warnings says what of the lever an operator should know.
func warnings(f forward, route router.Ref) (out []string) {
	if f.sticky > 0 {
		out = append(out, fmt.Sprintf("target group stickiness keeps a client on its group for up to %s after its last choice, whatever the weights say", f.sticky))
	}
	if !f.has(route.Target) {
		out = append(out, "the target's group is not part of it yet; the first write adds it, and only then does the load balancer check its health")
	}
	return out
}

// askingOwners bounds the one call that asks for tags.
const askingOwners = 2 * time.Second

// owners says who else writes the lever's weights, by its tags: asked once in a
// while, and not while traffic is taken back. It is a courtesy: a failure, such as
// a missing permission, is no error.
func (d *Driver) owners(ctx context.Context, arn string) []traffic.Owner {
	known, holds := d.tagged.Get(arn, d.now())
	if holds {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, askingOwners)
	defer cancel()
	once := awscall.Policy{Tries: 1, Turn: d.retry.Turn}
	out, err := awscall.Read(ctx, once, func(ctx context.Context) (*elb.DescribeTagsOutput, error) {
		return d.api.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: []string{arn}})
	})
	if err == nil {
		known = router.TagOwners("the "+kindOf(arn).String(), tagsOf(out))
	}
	d.tagged.Put(arn, known, d.now())
	return known
}

func tagsOf(out *elb.DescribeTagsOutput) map[string]string {
	tags := map[string]string{}
	for _, d := range out.TagDescriptions {
		for _, t := range d.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return tags
}
