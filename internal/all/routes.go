package all

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"watari.dev/internal/awsconfig"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/router/alb"
	"watari.dev/router/metered"
	"watari.dev/router/paced"
	"watari.dev/router/route53"
	"watari.dev/runner"
)

// drivers makes the driver of each kind of lever.
var drivers = map[string]func(*connector, aws.Config, plan.AWS) router.Driver{
	"alb": func(_ *connector, cfg aws.Config, _ plan.AWS) router.Driver { return alb.New(alb.Options{Config: cfg}) },
	"route53": func(c *connector, cfg aws.Config, settings plan.AWS) router.Driver {
		return route53.New(route53.Options{Config: cfg, Limiter: c.limiter(settings)})
	},
}

// connector shares what drivers of one account share.
type connector struct {
	limiters  map[plan.AWS]*route53.Limiter
	pacers    map[string]*paced.Pacer
	made      map[string]router.Driver
	meter     *metered.Meter
	partition string // of AWS, as the levers' ARNs say it; empty if none does
}

func newConnector(levers []plan.Lever, meter *metered.Meter) *connector {
	c := &connector{limiters: map[plan.AWS]*route53.Limiter{}, pacers: map[string]*paced.Pacer{}, made: map[string]router.Driver{}, meter: meter}
	for _, l := range levers {
		c.partition = cmp.Or(c.partition, awsconfig.PartitionOf(l.Ref.ID))
	}
	return c
}

// Routes connects the levers of a plan. What their drivers do is counted by
// meter; what is held back is not done.
func Routes(ctx context.Context, levers []plan.Lever, meter *metered.Meter) (map[string]runner.Route, error) {
	c := newConnector(levers, meter)
	out := map[string]runner.Route{}
	for _, l := range levers {
		d, err := c.driver(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("connect route %s: %w", l.Ref.Name, err)
		}
		out[l.Ref.Name] = runner.Route{Ref: l.Ref, Driver: d, Patience: l.Patience}
	}
	return out, nil
}

// driver returns the one driver of a kind and of settings.
func (c *connector) driver(ctx context.Context, l plan.Lever) (router.Driver, error) {
	key := fmt.Sprintf("%s %+v", l.Ref.Driver, l.AWS)
	if d, made := c.made[key]; made {
		return d, nil
	}
	build, known := drivers[l.Ref.Driver]
	if !known {
		return nil, fmt.Errorf("there is no driver %q; there are: %v", l.Ref.Driver, slices.Sorted(maps.Keys(drivers)))
	}
	cfg, err := awsconfig.Load(ctx, awsconfig.Settings{
		Profile: l.AWS.Profile, Region: l.AWS.Region, RoleARN: l.AWS.RoleARN, EndpointURL: l.AWS.EndpointURL,
		Global: l.Ref.Driver == "route53", Partition: c.partition, // (AWS General Reference, Route 53 endpoints)
	})
	if err != nil {
		return nil, err
	}
	c.made[key] = c.pacer(l).Wrap(c.meter.Wrap(l.Ref.Driver, build(c, cfg, l.AWS)))
	return c.made[key], nil
}

// limiter is shared by all routes of one account. Which account settings lead to
// is not known without a call, so the same settings count as the same account.
func (c *connector) limiter(settings plan.AWS) *route53.Limiter {
	settings.Region = "" // the limit is the account's, not a region's
	if c.limiters[settings] == nil {
		c.limiters[settings] = route53.NewLimiter(route53.CallsPerSecond)
	}
	return c.limiters[settings]
}

// pacer is shared by all routes whose calls AWS counts together: those of an account
// for Route 53, and those of an account and region for load balancers (Elastic Load
// Balancing User Guide, "Request throttling for the ELB API").
func (c *connector) pacer(l plan.Lever) *paced.Pacer {
	settings := l.AWS
	if l.Ref.Driver == "route53" {
		settings.Region = ""
	}
	key := fmt.Sprintf("%s %+v", l.Ref.Driver, settings)
	if c.pacers[key] == nil {
		c.pacers[key] = paced.NewPacer(nil)
	}
	return c.pacers[key]
}
