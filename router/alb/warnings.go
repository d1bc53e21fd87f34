package alb

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
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

// writers maps tags of those who write weights to their names: the AWS Load
// Balancer Controller tags what it owns with the cluster's name (its
// documentation, "Annotations: tags"), CloudFormation with the stack's.
// Terraform has no tag of its own; its users' default_tags often say it.
var writers = []struct{ key, name string }{
	{"elbv2.k8s.aws/cluster", "the AWS Load Balancer Controller of cluster"},
	{"aws:cloudformation:stack-name", "the CloudFormation stack"},
	{"terraform", "Terraform, tagged"},
	{"Terraform", "Terraform, tagged"},
	{"ManagedBy", "what its tag ManagedBy names:"},
	{"managed-by", "what its tag managed-by names:"},
}

// owners says who else manages the lever, by its tags. It is a courtesy: a
// failure, such as a missing permission, is no warning and no error.
func (d *Driver) owners(ctx context.Context, arn string) (out []string) {
	once := awscall.Policy{Tries: 1, Turn: d.retry.Turn}
	tags, err := awscall.Read(ctx, once, func(ctx context.Context) (*elb.DescribeTagsOutput, error) {
		return d.api.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: []string{arn}})
	})
	if err != nil {
		return nil
	}
	for _, description := range tags.TagDescriptions {
		for _, tag := range description.Tags {
			for _, w := range writers {
				if w.key == aws.ToString(tag.Key) {
					out = append(out, fmt.Sprintf("also managed by %s %s, which may write its own weights", w.name, aws.ToString(tag.Value)))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
