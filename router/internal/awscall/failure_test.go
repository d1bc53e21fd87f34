package awscall

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
)

// TestAnAnswerThatIsNotOfAWS says nothing of permissions.
func TestAnAnswerThatIsNotOfAWS(t *testing.T) {
	const page = "<!DOCTYPE html>\n<html><head><title>Blocked</title></head><body><p>Access denied by policy<br>Ask IT</body></html>"
	const xml = `<ErrorResponse><Error><Code>AccessDenied</Code><Message>no policy</Message></Error><RequestId>1</RequestId></ErrorResponse>`
	for name, c := range map[string]struct {
		says  saying
		proxy bool
	}{
		"a page":                       {saying{http.StatusForbidden, page, http.Header{"Content-Type": {"text/html"}}}, true},
		"nothing":                      {saying{http.StatusForbidden, "", http.Header{}}, true},
		"a page for a sign-in":         {saying{http.StatusProxyAuthRequired, page, http.Header{}}, true},
		"AWS's":                        {saying{http.StatusForbidden, xml, http.Header{"X-Amzn-Requestid": {"1"}}}, false},
		"AWS's, its header on the way": {saying{http.StatusForbidden, xml, http.Header{}}, false},
	} {
		config := Config(aws.Config{Region: "eu-central-1", BaseEndpoint: aws.String("http://aws.test"), HTTPClient: c.says,
			Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", "")})
		_, first := elb.NewFromConfig(config).DescribeTargetGroups(t.Context(), &elb.DescribeTargetGroupsInput{})
		_, second := route53.NewFromConfig(config).ListHostedZones(t.Context(), &route53.ListHostedZonesInput{})
		for _, err := range []error{first, second} {
			got := ReadError("read", "it", err).Error()
			status := http.StatusText(c.says.status)
			is := strings.Contains(got, status+": the answer is not AWS's (no request ID): a proxy?; nothing was changed; see whether a proxy is on the way")
			if is != c.proxy || c.proxy && (strings.Contains(got, "Unknown") || strings.Contains(got, "permissions")) {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}
