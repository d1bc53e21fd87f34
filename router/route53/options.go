package route53

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/router/internal/ownership"
)

// MaxWeight is the largest weight of a record (Route 53 Developer Guide, "Values
// specific for weighted records").
const MaxWeight = 255

// Propagation is how long a change generally takes to reach all of Route 53's
// name servers (Route 53 API Reference, ChangeResourceRecordSets). It is no
// promise, so a write whose change ID is lost is given twice as long.
const Propagation = 60 * time.Second

// aliasTTL is the TTL of an alias of a load balancer (Route 53 Developer Guide,
// "Choosing between alias and non-alias records").
const aliasTTL = 60 * time.Second

// Options configure a Driver.
type Options struct {
	Config aws.Config
	// Limiter is shared by all drivers of one AWS account, as AWS counts the
	// calls of the account. Nil gives the driver one of its own.
	Limiter *Limiter
	// Now replaces time.Now.
	Now func() time.Time
}

// Driver is a router.Driver for the hosted zones of one account.
type Driver struct {
	api     api
	limiter *Limiter
	retry   awscall.Policy
	now     func() time.Time

	mu      sync.Mutex
	insync  map[string]time.Time // when a change was first seen on all name servers
	refused map[string]string    // names that AWS has refused to change, with their version then; see back.go

	owned ownership.Memory[[]registration] // by route, see owners.go
}

var (
	_ router.Driver   = (*Driver)(nil)
	_ router.Restorer = (*Driver)(nil)
)

// api is the part of the SDK that the driver uses.
type api interface {
	ListResourceRecordSets(context.Context, *sdk.ListResourceRecordSetsInput, ...func(*sdk.Options)) (*sdk.ListResourceRecordSetsOutput, error)
	ChangeResourceRecordSets(context.Context, *sdk.ChangeResourceRecordSetsInput, ...func(*sdk.Options)) (*sdk.ChangeResourceRecordSetsOutput, error)
	GetChange(context.Context, *sdk.GetChangeInput, ...func(*sdk.Options)) (*sdk.GetChangeOutput, error)
}

// New returns a driver. It makes no call.
func New(options Options) *Driver {
	return newDriver(sdk.NewFromConfig(awscall.Config(options.Config), signedForPartition), options, awscall.Policy{})
}

func newDriver(api api, options Options, retry awscall.Policy) *Driver {
	d := &Driver{
		api: api, limiter: options.Limiter, retry: retry, now: options.Now,
		insync: map[string]time.Time{}, refused: map[string]string{},
	}
	if d.limiter == nil {
		d.limiter = NewLimiter(CallsPerSecond)
	}
	if d.now == nil {
		d.now = time.Now
	}
	return d
}

// calls returns how the calls of one operation are made: in turn with all
// others of the account, urgent ones first.
func (d *Driver) calls(urgent bool) awscall.Policy {
	p := d.retry
	p.Turn = func(ctx context.Context) error { return d.limiter.Wait(ctx, urgent) }
	return p
}

// modifying is calls for an operation that modifies; the right to that ends at
// notAfter.
func (d *Driver) modifying(urgent bool, notAfter time.Time) awscall.Policy {
	p := d.calls(urgent)
	p.NotAfter, p.Now = notAfter, d.now
	return p
}
