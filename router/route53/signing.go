package route53

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	transport "github.com/aws/smithy-go/endpoints"
)

// partitionSigning signs for the region in which a partition has Route 53, also at an
// endpoint of one's own: the SDK's rules say it of AWS's endpoints only, and would sign
// for the region that is configured.
type partitionSigning struct{ rules sdk.EndpointResolverV2 }

// ResolveEndpoint implements sdk.EndpointResolverV2.
func (p partitionSigning) ResolveEndpoint(ctx context.Context, params sdk.EndpointParameters) (transport.Endpoint, error) {
	at, err := p.rules.ResolveEndpoint(ctx, params)
	if err != nil || params.Endpoint == nil {
		return at, err
	}
	params.Endpoint = nil
	if own, err := p.rules.ResolveEndpoint(ctx, params); err == nil {
		at.Properties = own.Properties
	}
	return at, nil
}

// signedForPartition makes a client's endpoints those of partitionSigning.
func signedForPartition(o *sdk.Options) {
	o.EndpointResolverV2 = partitionSigning{sdk.NewDefaultEndpointResolverV2()}
}
