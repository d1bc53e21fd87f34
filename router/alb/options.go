package alb

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/router/internal/ownership"
	"watari.dev/traffic"
)

// MaxWeight is the largest weight of a target group (Elastic Load Balancing API
// Reference, TargetGroupTuple).
const MaxWeight = 999

// maxGroups is how many target groups one action may have (Application Load
// Balancers user guide, "Quotas for your Application Load Balancers").
const maxGroups = 5

// DefaultMargin is how long a written weight may take to reach all nodes of the
// load balancer. AWS publishes no bound; this one is meant to be generous.
const DefaultMargin = 5 * time.Second

// Options configure a Driver.
type Options struct {
	Config aws.Config
	// Margin replaces DefaultMargin. Measure it where it matters.
	Margin time.Duration
	// Now replaces time.Now.
	Now func() time.Time
}

// Driver is a router.Driver for Application Load Balancers of one account and
// region. It remembers for a while who else writes a lever, and nothing else.
type Driver struct {
	api    api
	margin time.Duration
	retry  awscall.Policy
	now    func() time.Time
	tagged ownership.Memory[[]traffic.Owner] // by lever
}

var _ router.Driver = (*Driver)(nil)

// api is the part of the SDK that the driver uses.
type api interface {
	DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error)
	DescribeListeners(context.Context, *elb.DescribeListenersInput, ...func(*elb.Options)) (*elb.DescribeListenersOutput, error)
	DescribeTargetGroups(context.Context, *elb.DescribeTargetGroupsInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupsOutput, error)
	DescribeTags(context.Context, *elb.DescribeTagsInput, ...func(*elb.Options)) (*elb.DescribeTagsOutput, error)
	ModifyRule(context.Context, *elb.ModifyRuleInput, ...func(*elb.Options)) (*elb.ModifyRuleOutput, error)
	ModifyListener(context.Context, *elb.ModifyListenerInput, ...func(*elb.Options)) (*elb.ModifyListenerOutput, error)
}

// New returns a driver. It makes no call.
func New(options Options) *Driver {
	return newDriver(elb.NewFromConfig(awscall.Config(options.Config)), options, awscall.Policy{})
}

func newDriver(api api, options Options, retry awscall.Policy) *Driver {
	d := &Driver{api: api, margin: options.Margin, retry: retry, now: options.Now}
	if d.margin == 0 {
		d.margin = DefaultMargin
	}
	if d.now == nil {
		d.now = time.Now
	}
	return d
}

// modifying returns how a call that modifies is made by whom the right to it ends
// at notAfter.
func (d *Driver) modifying(notAfter time.Time) awscall.Policy {
	p := d.retry
	p.NotAfter, p.Now = notAfter, d.now
	return p
}
