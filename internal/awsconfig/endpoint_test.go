package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
)

// place is a server that notes for which services it is called. It gives roles, and
// refuses the rest.
type place struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newPlace(t *testing.T) *place {
	p := &place{}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *place) serve(w http.ResponseWriter, r *http.Request) {
	service := "portal"
	if scope := strings.Split(r.Header.Get("Authorization"), "/"); len(scope) > 3 {
		service = scope[3]
	}
	p.mu.Lock()
	p.asked = append(p.asked, service)
	p.mu.Unlock()
	switch service {
	case "sts":
		fmt.Fprint(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>`+
			`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	case "portal":
		fmt.Fprint(w, `{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}`)
	default:
		http.Error(w, "no", http.StatusBadRequest)
	}
}

// calls returns for which services it was called, each once.
func (p *place) calls() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := slices.Clone(p.asked)
	slices.Sort(asked)
	return strings.Join(slices.Compact(asked), " ")
}

// call makes one call of each service, which the place refuses.
var call = map[string]func(context.Context, aws.Config) error{
	"elb": func(ctx context.Context, c aws.Config) error {
		_, err := elb.NewFromConfig(c).DescribeRules(ctx, &elb.DescribeRulesInput{})
		return err
	},
	"route53": func(ctx context.Context, c aws.Config) error {
		_, err := route53.NewFromConfig(c).ListHostedZones(ctx, &route53.ListHostedZonesInput{})
		return err
	},
	"cloudwatch": func(ctx context.Context, c aws.Config) error {
		_, err := cloudwatch.NewFromConfig(c).ListMetrics(ctx, &cloudwatch.ListMetricsInput{})
		return err
	},
}

// TestAnEndpointIsOfItsServiceOnly: nobody else is sent there, and the SDK's settings
// for the service go first.
func TestAnEndpointIsOfItsServiceOnly(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/watari"
	const v2 = "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2"
	for name, c := range map[string]struct {
		profile string // lines of it; FILE, SDK and OTHER are the three places
		env     map[string]string
		service string // elb where it is empty
		noFile  bool   // no endpointURL
		noRole  bool
		want    map[string]string // calls by place
	}{
		"a role, with an endpoint of STS":             {env: map[string]string{"AWS_ENDPOINT_URL_STS": "SDK"}, want: map[string]string{"FILE": "elasticloadbalancing", "SDK": "sts"}},
		"a role, with an endpoint of everything":      {env: map[string]string{"AWS_ENDPOINT_URL": "SDK"}, want: map[string]string{"FILE": "elasticloadbalancing", "SDK": "sts"}},
		"a role, with one of everything in a profile": {profile: "endpoint_url = SDK", want: map[string]string{"FILE": "elasticloadbalancing", "SDK": "sts"}},
		"the SDK's own for the service": {
			env: map[string]string{v2: "OTHER", "AWS_ENDPOINT_URL_STS": "SDK"}, want: map[string]string{"OTHER": "elasticloadbalancing", "SDK": "sts"},
		},
		"the SDK's own in a profile": {
			profile: "services = mine\n[services mine]\nelastic_load_balancing_v2 =\n  endpoint_url = OTHER\nsts =\n  endpoint_url = SDK",
			want:    map[string]string{"OTHER": "elasticloadbalancing", "SDK": "sts"},
		},
		"the SDK's own of another service": {
			env: map[string]string{v2: "OTHER", "AWS_ENDPOINT_URL_STS": "SDK"}, service: "route53", want: map[string]string{"FILE": "route53", "SDK": "sts"},
		},
		"metrics": {env: map[string]string{"AWS_ENDPOINT_URL_STS": "SDK"}, service: "cloudwatch", want: map[string]string{"FILE": "monitoring", "SDK": "sts"}},
		"the SDK's are ignored": {
			env: map[string]string{v2: "OTHER", "AWS_ENDPOINT_URL": "OTHER", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, noRole: true,
			want: map[string]string{"FILE": "elasticloadbalancing"},
		},
		"nothing in the file": {env: map[string]string{"AWS_ENDPOINT_URL": "SDK"}, noFile: true, want: map[string]string{"SDK": "elasticloadbalancing sts"}},
	} {
		t.Run(name, func(t *testing.T) {
			places := map[string]*place{"FILE": newPlace(t), "SDK": newPlace(t), "OTHER": newPlace(t)}
			fill := strings.NewReplacer("FILE", places["FILE"].URL, "SDK", places["SDK"].URL, "OTHER", places["OTHER"].URL)
			isolate(t, "[default]\nregion = eu-west-1\naws_access_key_id = AKID\naws_secret_access_key = secret\n"+fill.Replace(c.profile)+"\n")
			for name, value := range c.env {
				t.Setenv(name, fill.Replace(value))
			}
			s := Settings{RoleARN: role, EndpointURL: places["FILE"].URL}
			if c.noFile {
				s.EndpointURL = ""
			}
			if c.noRole {
				s.RoleARN = ""
			}
			cfg, err := Load(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			service := c.service
			if service == "" {
				service = "elb"
			}
			answer := call[service](t.Context(), cfg)
			for name, p := range places {
				if got := p.calls(); got != c.want[name] {
					t.Errorf("%s was asked for %q, want %q: %v", name, got, c.want[name], answer)
				}
			}
		})
	}
}

// TestSTSIsAskedAtAWS: where nothing names an endpoint of STS it is AWS's own, in the
// region, and never the one of the service.
func TestSTSIsAskedAtAWS(t *testing.T) {
	for region, want := range map[string]string{
		"eu-central-1": "sts.eu-central-1.amazonaws.com:443", "cn-north-1": "sts.cn-north-1.amazonaws.com.cn:443",
		"us-gov-west-1": "sts.us-gov-west-1.amazonaws.com:443", "eusc-de-east-1": "sts.eusc-de-east-1.amazonaws.eu:443",
	} {
		isolate(t, "[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n")
		var dialed string
		p := newPlace(t)
		s := Settings{Region: region, RoleARN: "arn:aws:iam::111122223333:role/watari", EndpointURL: p.URL}
		s.more = network(func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = address
			return nil, errors.New("no way there")
		})
		t.Setenv("AWS_MAX_ATTEMPTS", "1")
		cfg, err := Load(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cfg.Credentials.Retrieve(t.Context()); err == nil || dialed != want || p.calls() != "" {
			t.Errorf("%s: %q was asked, want %q; the endpoint was asked for %q: %v", region, dialed, want, p.calls(), err)
		}
	}
}

func TestSingleSignOnIsNotAskedAtTheEndpoint(t *testing.T) {
	home := isolate(t, ssoProfile)
	keep(t, home, "corp", `{"accessToken": "t", "expiresAt": "2099-01-01T00:00:00Z"}`)
	endpoint, portal := newPlace(t), newPlace(t)
	t.Setenv("AWS_ENDPOINT_URL_SSO", portal.URL)
	cfg, err := Load(t.Context(), Settings{Profile: "dev", EndpointURL: endpoint.URL})
	if err != nil {
		t.Fatal(err)
	}
	answer := call["elb"](t.Context(), cfg)
	if endpoint.calls() != "elasticloadbalancing" || portal.calls() != "portal" {
		t.Errorf("the endpoint was asked for %q, the portal for %q: %v", endpoint.calls(), portal.calls(), answer)
	}
}
