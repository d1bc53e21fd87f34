package awsconfig

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestRoute53ByPartition: the region that is loaded makes the SDK's own rules choose the
// partition's Route 53 and its signature.
func TestRoute53ByPartition(t *testing.T) {
	const keys = "aws_access_key_id = AKID\naws_secret_access_key = secret\n"
	role := func(partition string) string { return "arn:" + partition + ":iam::111122223333:role/watari" }
	for name, c := range map[string]struct {
		profile  string
		env      map[string]string
		settings Settings
		host     string
		signs    string
	}{
		"nothing":                     {keys, nil, Settings{}, "route53.amazonaws.com", "us-east-1"},
		"a region":                    {keys, nil, Settings{Region: "eu-central-1"}, "route53.amazonaws.com", "us-east-1"},
		"a region of China":           {keys, nil, Settings{Region: "cn-north-1"}, "route53.amazonaws.com.cn", "cn-northwest-1"},
		"the environment's in China":  {keys, map[string]string{"AWS_REGION": "cn-north-1"}, Settings{}, "route53.amazonaws.com.cn", "cn-northwest-1"},
		"the profile's of GovCloud":   {keys + "region = us-gov-east-1\n", nil, Settings{}, "route53.us-gov.amazonaws.com", "us-gov-west-1"},
		"a region of Europe's":        {keys, nil, Settings{Region: "eusc-de-east-1"}, "route53.amazonaws.eu", "eusc-de-east-1"},
		"a secret region":             {keys, nil, Settings{Region: "us-iso-west-1"}, "route53.c2s.ic.gov", "us-iso-east-1"},
		"another secret region":       {keys, nil, Settings{Region: "us-isob-west-1"}, "route53.sc2s.sgov.gov", "us-isob-east-1"},
		"a role":                      {keys, nil, Settings{RoleARN: role("aws")}, "route53.amazonaws.com", "us-east-1"},
		"a role of China":             {keys, nil, Settings{RoleARN: role("aws-cn")}, "route53.amazonaws.com.cn", "cn-northwest-1"},
		"a role of GovCloud":          {keys, nil, Settings{RoleARN: role("aws-us-gov")}, "route53.us-gov.amazonaws.com", "us-gov-west-1"},
		"a role of Europe's":          {keys, nil, Settings{RoleARN: role("aws-eusc")}, "route53.amazonaws.eu", "eusc-de-east-1"},
		"a secret role":               {keys, nil, Settings{RoleARN: role("aws-iso")}, "route53.c2s.ic.gov", "us-iso-east-1"},
		"another secret role":         {keys, nil, Settings{RoleARN: role("aws-iso-b")}, "route53.sc2s.sgov.gov", "us-isob-east-1"},
		"a secret role elsewhere":     {keys, nil, Settings{RoleARN: role("aws-iso-e")}, "route53.cloud.adc-e.uk", "eu-isoe-west-1"},
		"one more":                    {keys, nil, Settings{RoleARN: role("aws-iso-f")}, "route53.csp.hci.ic.gov", "us-isof-south-1"},
		"a web identity of GovCloud":  {"", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": role("aws-us-gov")}, Settings{}, "route53.us-gov.amazonaws.com", "us-gov-west-1"},
		"the role of the profile":     {"role_arn = " + role("aws-cn") + "\nsource_profile = keys\n[profile keys]\n" + keys, nil, Settings{}, "route53.amazonaws.com.cn", "cn-northwest-1"},
		"single sign-on of GovCloud":  {"sso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Admin\n[sso-session corp]\nsso_region = us-gov-east-1\nsso_start_url = https://corp.example.com\n", nil, Settings{}, "route53.us-gov.amazonaws.com", "us-gov-west-1"},
		"what the migration is about": {keys, nil, Settings{Partition: "aws-cn"}, "route53.amazonaws.com.cn", "cn-northwest-1"},
		"a role goes before that":     {keys, nil, Settings{Partition: "aws-cn", RoleARN: role("aws")}, "route53.amazonaws.com", "us-east-1"},
		"a region goes before a role": {keys, nil, Settings{RoleARN: role("aws-cn"), Region: "us-gov-west-1"}, "route53.us-gov.amazonaws.com", "us-gov-west-1"},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t, "[default]\n"+c.profile)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			c.settings.Global = true
			cfg, err := Load(t.Context(), c.settings)
			if err != nil {
				t.Fatal(err)
			}
			at, err := route53.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), route53.EndpointParameters{Region: aws.String(cfg.Region)}.WithDefaults())
			if err != nil {
				t.Fatal(err)
			}
			options, _ := smithyauth.GetAuthOptions(&at.Properties)
			signs := ""
			for _, o := range options {
				signs, _ = smithyhttp.GetSigV4SigningRegion(&o.SignerProperties)
			}
			if at.URI.Host != c.host || signs != c.signs {
				t.Errorf("at %s, signed for %s; want %s, %s", at.URI.Host, signs, c.host, c.signs)
			}
		})
	}
}

// TestNoRegionIsMadeUp: a partition that is not known has none, and a load balancer is
// in a region.
func TestNoRegionIsMadeUp(t *testing.T) {
	for _, s := range []Settings{
		{Global: true, RoleARN: "arn:aws-moon:iam::111122223333:role/watari"},
		{RoleARN: "arn:aws-cn:iam::111122223333:role/watari"},
	} {
		isolate(t, "[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n")
		if _, err := Load(t.Context(), s); err == nil || !strings.Contains(err.Error(), "no region is known") {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// TestServicesByPartition: what is in a region is asked at the partition's own address.
func TestServicesByPartition(t *testing.T) {
	for region, c := range map[string]struct{ suffix, global string }{
		"eu-central-1":   {".eu-central-1.amazonaws.com:443", "route53.amazonaws.com:443"},
		"cn-north-1":     {".cn-north-1.amazonaws.com.cn:443", "route53.amazonaws.com.cn:443"},
		"us-gov-east-1":  {".us-gov-east-1.amazonaws.com:443", "route53.us-gov.amazonaws.com:443"},
		"us-iso-east-1":  {".us-iso-east-1.c2s.ic.gov:443", "route53.c2s.ic.gov:443"},
		"us-isob-east-1": {".us-isob-east-1.sc2s.sgov.gov:443", "route53.sc2s.sgov.gov:443"},
		"eusc-de-east-1": {".eusc-de-east-1.amazonaws.eu:443", "route53.amazonaws.eu:443"},
	} {
		for service, want := range map[string]string{"elb": "elasticloadbalancing" + c.suffix, "cloudwatch": "monitoring" + c.suffix, "route53": c.global} {
			isolate(t, "[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n")
			dialed := ""
			cfg, err := Load(t.Context(), Settings{Region: region, Global: service == "route53", more: network(func(_ context.Context, _, address string) (net.Conn, error) {
				dialed = address
				return nil, errors.New("no way there")
			})})
			if err != nil {
				t.Fatal(err)
			}
			if err := call[service](t.Context(), cfg); err == nil || dialed != want {
				t.Errorf("%s in %s is asked at %q, want %q: %v", service, region, dialed, want, err)
			}
		}
	}
}
