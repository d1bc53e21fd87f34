package wire

import (
	"context"
	"fmt"
	"net/http"
)

// Service is one AWS API. A service is told apart from the others by the name
// in the credential scope of the signature.
type Service interface {
	// Name as it stands in a credential scope, such as elasticloadbalancing.
	Name() string
	// Actions lists the API actions that the service has, sorted.
	Actions() []string
	// Action names the API action that the request asks for.
	Action(r *http.Request, body []byte) (string, *Error)
	// Bucket names the throttle group of an action; empty is never throttled.
	Bucket(action string) string
	// Do carries out a verified call. The error is rendered by RenderError.
	Do(ctx context.Context, call Call) (Reply, *Error)
	// RenderError writes an error in the service's own format.
	RenderError(e *Error, requestID string) Reply
}

// Call is one verified request.
type Call struct {
	RequestID string
	Action    string
	HTTP      *http.Request // without its body
	Body      []byte
	Caller    Caller
}

// Caller is who signed a call; empty for a call that needs no signature.
type Caller struct {
	ARN       string
	UserID    string
	Temporary bool // the credentials are those of a session
	Role      bool // the session is of a role
}

// Reply is an answer before the headers that all services share.
type Reply struct {
	Status      int
	ContentType string
	Header      map[string]string
	Body        []byte
}

// Error is an API error with the code that AWS documents for it.
type Error struct {
	Status   int
	Code     string
	Message  string
	Messages []string // of a Route 53 change batch, which has its own shape
}

// Error says code and message.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// Errorf builds an error of the caller's making: HTTP 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// InvalidAction is the answer to an action the service does not have (AWS
// "Common Error Types": InvalidAction, HTTP 400).
func InvalidAction(action string) *Error {
	return Errorf("InvalidAction", "The action %s is not valid for this web service.", action)
}

// Throttled is the answer when a token bucket is empty.
func Throttled() *Error { return Errorf("Throttling", "Rate exceeded") }

// InternalFailure is the answer when the emulator itself could not do its work.
func InternalFailure(err error) *Error {
	return &Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: err.Error()}
}

// origin is Sender for errors of the caller and Receiver for the service's.
func (e *Error) origin() string {
	if e.Status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}
