package awscall

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"watari.dev/router"
)

// Right returns why nothing may be modified any more; nil while it may.
func (p Policy) Right() error {
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	if router.Ended(p.NotAfter, now()) {
		return &expiredError{at: p.NotAfter}
	}
	return nil
}

// expiredError is a call that was not sent, or not to its end, because the right
// to it had ended.
type expiredError struct {
	at   time.Time
	last error // what the try before said; nil if there was none
}

func (e *expiredError) Error() string { return "at " + e.at.Format(time.TimeOnly) + after(e.last) }
func (e *expiredError) Unwrap() error { return e.last }

// fenceKey marks the policy of a call that modifies in its context.
type fenceKey struct{}

func withFence(ctx context.Context, p Policy) context.Context {
	if p.NotAfter.IsZero() {
		return ctx
	}
	return context.WithValue(ctx, fenceKey{}, p)
}

// addFence makes the SDK look once more before it sends a call that modifies:
// credentials and a connection may have taken any time to get.
func addFence(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("watari:Fence", fence), middleware.After)
}

func fence(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	p, fenced := ctx.Value(fenceKey{}).(Policy)
	if !fenced {
		return next.HandleFinalize(ctx, in)
	}
	var none middleware.FinalizeOutput
	if err := p.Right(); err != nil {
		return none, middleware.Metadata{}, err
	}
	request, is := in.Request.(*smithyhttp.Request)
	if !is || request.GetStream() == nil {
		return none, middleware.Metadata{}, unsent(fmt.Errorf("%T of a call that modifies has no body", in.Request), nil)
	}
	request, err := request.SetStream(&fencedBody{body: request.GetStream(), right: p.Right})
	if err != nil {
		return none, middleware.Metadata{}, unsent(err, nil)
	}
	in.Request = request
	return next.HandleFinalize(ctx, in)
}

// fencedBody is the body of a request. It is read once there is a connection. A
// request without its body is carried out by nobody: its header says how long it
// is, and its signature covers it (IAM User Guide, "Create a signed AWS API
// request").
type fencedBody struct {
	body  io.Reader
	right func() error
	begun bool
}

func (b *fencedBody) Read(p []byte) (int, error) {
	if !b.begun {
		if err := b.right(); err != nil {
			return 0, err
		}
		b.begun = true
	}
	return b.body.Read(p)
}
