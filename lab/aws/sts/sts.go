// Package sts is the one action of the Security Token Service that the lab
// needs: GetCallerIdentity, over the Query protocol.
//
// It promises the caller's account, user and ARN as the service documents them.
// It never issues credentials.
package sts

import (
	"context"
	"net/http"
	"net/url"

	"watari.dev/lab/aws/wire"
)

const (
	apiVersion = "2011-06-15"
	namespace  = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// Service implements wire.Service.
type Service struct {
	Account string // 12 digits
	User    string // name of the IAM user whose key is used
}

// Name is the service's name in a credential scope.
func (s *Service) Name() string { return "sts" }

// Bucket says that no action is throttled here.
func (s *Service) Bucket(string) string { return "" }

// Actions lists what the service serves.
func (s *Service) Actions() []string { return []string{"GetCallerIdentity"} }

// Action reads the Action parameter.
func (s *Service) Action(_ *http.Request, body []byte) (string, *wire.Error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return "", wire.Errorf("MalformedQueryString", "The request body is not a form: %v", err)
	}
	action := values.Get("Action")
	if action != "GetCallerIdentity" || values.Get("Version") != apiVersion {
		return "", wire.Errorf("InvalidAction", "Could not find operation %s for version %s", action, values.Get("Version"))
	}
	return action, nil
}

// Do answers who the caller is.
func (s *Service) Do(_ context.Context, call wire.Call) (wire.Reply, *wire.Error) {
	return wire.QueryReply(namespace, call.Action, call.RequestID, struct {
		ARN     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string
	}{
		ARN:     "arn:aws:iam::" + s.Account + ":user/" + s.User,
		UserID:  "AIDA" + wire.UpperID(0, s.User, 0, 17),
		Account: s.Account,
	}), nil
}

// RenderError writes the error document of the Query protocol.
func (s *Service) RenderError(e *wire.Error, requestID string) wire.Reply {
	return wire.XMLError(namespace, e, requestID)
}
