package aws

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	ekscluster "watari.dev/lab/aws/eks"
	"watari.dev/lab/fault"
)

// callAll makes one reading call to each service.
func (h *harness) callAll() map[string]error {
	errs := make(map[string]error)
	_, errs["elb"] = h.elb.DescribeLoadBalancers(h.ctx, &elb.DescribeLoadBalancersInput{})
	_, errs["route53"] = h.r53.ListHostedZones(h.ctx, &route53.ListHostedZonesInput{})
	_, errs["sts"] = h.sts.GetCallerIdentity(h.ctx, &sts.GetCallerIdentityInput{})
	_, errs["eks"] = h.eks.ListClusters(h.ctx, &eks.ListClustersInput{})
	return errs
}

func TestSignatures(t *testing.T) {
	h := start(t)
	for service, err := range h.callAll() {
		if err != nil {
			t.Errorf("%s with the right key: %v", service, err)
		}
	}
	h.connect("AKIALABEXAMPLE", "wrong")
	for service, err := range h.callAll() {
		wantCode(t, err, map[bool]string{true: "InvalidSignatureException", false: "SignatureDoesNotMatch"}[service == "eks"])
	}
	h.connect("AKIAUNKNOWN", "secret")
	for service, err := range h.callAll() {
		wantCode(t, err, map[bool]string{true: "UnrecognizedClientException", false: "InvalidClientTokenId"}[service == "eks"])
	}
}

func TestClockSkew(t *testing.T) {
	for _, c := range []struct {
		off  time.Duration
		good []string // who does not mind
		says string
	}{
		{4 * time.Minute, []string{"elb", "route53", "sts", "eks"}, ""},
		{-4 * time.Minute, []string{"elb", "route53", "sts", "eks"}, ""},
		{10 * time.Minute, []string{"sts"}, "Signature expired: "},
		{-10 * time.Minute, []string{"sts"}, "Signature not yet current: "},
		{20 * time.Minute, nil, "Signature expired: "},
		{-20 * time.Minute, nil, "Signature not yet current: "},
	} {
		h := start(t, withToken)
		h.inject(fault.AWS{Kind: fault.Clock, Off: c.off, For: time.Minute})
		for service, err := range h.callAll() {
			if slices.Contains(c.good, service) {
				if err != nil {
					t.Errorf("%s, off by %s: %v", service, c.off, err)
				}
				continue
			}
			wantCode(t, err, map[bool]string{true: "InvalidSignatureException", false: "SignatureDoesNotMatch"}[service == "eks"])
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, off by %s: %v", service, c.off, err)
			}
		}
	}
}

// TestAClockThatIsOffIsCorrected: the SDK's own retryer signs by the Date of the
// answer, and again when the clock is right again.
func TestAClockThatIsOffIsCorrected(t *testing.T) {
	h := start(t, withToken)
	client := elb.New(elb.Options{
		Region: "eu-central-1", BaseEndpoint: sdk.String(h.url), Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
	call := func() error {
		_, err := client.DescribeLoadBalancers(h.ctx, &elb.DescribeLoadBalancersInput{})
		return err
	}
	for _, off := range []time.Duration{10 * time.Minute, -3 * time.Hour} {
		id := h.inject(fault.AWS{Kind: fault.Clock, Service: "elbv2", Off: off, For: time.Minute})
		if err := call(); err != nil {
			t.Errorf("off by %s: %v", off, err)
		}
		if _, err := h.server.Rules().Heal(h.ctx, id); err != nil {
			t.Fatal(err)
		}
		if err := call(); err != nil {
			t.Errorf("right again: %v", err)
		}
	}
	if got := h.server.calls.read()["elasticloadbalancing"][""]["SignatureDoesNotMatch"]; got != 4 {
		t.Errorf("%d calls refused, want one for each time that the clock was set", got)
	}
}

// TestTampering signs a request with the SDK's signer, changes one thing and
// expects a refusal; unchanged, the same request is accepted.
func TestTampering(t *testing.T) {
	h := start(t)
	const body = "Action=DescribeRules&Version=2015-12-01&ListenerArn=x"
	send := func(change func(*http.Request)) (int, string) {
		r, err := http.NewRequest(http.MethodPost, h.url+"/some%20path/*?b=2&a=1%2F3&a=0", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Lab", "  two   words ")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		creds := sdk.Credentials{AccessKeyID: "AKIALABEXAMPLE", SecretAccessKey: "secret"}
		if err := v4.NewSigner().SignHTTP(h.ctx, creds, r, hexSHA256([]byte(body)), "elasticloadbalancing", "eu-central-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		change(r)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if answer.Header.Get("x-amzn-RequestId") == "" {
			t.Error("an answer has no request id")
		}
		return answer.StatusCode, string(must(t, text, err))
	}
	if status, text := send(func(*http.Request) {}); status != 400 || !strings.Contains(text, "<Code>ListenerNotFound</Code>") {
		t.Errorf("untouched: got %d %s", status, text)
	}
	tests := []struct {
		name   string
		change func(*http.Request)
		status int
		code   string
	}{
		{"body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Replace(body, "x", "y", 1))) }, 403, "SignatureDoesNotMatch"},
		{"query", func(r *http.Request) { r.URL.RawQuery = "a=1" }, 403, "SignatureDoesNotMatch"},
		{"path", func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/other", "" }, 403, "SignatureDoesNotMatch"},
		{"signed header", func(r *http.Request) { r.Header.Set("X-Lab", "three") }, 403, "SignatureDoesNotMatch"},
		{"method", func(r *http.Request) { r.Method = "PUT" }, 403, "SignatureDoesNotMatch"},
		{"region", func(r *http.Request) { replaceAuth(r, "eu-central-1", "us-east-1") }, 403, "SignatureDoesNotMatch"},
		{"service", func(r *http.Request) { replaceAuth(r, "/elasticloadbalancing/", "/dynamodb/") }, 403, "SignatureDoesNotMatch"},
		{"terminator", func(r *http.Request) { replaceAuth(r, "aws4_request", "aws5_request") }, 400, "IncompleteSignature"},
		{"host not signed", func(r *http.Request) { replaceAuth(r, "host;", "") }, 403, "SignatureDoesNotMatch"},
		{"payload hash", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "00") }, 403, "SignatureDoesNotMatch"},
		{"session token", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, 403, "InvalidClientTokenId"},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 400, "IncompleteSignature"},
		{"no signature", func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken"},
		{"other algorithm", func(r *http.Request) { r.Header.Set("Authorization", "Basic eA==") }, 400, "IncompleteSignature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, text := send(tt.change); status != tt.status || !strings.Contains(text, "<Code>"+tt.code+"</Code>") {
				t.Errorf("got %d %s, want %d %s", status, text, tt.status, tt.code)
			}
		})
	}
}

func replaceAuth(r *http.Request, old, replacement string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, replacement, 1))
}

func TestCallerIdentityAndClusters(t *testing.T) {
	h := start(t, func(c *Config) {
		c.Clusters = []ekscluster.Cluster{
			{Name: "target", Version: "1.36", Endpoint: "https://127.0.0.1:2", CA: []byte("pem"), Created: time.Unix(1700000000, 0)},
			{Name: "source", Version: "1.33", Endpoint: "https://127.0.0.1:1"},
		}
	})
	who, err := h.sts.GetCallerIdentity(h.ctx, &sts.GetCallerIdentityInput{})
	if must(t, who, err); *who.Account != "123456789012" || *who.Arn != "arn:aws:iam::123456789012:user/lab" {
		t.Errorf("got %s %s", *who.Account, *who.Arn)
	}
	list, err := h.eks.ListClusters(h.ctx, &eks.ListClustersInput{MaxResults: sdk.Int32(1)})
	if must(t, list, err); len(list.Clusters) != 1 || list.Clusters[0] != "source" || list.NextToken == nil {
		t.Fatalf("got %v, next %v", list.Clusters, list.NextToken)
	}
	list, err = h.eks.ListClusters(h.ctx, &eks.ListClustersInput{NextToken: list.NextToken})
	if must(t, list, err); len(list.Clusters) != 1 || list.Clusters[0] != "target" || list.NextToken != nil {
		t.Errorf("got %v, next %v", list.Clusters, list.NextToken)
	}
	one, err := h.eks.DescribeCluster(h.ctx, &eks.DescribeClusterInput{Name: sdk.String("target")})
	c := must(t, one, err).Cluster
	if *c.Version != "1.36" || *c.Endpoint != "https://127.0.0.1:2" || *c.CertificateAuthority.Data != "cGVt" || c.CreatedAt.Unix() != 1700000000 || *c.Arn != "arn:aws:eks:eu-central-1:123456789012:cluster/target" {
		t.Errorf("got %+v", c)
	}
	_, err = h.eks.DescribeCluster(h.ctx, &eks.DescribeClusterInput{Name: sdk.String("gone")})
	wantCode(t, err, "ResourceNotFoundException")
	_, err = h.eks.ListClusters(h.ctx, &eks.ListClustersInput{MaxResults: sdk.Int32(101)})
	wantCode(t, err, "InvalidParameterException")
}

func TestUnknownActions(t *testing.T) {
	h := start(t)
	_, err := h.elb.DescribeTrustStores(h.ctx, &elb.DescribeTrustStoresInput{})
	wantCode(t, err, "InvalidAction")
	_, err = h.r53.ListHealthChecks(h.ctx, &route53.ListHealthChecksInput{})
	wantCode(t, err, "InvalidAction")
	_, err = h.sts.GetFederationToken(h.ctx, &sts.GetFederationTokenInput{Name: sdk.String("lab")})
	wantCode(t, err, "InvalidAction")
	_, err = h.eks.ListNodegroups(h.ctx, &eks.ListNodegroupsInput{ClusterName: sdk.String("c")})
	wantCode(t, err, "InvalidAction")
}
