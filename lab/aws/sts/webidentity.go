package sts

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"watari.dev/lab/aws/wire"
)

// Provider is an OpenID Connect provider that the account knows, such as the one of a
// cluster's service accounts.
type Provider struct {
	Issuer    string   `json:"issuer"`    // URL; the iss of its tokens
	Audiences []string `json:"audiences"` // client IDs of the provider; none: sts.amazonaws.com, as EKS has it
	Key       string   `json:"key"`       // public, PEM; RSA or ECDSA P-256
}

// Check reports what is wrong.
func (p Provider) Check() error {
	if p.Issuer == "" {
		return fmt.Errorf("provider: issuer: must be given")
	}
	if _, err := p.key(); err != nil {
		return fmt.Errorf("provider %s: %w", p.Issuer, err)
	}
	return nil
}

func (p Provider) key() (crypto.PublicKey, error) {
	block, _ := pem.Decode([]byte(p.Key))
	if block == nil {
		return nil, fmt.Errorf("key: must be a public key in PEM")
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

func (p Provider) audiences() []string {
	if len(p.Audiences) == 0 {
		return []string{"sts.amazonaws.com"}
	}
	return p.Audiences
}

// claims are those of a token that are looked at.
type claims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"` // one, or a list
	Expires  *float64        `json:"exp"`
}

func (c claims) audiences() (all []string) {
	if json.Unmarshal(c.Audience, &all) == nil {
		return all
	}
	var one string
	if json.Unmarshal(c.Audience, &one) == nil {
		return []string{one}
	}
	return nil
}

// assumeRoleWithWebIdentity checks the token: who made it and signed it, whom it is for, until
// when, and whom it is of. The codes are those of the STS API Reference; the texts
// that AWS does not document are from AWS re:Post, "How do I troubleshoot an OIDC
// provider and IRSA in Amazon EKS?".
func (s *Service) assumeRoleWithWebIdentity(call wire.Call, values url.Values) (wire.Reply, *wire.Error) {
	a, failure := s.asked(values)
	if failure != nil {
		return wire.Reply{}, failure
	}
	who, failure := s.verified(values.Get("WebIdentityToken"))
	if failure != nil {
		return wire.Reply{}, failure
	}
	if a.role.Name == "" || len(a.role.Subjects) > 0 && !slices.Contains(a.role.Subjects, who.SubjectFromWebIdentityToken) {
		return wire.Reply{}, NotAuthorized("sts:" + open)
	}
	return s.answer(call, a, &who), nil
}

// verified returns whom a token is of.
func (s *Service) verified(token string) (identity, *wire.Error) {
	c, signed, signature, ok := parse(token)
	if !ok {
		return identity{}, invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	i := slices.IndexFunc(s.Providers, func(p Provider) bool { return p.Issuer == c.Issuer })
	if i < 0 {
		return identity{}, invalid("No OpenIDConnect provider found in your account for %s", c.Issuer)
	}
	key, err := s.Providers[i].key()
	if err != nil || !verifies(key, signed, signature) {
		return identity{}, invalid("Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	audience := slices.IndexFunc(c.audiences(), func(a string) bool { return slices.Contains(s.Providers[i].audiences(), a) })
	if audience < 0 {
		return identity{}, invalid("Incorrect token audience")
	}
	if now, ends := s.Now(), time.Unix(int64(*c.Expires), 0); !now.Before(ends) {
		return identity{}, wire.Errorf("ExpiredTokenException", "Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), ends.Unix())
	}
	return identity{SubjectFromWebIdentityToken: c.Subject, Audience: c.audiences()[audience], Provider: c.Issuer}, nil
}

func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidIdentityToken", format, args...)
}

// parse takes a JSON Web Token apart (RFC 7519, RFC 7515).
func parse(token string) (c claims, signed string, signature []byte, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, "", nil, false
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(body, &c) != nil || c.Issuer == "" || c.Subject == "" || c.Expires == nil {
		return c, "", nil, false
	}
	signature, err = base64.RawURLEncoding.DecodeString(parts[2])
	return c, parts[0] + "." + parts[1], signature, err == nil
}

// verifies checks a signature: RS256 or ES256 by the kind of the key, whatever the
// token says of itself (RFC 7518, section 3).
func verifies(key crypto.PublicKey, signed string, signature []byte) bool {
	sum := sha256.Sum256([]byte(signed))
	switch key := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	case *ecdsa.PublicKey:
		return len(signature) == 64 && ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	default:
		return false
	}
}
