package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	dnstypes "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/lab"
	labaws "watari.dev/lab/aws"
)

// The public name of the shop and its zone. ".test" never exists outside
// (RFC 2606, section 2).
const (
	zoneName   = "example.test."
	publicName = "shop.example.test"
)

// cloud is what belongs to no cluster: the balancer, its listener, both target
// groups and the public name. A team has it in Terraform.
type cloud struct {
	elb      *elb.Client
	route53  *route53.Client
	endpoint string // of the lab's AWS

	balancer string
	listener string
	groups   map[string]string // target group ARN by cluster name
	address  string            // where the listener really is, host:port
	dns      string
	metrics  string
}

func connectCloud(info lab.AWS) *cloud {
	cfg := aws.Config{
		Region:       info.Region,
		BaseEndpoint: aws.String(info.Endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider(info.AccessKey, info.SecretKey, ""),
	}
	return &cloud{elb: elb.NewFromConfig(cfg), route53: route53.NewFromConfig(cfg), endpoint: info.Endpoint, groups: map[string]string{}}
}

// build creates everything, with all traffic on the first cluster.
func (c *cloud) build(ctx context.Context, clusters []lab.Cluster) error {
	lb, err := c.elb.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name: aws.String("shop"), Type: elbtypes.LoadBalancerTypeEnumApplication,
		Subnets: []string{"subnet-0a000000000000001", "subnet-0a000000000000002"},
	})
	if err != nil {
		return fmt.Errorf("create the load balancer: %w", err)
	}
	c.balancer = aws.ToString(lb.LoadBalancers[0].LoadBalancerArn)
	var forward []elbtypes.TargetGroupTuple
	for i, cluster := range clusters {
		arn, err := c.buildGroup(ctx, "shop-"+cluster.Name)
		if err != nil {
			return err
		}
		c.groups[cluster.Name] = arn
		forward = append(forward, elbtypes.TargetGroupTuple{TargetGroupArn: aws.String(arn), Weight: aws.Int32([]int32{100, 0}[i])})
	}
	listener, err := c.elb.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: aws.String(c.balancer), Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: &elbtypes.ForwardActionConfig{TargetGroups: forward}}},
	})
	if err != nil {
		return fmt.Errorf("create the listener: %w", err)
	}
	c.listener = aws.ToString(listener.Listeners[0].ListenerArn)
	if err := c.name(ctx, lb.LoadBalancers[0]); err != nil {
		return err
	}
	return c.locate(ctx)
}

func (c *cloud) buildGroup(ctx context.Context, name string) (string, error) {
	out, err := c.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: aws.String(name), Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: aws.String("vpc-0a000000000000001"),
		TargetType: elbtypes.TargetTypeEnumIp, HealthCheckPath: aws.String("/readyz"),
		HealthCheckIntervalSeconds: aws.Int32(5), HealthCheckTimeoutSeconds: aws.Int32(2),
		HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(2),
	})
	if err != nil {
		return "", fmt.Errorf("create target group %s: %w", name, err)
	}
	arn := aws.ToString(out.TargetGroups[0].TargetGroupArn)
	_, err = c.elb.ModifyTargetGroupAttributes(ctx, &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: aws.String(arn),
		Attributes:     []elbtypes.TargetGroupAttribute{{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String("10")}},
	})
	if err != nil {
		return "", fmt.Errorf("set the deregistration delay of %s: %w", name, err)
	}
	return arn, nil
}

// name creates the hosted zone with an alias to the balancer: the one name that
// does not change during the whole migration.
func (c *cloud) name(ctx context.Context, lb elbtypes.LoadBalancer) error {
	zone, err := c.route53.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: aws.String(zoneName), CallerReference: aws.String(time.Now().Format(time.RFC3339Nano))})
	if err != nil {
		return fmt.Errorf("create the hosted zone: %w", err)
	}
	change, err := c.route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: zone.HostedZone.Id,
		ChangeBatch: &dnstypes.ChangeBatch{Changes: []dnstypes.Change{{
			Action: dnstypes.ChangeActionUpsert,
			ResourceRecordSet: &dnstypes.ResourceRecordSet{
				Name: aws.String(publicName), Type: dnstypes.RRTypeA,
				AliasTarget: &dnstypes.AliasTarget{DNSName: lb.DNSName, HostedZoneId: lb.CanonicalHostedZoneId, EvaluateTargetHealth: false},
			},
		}}},
	})
	if err != nil {
		return fmt.Errorf("create the record of %s: %w", publicName, err)
	}
	return until(ctx, 30*time.Second, "the record of "+publicName+" to be INSYNC", func(ctx context.Context) (bool, error) {
		out, err := c.route53.GetChange(ctx, &route53.GetChangeInput{Id: change.ChangeInfo.Id})
		return err == nil && out.ChangeInfo.Status == dnstypes.ChangeStatusInsync, err
	})
}

// locate asks the lab where the listener and the DNS server really are: ports
// below 1024 would need root.
func (c *cloud) locate(ctx context.Context) error {
	return until(ctx, 30*time.Second, "the listener to open", func(ctx context.Context) (bool, error) {
		var where labaws.Endpoints
		if err := getJSON(ctx, c.endpoint+"/_lab/endpoints", &where); err != nil {
			return false, err
		}
		at, open := where.Listeners[c.listener]
		if open && len(at.Addresses) > 0 {
			c.address = at.Addresses[0]
		}
		c.dns, c.metrics = where.DNS, where.Metrics
		return c.address != "", nil
	})
}

// healthy counts the healthy targets of a cluster's group.
func (c *cloud) healthy(ctx context.Context, cluster string) (int, error) {
	out, err := c.elb.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: aws.String(c.groups[cluster])})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, t := range out.TargetHealthDescriptions {
		if t.TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy {
			n++
		}
	}
	return n, nil
}

// calls returns how often each action of the AWS API was called, by service.
func (c *cloud) calls(ctx context.Context) (labaws.Calls, error) {
	var calls labaws.Calls
	return calls, getJSON(ctx, c.endpoint+"/_lab/calls", &calls)
}

// rewritten is how often the listener's weights were written.
func (c *cloud) rewritten(ctx context.Context) (int, error) {
	calls, err := c.calls(ctx)
	return calls["elasticloadbalancing"]["ModifyListener"]["ok"], err
}

func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// until polls for something to come true.
func until(ctx context.Context, bound time.Duration, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	var last error
	for {
		ok, err := done(ctx)
		if ok && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if last != nil {
				return fmt.Errorf("waited %s for %s: %w", bound, what, last)
			}
			return fmt.Errorf("waited %s for %s: %w", bound, what, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
