package aws

import (
	"net/http"
	"time"

	"watari.dev/lab/aws/wire"
)

// Fault is asked before each verified call and may return what is to go wrong
// with it; nil lets it pass. It is called from many goroutines.
type Fault func(service, action string, body []byte) *Injected

// Injected is one fault. Its parts go together: a delay may come before an
// error, or before a reply that is dropped.
type Injected struct {
	Delay      time.Duration // before anything else
	Err        *wire.Error   // answered instead of doing the action
	DropBefore bool          // the connection is closed without an effect
	DropReply  bool          // the action happens, then the connection is closed without an answer
}

// FaultThrottle answers as an empty token bucket does.
func FaultThrottle() *Injected { return &Injected{Err: wire.Throttled()} }

// FaultInternal answers as a broken service does: HTTP 500.
func FaultInternal() *Injected {
	return &Injected{Err: &wire.Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: "The request processing has failed because of an unknown error, exception or failure."}}
}

// SetFault replaces the fault hook; nil removes it.
func (s *Server) SetFault(f Fault) { s.fault.Store(&f) }

// injected asks the hook.
func (s *Server) injected(service, action string, body []byte) Injected {
	f := s.fault.Load()
	if f == nil || *f == nil {
		return Injected{}
	}
	if i := (*f)(service, action, body); i != nil {
		return *i
	}
	return Injected{}
}
