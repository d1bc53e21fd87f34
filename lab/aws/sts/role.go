package sts

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"watari.dev/lab/aws/wire"
)

// Role is a role of the account with what it wants of who assumes it.
type Role struct {
	Name       string        `json:"name"`
	ExternalID string        `json:"externalID,omitempty"`
	MaxSession time.Duration `json:"maxSession,omitempty"` // 0: 1 h, as of IAM. Below that, which IAM does not allow, sessions end early whatever is asked for
	Subjects   []string      `json:"subjects,omitempty"`   // web identities that may; empty: all
}

// Bounds of a session (STS API Reference, AssumeRole: DurationSeconds).
const (
	shortestSession = 15 * time.Minute
	defaultSession  = time.Hour
	longestChained  = time.Hour // of a role that is assumed with a role's credentials
)

// assumed is a role that somebody asks for.
type assumed struct {
	role    Role
	session string
	length  time.Duration
}

func (s *Service) assumeRole(call wire.Call, values url.Values) (wire.Reply, *wire.Error) {
	a, failure := s.asked(values)
	if failure != nil {
		return wire.Reply{}, failure
	}
	if a.role.Name == "" || a.role.ExternalID != "" && a.role.ExternalID != values.Get("ExternalId") {
		return wire.Reply{}, denied("User: " + call.Caller.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + values.Get("RoleArn"))
	}
	if call.Caller.Role && a.length > longestChained {
		return wire.Reply{}, wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	return s.answer(call, a, nil), nil
}

// asked reads what AssumeRole and AssumeRoleWithWebIdentity have in common. A role
// that does not exist, or is not of this account, has no name.
func (s *Service) asked(values url.Values) (a assumed, failure *wire.Error) {
	if a.session, failure = sessionName(values); failure != nil {
		return a, failure
	}
	path, ours := strings.CutPrefix(values.Get("RoleArn"), s.arn("iam", "role/"))
	if !ours && !rolePattern.MatchString(values.Get("RoleArn")) {
		return a, wire.Errorf("ValidationError", "%s is invalid", values.Get("RoleArn"))
	}
	if ours {
		a.role = s.role(path[strings.LastIndexByte(path, '/')+1:])
	}
	longest := cmp.Or(a.role.MaxSession, defaultSession)
	a.length, failure = duration(values, defaultSession, 12*time.Hour)
	if failure == nil && a.length > max(longest, defaultSession) {
		return a, wire.Errorf("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	a.length = min(a.length, longest)
	return a, failure
}

func (s *Service) role(name string) Role {
	if len(s.Roles) == 0 {
		return Role{Name: name}
	}
	if i := slices.IndexFunc(s.Roles, func(r Role) bool { return r.Name == name }); i >= 0 {
		return s.Roles[i]
	}
	return Role{}
}

// identity is what a web identity's answer says in addition.
type identity struct {
	SubjectFromWebIdentityToken string
	Audience                    string
	Provider                    string
}

// answer gives out the credentials of a role.
func (s *Service) answer(call wire.Call, a assumed, web *identity) wire.Reply {
	id := "AROA" + wire.UpperID(0, a.role.Name, 1, 17) + ":" + a.session
	arn := s.arn("sts", "assumed-role/"+a.role.Name+"/"+a.session)
	session, token := s.issue(wire.Caller{ARN: arn, UserID: id, Role: true}, a.length)
	return wire.QueryReply(namespace, call.Action, call.RequestID, struct {
		Credentials      temporary
		AssumedRoleUser  user
		PackedPolicySize int
		*identity
	}{temporaryOf(session, token), user{ARN: arn, ID: id}, 0, web})
}

type user struct {
	ARN string `xml:"Arn"`
	ID  string `xml:"AssumedRoleId"`
}

var (
	rolePattern    = regexp.MustCompile(`^arn:aws[-a-z]*:iam::[0-9]{12}:role/.+$`)
	sessionPattern = regexp.MustCompile(`^[\w+=,.@-]*$`)
)

// sessionName is between 2 and 64 characters long (STS API Reference).
func sessionName(values url.Values) (string, *wire.Error) {
	name := values.Get("RoleSessionName")
	constraint := ""
	switch {
	case !values.Has("RoleSessionName"):
		return "", wire.Errorf("ValidationError", "1 validation error detected: Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null")
	case len(name) < 2:
		constraint = "Member must have length greater than or equal to 2"
	case len(name) > 64:
		constraint = "Member must have length less than or equal to 64"
	case !sessionPattern.MatchString(name):
		constraint = `Member must satisfy regular expression pattern: [\w+=,.@-]*`
	default:
		return name, nil
	}
	return "", wire.Errorf("ValidationError", "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: %s", name, constraint)
}

// duration is DurationSeconds, 15 minutes at least.
func duration(values url.Values, otherwise, longest time.Duration) (time.Duration, *wire.Error) {
	if !values.Has("DurationSeconds") {
		return otherwise, nil
	}
	text := values.Get("DurationSeconds")
	n, err := strconv.ParseInt(text, 10, 32)
	d := time.Duration(n) * time.Second
	switch {
	case err != nil:
		return 0, wire.Errorf("MalformedInput", "Parameter DurationSeconds: %q is not an integer", text)
	case d < shortestSession:
		return 0, wire.Errorf("ValidationError", "1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900", text)
	case d > longest:
		return 0, wire.Errorf("ValidationError", "1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to %d", text, longest/time.Second)
	}
	return d, nil
}
