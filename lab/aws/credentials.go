package aws

import (
	"net/http"
	"time"

	"watari.dev/lab/aws/wire"
)

// authenticate says who has signed a request, or why that is nobody. By now signatures
// are judged; sessions end by the clock that they were given out by.
func (s *Server) authenticate(r *http.Request, body []byte, sig signature, now time.Time) (wire.Caller, *wire.Error) {
	token := r.Header.Get("X-Amz-Security-Token")
	if sig.accessKey == s.conf.AccessKey && token == "" {
		return s.sts.UserCaller(), s.conf.verify(r, body, sig, s.conf.SecretKey, now)
	}
	session, known := s.sts.Session(sig.accessKey, token)
	if !known {
		return wire.Caller{}, &wire.Error{Status: http.StatusForbidden, Code: "InvalidClientTokenId", Message: "The security token included in the request is invalid."}
	}
	if failure := s.conf.verify(r, body, sig, session.Secret, now); failure != nil {
		return wire.Caller{}, failure
	}
	if !s.now().Before(session.Expires) {
		return wire.Caller{}, expiredToken()
	}
	return session.Caller, nil
}

// globalRegion is what a service signs for that is called without a region; empty for
// one that has none: Route 53 in each partition, and the global endpoint of STS (AWS
// General Reference, "Amazon Route 53 endpoints" and "AWS STS endpoints").
func globalRegion(service, region string) string {
	partition := wire.PartitionOf(region)
	if service == "route53" || service == "sts" && partition.Name == "aws" {
		return partition.Global
	}
	return ""
}
