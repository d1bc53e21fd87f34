package awsclock

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	timesID   = "WatariTimes"
	refusalID = "WatariClockRefusal"
)

// Watch makes a client tell refusals that are about the clock, and correct its
// signatures by what AWS's answers to them say. It is an API option of aws.Config;
// more than once is once.
func Watch(stack *middleware.Stack) error {
	if _, has := stack.Deserialize.Get(timesID); has {
		return nil
	}
	// The times are taken next to the wire, before the SDK sees the Date; a refusal
	// is told where its code has been read, and before the SDK decides on a retry.
	if err := stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(timesID, takeTimes), middleware.After); err != nil {
		return err
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(refusalID, tellRefusal), middleware.Before)
}

type answeredKey struct{}

func takeTimes(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	sent := time.Now().Round(0)
	out, metadata, err := next.HandleDeserialize(ctx, in)
	request, isRequest := in.Request.(*smithyhttp.Request)
	response, isResponse := out.RawResponse.(*smithyhttp.Response)
	if !isRequest || !isResponse || response == nil || response.Response == nil {
		return out, metadata, err
	}
	a := answered{
		status: response.StatusCode, session: request.Header.Get("X-Amz-Security-Token") != "",
		signed: signedAt(request.Request), sent: sent, received: time.Now().Round(0), served: dateOf(response.Header),
	}
	if a.served.IsZero() {
		a.served = timeOfText(response.Response)
	}
	metadata.Set(answeredKey{}, a)
	show(response.Header, a.shown())
	return out, metadata, err
}

// show lets the SDK see a Date; zero is none.
func show(header http.Header, date time.Time) {
	if date.IsZero() {
		header.Del("Date")
		return
	}
	header.Set("Date", date.UTC().Format(http.TimeFormat))
}

func tellRefusal(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	a, has := metadata.Get(answeredKey{}).(answered)
	if err == nil || !has {
		return out, metadata, err
	}
	if r := refusal(err, a); r != nil {
		return out, metadata, r
	}
	return out, metadata, err
}

// Served returns what AWS's clock showed when it answered, by the metadata of a
// result. An answer without a Date that can be believed says nothing.
func Served(metadata middleware.Metadata) (at time.Time, known bool) {
	a, has := metadata.Get(answeredKey{}).(answered)
	return a.served, has && !a.served.IsZero()
}
