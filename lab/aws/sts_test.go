package aws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	labsts "watari.dev/lab/aws/sts"
	"watari.dev/lab/fault"
)

const role = "arn:aws:iam::123456789012:role/watari"

// as makes all clients those of temporary credentials.
func (h *harness) as(c *types.Credentials) {
	h.connectAs(credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken))
}

func (h *harness) assume(name string) *types.Credentials {
	h.Helper()
	out, err := h.sts.AssumeRole(h.ctx, &sts.AssumeRoleInput{RoleArn: sdk.String(role), RoleSessionName: &name})
	return must(h.T, out, err).Credentials
}

func TestAssumedRole(t *testing.T) {
	h := start(t)
	creds := h.assume("night")
	if !strings.HasPrefix(*creds.AccessKeyId, "ASIA") || len(*creds.SecretAccessKey) != 40 {
		t.Errorf("got %s, a secret of %d characters", *creds.AccessKeyId, len(*creds.SecretAccessKey))
	}
	if left := time.Until(*creds.Expiration); left < 59*time.Minute || left > time.Hour {
		t.Errorf("they end in %s", left)
	}
	h.as(creds)
	for service, err := range h.callAll() {
		if err != nil {
			t.Errorf("%s with a role: %v", service, err)
		}
	}
	who, err := h.sts.GetCallerIdentity(h.ctx, &sts.GetCallerIdentityInput{})
	must(t, who, err)
	if *who.Arn != "arn:aws:sts::123456789012:assumed-role/watari/night" || !strings.HasPrefix(*who.UserId, "AROA") || !strings.HasSuffix(*who.UserId, ":night") || *who.Account != "123456789012" {
		t.Errorf("got %s %s %s", *who.Arn, *who.UserId, *who.Account)
	}
}

// TestTemporaryCredentialsAreChecked changes one thing of good ones.
func TestTemporaryCredentialsAreChecked(t *testing.T) {
	h := start(t)
	good, other := h.assume("one"), h.assume("two")
	forged := strings.Replace(*good.SessionToken, (*good.SessionToken)[60:61], map[bool]string{true: "B", false: "A"}[(*good.SessionToken)[60] == 'A'], 1)
	for name, c := range map[string]struct {
		key, secret, token string
		code, json         string
	}{
		"no token":        {*good.AccessKeyId, *good.SecretAccessKey, "", "InvalidClientTokenId", "UnrecognizedClientException"},
		"another's token": {*good.AccessKeyId, *good.SecretAccessKey, *other.SessionToken, "InvalidClientTokenId", "UnrecognizedClientException"},
		"a forged token":  {*good.AccessKeyId, *good.SecretAccessKey, forged, "InvalidClientTokenId", "UnrecognizedClientException"},
		"no real token":   {*good.AccessKeyId, *good.SecretAccessKey, "x", "InvalidClientTokenId", "UnrecognizedClientException"},
		"wrong secret":    {*good.AccessKeyId, *other.SecretAccessKey, *good.SessionToken, "SignatureDoesNotMatch", "InvalidSignatureException"},
		"the user's key":  {"AKIALABEXAMPLE", "secret", *good.SessionToken, "InvalidClientTokenId", "UnrecognizedClientException"},
	} {
		t.Run(name, func(t *testing.T) {
			h.connectAs(credentials.NewStaticCredentialsProvider(c.key, c.secret, c.token))
			for service, err := range h.callAll() {
				wantCode(t, err, map[bool]string{true: c.json, false: c.code}[service == "eks"])
			}
		})
	}
}

func TestTemporaryCredentialsExpire(t *testing.T) {
	h := start(t, func(c *Config) { c.Roles = []labsts.Role{{Name: "watari", MaxSession: 2 * time.Minute}} })
	creds := h.assume("short")
	h.as(creds)
	end := *creds.Expiration
	h.server.now = func() time.Time { return end.Add(-time.Second) }
	for service, err := range h.callAll() {
		if err != nil {
			t.Errorf("%s before the end: %v", service, err)
		}
	}
	h.server.now = func() time.Time { return end }
	for service, err := range h.callAll() {
		wantCode(t, err, map[bool]string{true: "ExpiredTokenException", false: "ExpiredToken"}[service == "eks"])
	}
}

// TestAnEmulatorThatWasStartedAgainKnowsItsSessions: migrations outlive it.
func TestAnEmulatorThatWasStartedAgainKnowsItsSessions(t *testing.T) {
	first, second := start(t), start(t)
	second.as(first.assume("before"))
	if who, err := second.sts.GetCallerIdentity(second.ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Error(who, err)
	}
	third := start(t, func(c *Config) { c.SecretKey = "another" })
	third.as(first.assume("before"))
	_, err := third.sts.GetCallerIdentity(third.ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, err, "InvalidClientTokenId")
}

func TestWhatARoleRefuses(t *testing.T) {
	h := start(t, func(c *Config) {
		c.Roles = []labsts.Role{{Name: "watari"}, {Name: "guarded", ExternalID: "42"}, {Name: "long", MaxSession: 4 * time.Hour}}
	})
	arn := func(name string) *string { return sdk.String("arn:aws:iam::123456789012:role/teams/" + name) }
	ask := func(in sts.AssumeRoleInput) error {
		if in.RoleSessionName == nil {
			in.RoleSessionName = sdk.String("x1")
		}
		_, err := h.sts.AssumeRole(h.ctx, &in)
		return err
	}
	for name, c := range map[string]struct {
		in   sts.AssumeRoleInput
		code string
	}{
		"a role that is not there":  {sts.AssumeRoleInput{RoleArn: arn("gone")}, "AccessDenied"},
		"another account's":         {sts.AssumeRoleInput{RoleArn: sdk.String("arn:aws:iam::210987654321:role/watari")}, "AccessDenied"},
		"another partition's":       {sts.AssumeRoleInput{RoleArn: sdk.String("arn:aws-cn:iam::123456789012:role/watari")}, "AccessDenied"},
		"no role's ARN":             {sts.AssumeRoleInput{RoleArn: sdk.String("arn:aws:iam::123456789012:user/lab")}, "ValidationError"},
		"no external ID":            {sts.AssumeRoleInput{RoleArn: arn("guarded")}, "AccessDenied"},
		"a session of one letter":   {sts.AssumeRoleInput{RoleArn: arn("watari"), RoleSessionName: sdk.String("x")}, "ValidationError"},
		"a session with a space":    {sts.AssumeRoleInput{RoleArn: arn("watari"), RoleSessionName: sdk.String("a b")}, "ValidationError"},
		"too short":                 {sts.AssumeRoleInput{RoleArn: arn("watari"), DurationSeconds: sdk.Int32(899)}, "ValidationError"},
		"longer than the role's":    {sts.AssumeRoleInput{RoleArn: arn("watari"), DurationSeconds: sdk.Int32(3601)}, "ValidationError"},
		"longer than anybody's":     {sts.AssumeRoleInput{RoleArn: arn("long"), DurationSeconds: sdk.Int32(12*3600 + 1)}, "ValidationError"},
		"as long as the role's may": {sts.AssumeRoleInput{RoleArn: arn("long"), DurationSeconds: sdk.Int32(4 * 3600)}, ""},
		"with its external ID":      {sts.AssumeRoleInput{RoleArn: arn("guarded"), ExternalId: sdk.String("42")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(c.in); c.code != "" {
				wantCode(t, err, c.code)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	out, err := h.sts.AssumeRole(h.ctx, &sts.AssumeRoleInput{RoleArn: arn("watari"), RoleSessionName: sdk.String("first")})
	h.as(must(t, out, err).Credentials)
	wantCode(t, ask(sts.AssumeRoleInput{RoleArn: arn("long"), DurationSeconds: sdk.Int32(3601)}), "ValidationError") // chained
	if err := ask(sts.AssumeRoleInput{RoleArn: arn("long")}); err != nil {
		t.Error(err)
	}
	_, err = h.sts.GetSessionToken(h.ctx, &sts.GetSessionTokenInput{})
	wantCode(t, err, "AccessDenied")
}

func TestSessionOfTheUser(t *testing.T) {
	h := start(t)
	out, err := h.sts.GetSessionToken(h.ctx, &sts.GetSessionTokenInput{DurationSeconds: sdk.Int32(3600)})
	h.as(must(t, out, err).Credentials)
	who, err := h.sts.GetCallerIdentity(h.ctx, &sts.GetCallerIdentityInput{})
	if must(t, who, err); *who.Arn != "arn:aws:iam::123456789012:user/lab" {
		t.Errorf("got %s", *who.Arn)
	}
	if _, err := h.elb.DescribeLoadBalancers(h.ctx, &elb.DescribeLoadBalancersInput{}); err != nil {
		t.Error(err)
	}
}

// token is a JSON Web Token signed with key.
func token(t *testing.T, key crypto.Signer, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	header := `{"alg":"RS256"}`
	if _, is := key.(*ecdsa.PrivateKey); is {
		header = `{"alg":"ES256"}`
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	var signature []byte
	if ec, is := key.(*ecdsa.PrivateKey); is {
		r, s, err := ecdsa.Sign(rand.Reader, ec, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	} else if signature, err = key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func public(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestWebIdentity(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const rsaIssuer, ecIssuer = "https://oidc.eks.eu-central-1.amazonaws.com/id/A", "https://issuer.example.com"
	const subject = "system:serviceaccount:watari:watari"
	h := start(t, func(c *Config) {
		c.Roles = []labsts.Role{{Name: "watari", Subjects: []string{subject}}}
		c.Providers = []labsts.Provider{{Issuer: rsaIssuer, Key: public(t, rsaKey)}, {Issuer: ecIssuer, Audiences: []string{"lab"}, Key: public(t, ecKey)}}
	})
	h.connectAs(sdk.AnonymousCredentials{}) // the token is all that there is
	claims := func(change ...any) map[string]any {
		all := map[string]any{"iss": rsaIssuer, "sub": subject, "aud": []string{"sts.amazonaws.com"}, "exp": time.Now().Add(time.Hour).Unix()}
		for i := 0; i < len(change); i += 2 {
			all[change[i].(string)] = change[i+1]
		}
		return all
	}
	whole := token(t, rsaKey, claims())
	for name, c := range map[string]struct {
		token string
		code  string
	}{
		"of a cluster":        {whole, ""},
		"of another provider": {token(t, ecKey, claims("iss", ecIssuer, "aud", "lab")), ""},
		"of a stranger":       {token(t, rsaKey, claims("iss", "https://stranger.example.com")), "InvalidIdentityToken"},
		"signed by another":   {token(t, ecKey, claims()), "InvalidIdentityToken"},
		"changed":             {whole[:strings.Index(whole, ".")+20] + "AA" + whole[strings.Index(whole, ".")+22:], "InvalidIdentityToken"},
		"for somebody else":   {token(t, rsaKey, claims("aud", "kubernetes")), "InvalidIdentityToken"},
		"expired":             {token(t, rsaKey, claims("exp", time.Now().Add(-time.Minute).Unix())), "ExpiredTokenException"},
		"of another account":  {token(t, rsaKey, claims("sub", "system:serviceaccount:watari:other")), "AccessDenied"},
		"no token":            {"not.a.token", "InvalidIdentityToken"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := h.sts.AssumeRoleWithWebIdentity(h.ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: sdk.String(role), RoleSessionName: sdk.String("pod"), WebIdentityToken: &c.token})
			if c.code != "" {
				wantCode(t, err, c.code)
				return
			}
			if must(t, out, err); *out.SubjectFromWebIdentityToken != subject {
				t.Errorf("of %s", *out.SubjectFromWebIdentityToken)
			}
			asRole := start(t)
			asRole.as(out.Credentials)
			if who, err := asRole.sts.GetCallerIdentity(h.ctx, &sts.GetCallerIdentityInput{}); err != nil || *who.Arn != "arn:aws:sts::123456789012:assumed-role/watari/pod" {
				t.Error(who, err)
			}
		})
	}
	_, err = h.sts.GetCallerIdentity(h.ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, err, "MissingAuthenticationToken") // nothing else is open
}

// TestPartitions: ARNs are the partition's, and Route 53 signs for its one region there.
func TestPartitions(t *testing.T) {
	for region, c := range map[string]struct{ partition, global, wrong string }{
		"eu-central-1":   {"aws", "us-east-1", "cn-northwest-1"},
		"cn-north-1":     {"aws-cn", "cn-northwest-1", "us-east-1"},
		"us-gov-east-1":  {"aws-us-gov", "us-gov-west-1", "us-east-1"},
		"us-iso-west-1":  {"aws-iso", "us-iso-east-1", "us-east-1"},
		"us-isob-west-1": {"aws-iso-b", "us-isob-east-1", "us-iso-east-1"},
		"eusc-de-east-1": {"aws-eusc", "eusc-de-east-1", "us-east-1"},
	} {
		t.Run(c.partition, func(t *testing.T) {
			h := start(t, func(conf *Config) { conf.Region = region })
			calls := func(region string) error {
				client := route53.NewFromConfig(sdk.Config{
					Region: region, BaseEndpoint: &h.url, Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", ""),
					Retryer: func() sdk.Retryer { return sdk.NopRetryer{} },
				})
				_, err := client.ListHostedZones(h.ctx, &route53.ListHostedZonesInput{})
				return err
			}
			if err := calls(c.global); err != nil {
				t.Error(err)
			}
			wantCode(t, calls(c.wrong), "SignatureDoesNotMatch")
			if got, want := h.server.sts.UserCaller().ARN, "arn:"+c.partition+":iam::123456789012:user/lab"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestWhoIsDenied: the answer names who called, also where a token is all that there was.
func TestWhoIsDenied(t *testing.T) {
	h := start(t, withToken)
	h.as(h.assume("night"))
	h.inject(fault.AWS{Kind: fault.AccessDenied, Times: 2})
	_, err := h.elb.DescribeLoadBalancers(h.ctx, &elb.DescribeLoadBalancersInput{})
	wantCode(t, err, "AccessDenied")
	if want := "User: arn:aws:sts::123456789012:assumed-role/watari/night is not authorized"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
	h.connectAs(sdk.AnonymousCredentials{})
	_, err = h.sts.AssumeRoleWithWebIdentity(h.ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: sdk.String(role), RoleSessionName: sdk.String("pod"), WebIdentityToken: sdk.String("a.b.c")})
	wantCode(t, err, "AccessDenied")
	if want := "Not authorized to perform sts:AssumeRoleWithWebIdentity"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
}
