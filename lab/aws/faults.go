package aws

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"watari.dev/lab/aws/sts"
	"watari.dev/lab/aws/wire"
	"watari.dev/lab/fault"
)

// Fault is asked before each verified call and may return what is to go wrong
// with it; nil lets it pass. It is called from many goroutines.
type Fault func(service, action string, body []byte) *Injected

// Injected is one fault. Its parts go together: a delay may come before an
// error, or before a reply that is dropped.
type Injected struct {
	Delay      time.Duration // before anything else; nothing happens if the caller leaves meanwhile
	Err        *wire.Error   // answered instead of doing the action
	DropBefore bool          // the connection is closed without an effect
	DropReply  bool          // the action happens, then the connection is closed without an answer
	ErrAfter   *wire.Error   // the action happens, then this is answered
	Slow       time.Duration // the action happens that much later, whether the caller waits or not
	DropNow    bool          // with Slow: the connection is closed at once

	done func() // called after the effect of Slow, or when it never will happen; may be nil
}

// FaultThrottle answers as an empty token bucket does.
func FaultThrottle() *Injected { return &Injected{Err: wire.Throttled()} }

// FaultInternal answers as a broken service does: HTTP 500.
func FaultInternal() *Injected { return &Injected{Err: internalFailure()} }

// FaultExpired answers as to credentials that have expired.
func FaultExpired() *Injected { return &Injected{Err: expiredToken()} }

func internalFailure() *wire.Error {
	return &wire.Error{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: "The request processing has failed because of an unknown error, exception or failure."}
}

// expiredToken is the answer to temporary credentials of yesterday: HTTP 403
// ("Common Error Types": ExpiredTokenException). The XML services call it
// ExpiredToken (crossplane-contrib/provider-upjet-aws issue 1428 for elbv2,
// aws-sdk-ruby pull request 2108 for route53).
func expiredToken() *wire.Error {
	return &wire.Error{Status: http.StatusForbidden, Code: "ExpiredToken", Message: "The security token included in the request is expired"}
}

// accessDenied is the answer when no policy allows an action: HTTP 403 (IAM User
// Guide, "Troubleshoot access denied error messages"; DNXLabs/
// terraform-aws-eks-lb-controller issue 41 for elbv2). AWS also names the resource,
// which the lab's rules do not know.
func accessDenied(service string, call wire.Call) *wire.Error {
	permission := permissionPrefix(service) + ":" + call.Action
	if call.Caller.ARN == "" { // nobody has signed it
		return sts.NotAuthorized(permission)
	}
	return &wire.Error{Status: http.StatusForbidden, Code: "AccessDenied", Message: fmt.Sprintf(
		"User: %s is not authorized to perform: %s because no identity-based policy allows the %s action",
		call.Caller.ARN, permission, permission)}
}

// permissionPrefix is how policies name a service (Service Authorization
// Reference).
func permissionPrefix(service string) string {
	if service == "monitoring" {
		return "cloudwatch"
	}
	return service
}

// SetFault replaces the fault hook; nil removes it. Rules of Rules come after it.
func (s *Server) SetFault(f Fault) { s.fault.Store(&f) }

// Rules are the faults that can be injected from outside.
func (s *Server) Rules() *fault.Rules { return s.rules }

// injected asks the hook and then the rules.
func (s *Server) injected(service string, call wire.Call) Injected {
	if f := s.fault.Load(); f != nil && *f != nil {
		if i := (*f)(service, call.Action, call.Body); i != nil {
			return *i
		}
	}
	bite, bites := s.rules.Bite(fault.ServiceOf(service), call.Action)
	if !bites {
		return Injected{}
	}
	s.log.Info("a fault bites", "fault", bite.ID, "kind", bite.Kind, "service", service, "action", call.Action, "delay", bite.Delay)
	i := s.decideInjected(bite, service, call)
	if bite.Kind == fault.Late {
		i.done = func() { s.rules.Arrived(bite.ID) }
	}
	return i
}

// decideInjected says what a bite means for a call.
func (s *Server) decideInjected(b fault.Bite, service string, call wire.Call) Injected {
	switch b.Kind {
	case fault.Throttle, fault.Partial:
		return Injected{Err: wire.Throttled()}
	case fault.Error:
		return Injected{Err: internalFailure()}
	case fault.ErrorAfter:
		return Injected{ErrAfter: internalFailure()}
	case fault.LostReply:
		return Injected{DropReply: true}
	case fault.LostRequest:
		return Injected{DropBefore: true}
	case fault.Delay:
		return Injected{Slow: b.Delay}
	case fault.Late:
		return Injected{Slow: b.Delay, DropNow: true}
	case fault.ExpiredToken:
		return Injected{Err: expiredToken()}
	case fault.AccessDenied:
		return Injected{Err: accessDenied(service, call)}
	}
	panic("aws: no rule can have the kind " + string(b.Kind)) // Check refuses it
}

// slowly does a call later, and answers it if the caller is still there.
func (s *Server) slowly(w http.ResponseWriter, service wire.Service, call wire.Call, fault Injected) {
	type outcome struct {
		reply   wire.Reply
		failure *wire.Error
	}
	came := make(chan outcome, 1)
	ctx := context.WithoutCancel(call.HTTP.Context())
	s.slow.do(fault.Slow, func() {
		reply, failure := s.act(ctx, service, call)
		s.calls.count(service.Name(), call.Action, failure) // also if nobody waits for it
		came <- outcome{reply, failure}
	}, func() {
		close(came)
		if fault.done != nil {
			fault.done()
		}
	})
	if fault.DropNow {
		drop()
	}
	select {
	case o, ok := <-came:
		if !ok { // the emulator ends
			drop()
		}
		s.reply(w, service, call, o.reply, o.failure)
	case <-call.HTTP.Context().Done():
		drop()
	}
}
