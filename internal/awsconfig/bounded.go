package awsconfig

import (
	"context"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"watari.dev/internal/awsclock"
	"watari.dev/internal/bounded"
)

// answers is the bound of an answer of AWS, after it was unpacked. The largest known
// are the 100,800 points of one GetMetricData (CloudWatch API reference), a few MB.
var answers = bounded.Answer{Bytes: 16 * bounded.MiB}

// withBounds bounds the answers to every client that is made from the configuration,
// those that find credentials as well, and watches the clock in each of them. The client stays one of the SDK's own: it adds
// AWS_CA_BUNDLE to no other, and asks the metadata service with short timeouts only by
// its own.
func withBounds() []func(*config.LoadOptions) error {
	client := awshttp.NewBuildableClient().WithTransportOptions(bounded.Guard).WithTimeout(time.Minute)
	return []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithLogger(logging.Nop{}), // the SDK's own writes what servers said to the terminal
		config.WithAPIOptions([]func(*middleware.Stack) error{boundBodies, awsclock.Watch}),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = client }),
	}
}

// boundBodies bounds the body before anything of the SDK reads it.
func boundBodies(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("WatariBoundedBody", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		request, sent := in.Request.(*smithyhttp.Request)
		if !sent {
			return out, metadata, err
		}
		var answered *http.Response
		if response, is := out.RawResponse.(*smithyhttp.Response); is && response != nil {
			answered = response.Response
		}
		return out, metadata, answers.Answered(request.Request, answered, err)
	}), middleware.After)
}
