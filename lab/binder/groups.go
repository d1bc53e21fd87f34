package binder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"golang.org/x/time/rate"
)

// batch is how many targets go into one request, as in AWS's controller.
const batch = 200

// The load balancers' API has a bucket of 40 describing requests per account and
// region, which refills at 10 per second ("Request throttling for the ELB API"). Two
// clusters share the account, and whoever moves the weights needs it too, so
// each binder allows itself a part. For registering, 4 per second with a burst
// of 20 is what AWS's controller allows itself (its flag aws-api-throttle).
const (
	describeRate, describeBurst = 3, 12
	registerRate, registerBurst = 2, 8
)

// loadBalancing is what the binder uses of Elastic Load Balancing.
type loadBalancing interface {
	DescribeTargetHealth(context.Context, *elb.DescribeTargetHealthInput, ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error)
	RegisterTargets(context.Context, *elb.RegisterTargetsInput, ...func(*elb.Options)) (*elb.RegisterTargetsOutput, error)
	DeregisterTargets(context.Context, *elb.DeregisterTargetsInput, ...func(*elb.Options)) (*elb.DeregisterTargetsOutput, error)
}

// groups reads and writes target groups within the limits of the API.
type groups struct {
	api      loadBalancing
	describe *rate.Limiter
	register *rate.Limiter
}

func newGroups(api loadBalancing) *groups {
	return &groups{api: api, describe: rate.NewLimiter(describeRate, describeBurst), register: rate.NewLimiter(registerRate, registerBurst)}
}

// newLoadBalancing returns a client of the API at an endpoint.
func newLoadBalancing(cfg Config) loadBalancing {
	return elb.New(elb.Options{
		Region:       cfg.Region,
		BaseEndpoint: aws.String(cfg.Endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(cfg.AccessKey, cfg.SecretKey, ""),
		AppID:        "watari-lab-binder",
	})
}

// errNoGroup says that the target group does not exist (any more).
var errNoGroup = errors.New("there is no such target group")

// readHealth returns the targets of a group that are not draining.
func (g *groups) readHealth(ctx context.Context, group string) (map[target]health, error) {
	if err := g.describe.Wait(ctx); err != nil {
		return nil, err
	}
	answer, err := g.api.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &group})
	if err != nil {
		return nil, fmt.Errorf("read the targets of %s: %w", group, classify(err))
	}
	registered := make(map[target]health, len(answer.TargetHealthDescriptions))
	for _, d := range answer.TargetHealthDescriptions {
		if d.Target == nil || d.TargetHealth == nil || d.TargetHealth.State == elbtypes.TargetHealthStateEnumDraining {
			continue
		}
		registered[target{ip: aws.ToString(d.Target.Id), port: aws.ToInt32(d.Target.Port)}] = health{
			state: d.TargetHealth.State, reason: string(d.TargetHealth.Reason), description: aws.ToString(d.TargetHealth.Description),
		}
	}
	return registered, nil
}

func (g *groups) writeRegister(ctx context.Context, group string, add []target) error {
	for chunk := range slices.Chunk(add, batch) {
		if err := g.register.Wait(ctx); err != nil {
			return err
		}
		if _, err := g.api.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: describe(chunk)}); err != nil {
			return fmt.Errorf("register %v in %s: %w", chunk, group, classify(err))
		}
	}
	return nil
}

func (g *groups) writeDeregister(ctx context.Context, group string, remove []target) error {
	for chunk := range slices.Chunk(remove, batch) {
		if err := g.register.Wait(ctx); err != nil {
			return err
		}
		if _, err := g.api.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &group, Targets: describe(chunk)}); err != nil {
			return fmt.Errorf("deregister %v from %s: %w", chunk, group, classify(err))
		}
	}
	return nil
}

func describe(chunk []target) []elbtypes.TargetDescription {
	out := make([]elbtypes.TargetDescription, 0, len(chunk))
	for _, t := range chunk {
		out = append(out, elbtypes.TargetDescription{Id: aws.String(t.ip), Port: aws.Int32(t.port)})
	}
	return out
}

// classify marks the error of a group that does not exist.
func classify(err error) error {
	var missing *elbtypes.TargetGroupNotFoundException
	if errors.As(err, &missing) {
		return fmt.Errorf("%w: %w", errNoGroup, err)
	}
	return err
}

// addressesOf returns the targets without their health.
func addressesOf(registered map[target]health) targets {
	out := make(targets, len(registered))
	for t := range registered {
		out[t] = true
	}
	return out
}
