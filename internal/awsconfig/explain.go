package awsconfig

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// CredentialsError says why credentials could not be found.
type CredentialsError struct {
	Tried string // which way was tried, with its profile or file
	Do    string // what to do; may be empty
	Err   error
}

// Error says what was tried and why it failed.
func (e *CredentialsError) Error() string { return e.Tried + ": " + reason(e.Err) }

// Unwrap returns what the SDK said.
func (e *CredentialsError) Unwrap() error { return e.Err }

// Advice says what to do. Drivers, which do not know this package, ask for it by this
// method.
func (e *CredentialsError) Advice() string { return e.Do }

// slowError is a search for credentials, or a part of it, that takes too long.
type slowError struct {
	after time.Duration
	cause error
}

func (e *slowError) Error() string {
	return "it has not ended within " + e.after.Round(100*time.Millisecond).String()
}
func (e *slowError) Unwrap() error { return e.cause }

// explain gives an error of the SDK the way that was tried and what to do about it.
func explain(w way, err error) *CredentialsError {
	if w.kind != byRole && asked(err, "AssumeRole") {
		w = roleOfProfile(w)
	}
	return &CredentialsError{Tried: w.text, Do: advise(w, err), Err: err}
}

// advise says what to do about a way that failed.
func advise(w way, err error) string {
	var knows interface{ Advice() string } // such as a clock that is off
	var slow *slowError
	switch {
	case errors.As(err, &knows):
		return knows.Advice()
	case errors.As(err, &slow) && strings.Contains(w.text, "the credential_process"):
		return "see why it takes so long: run the command of the profile by hand"
	case errors.As(err, &slow):
		return "see why it takes so long"
	case w.kind == byNothing, w.kind == byMachine:
		return "nothing here says who to be for AWS: name a profile (aws.profile, or AWS_PROFILE), sign in with aws sso login, or give the pod or the machine a role"
	case w.kind == byContainer:
		return adviseContainer(w, err)
	case w.kind == byProcess:
		return "run the command of the profile by hand: it must print JSON with Version 1, AccessKeyId and SecretAccessKey within a minute, and exit with 0"
	case w.absent:
		return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case unreachable(err):
		return "see that the address can be reached from here: network, proxy, VPC endpoint; AWS_ENDPOINT_URL_STS and AWS_ENDPOINT_URL_SSO name another"
	case w.kind == byRole:
		return adviseRole(w, err)
	case w.kind == byWebIdentity:
		return adviseWebIdentity(w, err)
	case w.kind == bySSO:
		return adviseSSO(w, err)
	case w.kind == byLogin:
		return "aws login --profile " + w.profile
	default:
		return "check the access key and its secret"
	}
}

func adviseRole(w way, err error) string {
	switch code(err) {
	case "AccessDenied":
		return "the trust policy of " + w.role + " must name who assumes it, and that one needs sts:AssumeRole for it"
	case "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch":
		return "renew the credentials that the role is assumed with"
	default:
		return "see what STS says of " + w.role
	}
}

func adviseWebIdentity(w way, err error) string {
	switch {
	case !asked(err, "AssumeRoleWithWebIdentity"): // there is no token
		return "the token must be there: give the pod's service account a role, which makes EKS write it, or unset AWS_WEB_IDENTITY_TOKEN_FILE"
	case code(err) == "ExpiredTokenException":
		return "the token has expired: Kubernetes writes a new one while the pod runs; see whether that is the file"
	case code(err) == "InvalidIdentityToken", code(err) == "IDPRejectedClaim":
		return "IAM must know the issuer of the token as an OIDC provider, with the audience of the token, which is sts.amazonaws.com"
	default:
		return "the trust policy of " + w.role + " must allow sts:AssumeRoleWithWebIdentity to this service account"
	}
}

// agents are the addresses of the EKS Pod Identity Agent (EKS User Guide, "Understand
// how EKS Pod Identity works").
var agents = []string{"169.254.170.23", "fd00:ec2::23"}

func adviseContainer(w way, err error) string {
	at, _ := url.Parse(w.at)
	_, absent := os.Stat(w.file)
	switch {
	case w.file != "" && absent != nil:
		return "the token must be in " + w.file + ", as AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE says"
	case unreachable(err) && at != nil && slices.Contains(agents, at.Hostname()):
		return "the EKS Pod Identity Agent must run on the node (add-on eks-pod-identity-agent), and NO_PROXY must name its address where there is a proxy"
	default:
		return "see that the agent answers there, and that a pod identity association or the task gives this one a role"
	}
}

func adviseSSO(w way, err error) string {
	if code(err) == "ForbiddenException" {
		return "you may not use role " + w.role + ": ask for it, or name another in profile " + w.profile
	}
	return "aws sso login --profile " + w.profile
}

// reason is what the SDK or AWS said, without the layers that it went through. What a
// credential_process printed may be a secret.
func reason(err error) string {
	var api smithy.APIError
	var process *processcreds.ProviderError
	var token *ssocreds.InvalidTokenError
	var network *url.Error
	var slow *slowError
	switch {
	case errors.As(err, &process):
		return process.Err.Error()
	case errors.As(err, &slow):
		return slow.Error()
	case errors.As(err, &token) && token.Err == nil:
		return "the session has expired"
	case errors.As(err, &api) && api.ErrorMessage() != "":
		return strings.TrimPrefix(api.ErrorCode()+": "+strings.Join(strings.Fields(api.ErrorMessage()), " "), ": ")
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer within " + searchTime.String()
	case errors.As(err, &network):
		return network.Error()
	default:
		return inner(err.Error())
	}
}

// layers are what the SDK puts before the reason.
var layers = []string{"get credentials: ", "failed to refresh cached credentials, ", "failed to retrieve jwt from provide source, "}

func inner(text string) string {
	for _, layer := range layers {
		if i := strings.LastIndex(text, layer); i >= 0 {
			text = text[i+len(layer):]
		}
	}
	return text
}

// asked reports whether a call of AWS was sent and failed, and not the search for the
// credentials to sign it with.
func asked(err error, operation string) bool {
	var op, last *smithy.OperationError
	for at := err; errors.As(at, &op); at = op.Err {
		last = op
	}
	var sent *smithyhttp.ResponseError
	return last != nil && last.OperationName == operation && errors.As(last.Err, &sent)
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// unreachable reports whether nobody answered.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) || errors.As(err, &dns)
}
