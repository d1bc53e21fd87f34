package alb

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
)

// grpc is the protocol version of target groups whose requests are gRPC (Elastic Load
// Balancing API Reference, TargetGroup, ProtocolVersion). HTTP2 may carry gRPC as well,
// and does not say so.
const grpc = "GRPC"

// speaksGRPC reports whether a target group of the route speaks gRPC. It is a courtesy
// as asking for tags is: what could not be learnt is no error, and takes no long time.
func (d *Driver) speaksGRPC(ctx context.Context, route router.Ref) bool {
	ctx, cancel := context.WithTimeout(ctx, askingOwners)
	defer cancel()
	once := awscall.Policy{Tries: 1, Turn: d.retry.Turn}
	for _, arn := range []string{route.Source, route.Target} { // apart, because one that is gone fails the whole call
		out, err := awscall.Read(ctx, once, func(ctx context.Context) (*elb.DescribeTargetGroupsOutput, error) {
			return d.api.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: []string{arn}})
		})
		if err == nil && slices.ContainsFunc(out.TargetGroups, func(g types.TargetGroup) bool { return aws.ToString(g.ProtocolVersion) == grpc }) {
			return true
		}
	}
	return false
}
