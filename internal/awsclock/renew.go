package awsclock

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// renewID names the step in which expired credentials are found.
const renewID = "WatariRenew"

// renewals is how far apart the same credentials are asked for anew at least: new
// ones that are refused as well are not cured by others.
const renewals = time.Minute

// Renew makes a client ask for new credentials once AWS says that those it has are
// expired. The SDK goes by this machine's clock: where that is behind, it would use
// them for as long after their end (aws-sdk-js issue 80, aws-sdk-go pull request
// 253). It is an API option of aws.Config.
func Renew(credentials aws.CredentialsProvider) func(*middleware.Stack) error {
	cache, can := credentials.(interface{ Invalidate() })
	var last atomic.Pointer[time.Time]
	return func(stack *middleware.Stack) error {
		if _, has := stack.Deserialize.Get(renewID); has || !can {
			return nil
		}
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(renewID, func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if err == nil || !haveExpired(err) {
				return out, metadata, err
			}
			now, before := time.Now(), last.Load()
			if (before == nil || now.Sub(*before) >= renewals) && last.CompareAndSwap(before, &now) {
				cache.Invalidate()
			}
			return out, metadata, err
		}), middleware.Before)
	}
}

// haveExpired reports whether AWS refused a call because of the age of its
// credentials.
func haveExpired(err error) bool {
	var api smithy.APIError
	if _, off := Of(err); off || !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired":
		return true
	default:
		return false
	}
}
