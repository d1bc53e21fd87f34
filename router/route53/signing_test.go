package route53

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"watari.dev/router"
)

// TestSignedForThePartition: Route 53 has one region in each partition, whichever is
// configured, and at an endpoint of one's own as well.
func TestSignedForThePartition(t *testing.T) {
	var scope atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope.Store(r.Header.Get("Authorization"))
		fmt.Fprint(w, `<ListResourceRecordSetsResponse><ResourceRecordSets></ResourceRecordSets><IsTruncated>false</IsTruncated></ListResourceRecordSetsResponse>`)
	}))
	defer server.Close()
	for region, want := range map[string]string{
		"us-east-1": "us-east-1", "eu-central-1": "us-east-1", "ap-southeast-7": "us-east-1",
		"cn-north-1": "cn-northwest-1", "us-gov-east-1": "us-gov-west-1", "eusc-de-east-1": "eusc-de-east-1",
		"us-iso-west-1": "us-iso-east-1", "us-isob-west-1": "us-isob-east-1", "eu-isoe-west-1": "eu-isoe-west-1", "us-isof-east-1": "us-isof-south-1",
	} {
		d := New(Options{Config: aws.Config{
			Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
		}, Limiter: NewLimiter(1e6)})
		_, err := d.Read(t.Context(), router.Ref{Name: "r", Driver: "route53", ID: "Z1", Names: []string{"a.example.com"}, Type: "A", Source: "s", Target: "t"})
		if got := fmt.Sprint(scope.Swap("")); !strings.Contains(got, "/"+want+"/route53/aws4_request") {
			t.Errorf("%s is signed %q, want it for %s: %v", region, got, want, err)
		}
	}
}
