// Package sts is the part of the Security Token Service that the lab needs, over
// the Query protocol: roles that are assumed with keys or with a web identity,
// sessions of the user, and who a caller is.
//
// It promises temporary credentials that the lab's signature check tells from
// forged and expired ones. It has no policies: the trust of a role is what its
// Role says.
package sts

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"watari.dev/lab/aws/wire"
)

const (
	apiVersion = "2011-06-15"
	namespace  = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// Service implements wire.Service.
type Service struct {
	Account string // 12 digits
	Region  string // which says the partition of ARNs
	User    string // name of the IAM user whose key is used
	Seal    string // what session tokens are sealed with

	Roles     []Role     // that may be assumed; none: every role of the account
	Providers []Provider // of web identities
	Now       func() time.Time
}

// operations by their action.
var operations = map[string]func(*Service, wire.Call, url.Values) (wire.Reply, *wire.Error){
	"AssumeRole":                (*Service).assumeRole,
	"AssumeRoleWithWebIdentity": (*Service).assumeRoleWithWebIdentity,
	"GetCallerIdentity":         (*Service).getCallerIdentity,
	"GetSessionToken":           (*Service).getSessionToken,
}

// open is the one action that is called without a signature: the token says who
// calls (STS API Reference, AssumeRoleWithWebIdentity).
const open = "AssumeRoleWithWebIdentity"

// Name is the service's name in a credential scope.
func (s *Service) Name() string { return "sts" }

// Bucket says that no action is throttled here.
func (s *Service) Bucket(string) string { return "" }

// Actions lists what the service serves.
func (s *Service) Actions() []string {
	return []string{"AssumeRole", open, "GetCallerIdentity", "GetSessionToken"}
}

// Open names the action of a request that needs no signature and has none.
func (s *Service) Open(r *http.Request, body []byte) (action string, is bool) {
	if r.Header.Get("Authorization") != "" {
		return "", false
	}
	action, err := s.Action(r, body)
	return action, err == nil && action == open
}

// Action reads the Action parameter.
func (s *Service) Action(_ *http.Request, body []byte) (string, *wire.Error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return "", wire.Errorf("MalformedQueryString", "The request body is not a form: %v", err)
	}
	action := values.Get("Action")
	if operations[action] == nil || values.Get("Version") != apiVersion {
		return "", wire.Errorf("InvalidAction", "Could not find operation %s for version %s", action, values.Get("Version"))
	}
	return action, nil
}

// Do carries out an action.
func (s *Service) Do(_ context.Context, call wire.Call) (wire.Reply, *wire.Error) {
	values, err := url.ParseQuery(string(call.Body))
	if err != nil {
		return wire.Reply{}, wire.InternalFailure(err)
	}
	return operations[call.Action](s, call, values)
}

// UserCaller is the account's one user.
func (s *Service) UserCaller() wire.Caller {
	return wire.Caller{ARN: s.arn("iam", "user/"+s.User), UserID: "AIDA" + wire.UpperID(0, s.User, 0, 17)}
}

func (s *Service) arn(service, resource string) string {
	return "arn:" + wire.PartitionOf(s.Region).Name + ":" + service + "::" + s.Account + ":" + resource
}

func (s *Service) getCallerIdentity(call wire.Call, _ url.Values) (wire.Reply, *wire.Error) {
	return wire.QueryReply(namespace, call.Action, call.RequestID, struct {
		ARN     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string
	}{call.Caller.ARN, call.Caller.UserID, s.Account}), nil
}

// getSessionToken gives a session of the user: 12 hours where nothing is said, 15
// minutes to 36 hours otherwise (STS API Reference).
func (s *Service) getSessionToken(call wire.Call, values url.Values) (wire.Reply, *wire.Error) {
	if call.Caller.Temporary {
		return wire.Reply{}, denied("Cannot call GetSessionToken with session credentials")
	}
	d, failure := duration(values, 12*time.Hour, 36*time.Hour)
	if failure != nil {
		return wire.Reply{}, failure
	}
	session, token := s.issue(call.Caller, d)
	return wire.QueryReply(namespace, call.Action, call.RequestID, struct{ Credentials temporary }{temporaryOf(session, token)}), nil
}

// RenderError writes the error document of the Query protocol.
func (s *Service) RenderError(e *wire.Error, requestID string) wire.Reply {
	return wire.XMLError(namespace, e, requestID)
}

func denied(message string) *wire.Error {
	return &wire.Error{Status: http.StatusForbidden, Code: "AccessDenied", Message: message}
}

// NotAuthorized is the answer to a web identity that may not do what it asks for:
// "Not authorized to perform sts:AssumeRoleWithWebIdentity" (AWS re:Post, "How do I
// troubleshoot an OIDC provider and IRSA in Amazon EKS?").
func NotAuthorized(permission string) *wire.Error {
	return denied("Not authorized to perform " + permission)
}

// temporary is the Credentials of an answer.
type temporary struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

func temporaryOf(s Session, token string) temporary {
	return temporary{AccessKeyID: s.AccessKey, SecretAccessKey: s.Secret, SessionToken: token, Expiration: s.Expires.Format(time.RFC3339)}
}
