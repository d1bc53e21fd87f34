// Package awsconfig turns the few AWS settings that users write into the SDK's
// configuration. Everything that is not written comes from the SDK's standard
// chain: environment, shared files, single sign-on, web identity, instance
// roles. It never stores a credential and makes no call by itself.
package awsconfig

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Settings are what a user may write. Empty fields leave it to the chain.
type Settings struct {
	Profile     string // of the shared configuration files
	Region      string
	RoleARN     string // assumed with the chain's credentials
	EndpointURL string // where all services answer instead of AWS, such as the lab
}

// sessionName is what CloudTrail shows of who assumed a role.
const sessionName = "watari"

// Load returns the configuration. It fails if the profile does not exist, no
// region is known or the endpoint is no URL.
func Load(ctx context.Context, s Settings) (aws.Config, error) {
	if err := s.check(); err != nil {
		return aws.Config{}, err
	}
	options := withBounds()
	if s.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(s.Profile))
	}
	if s.Region != "" {
		options = append(options, config.WithRegion(s.Region))
	}
	if s.EndpointURL != "" {
		options = append(options, config.WithBaseEndpoint(s.EndpointURL))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration%s: %w", s.of(), err)
	}
	if c.Region == "" {
		return aws.Config{}, fmt.Errorf("load the AWS configuration%s: no region is known; write one, or set AWS_REGION", s.of())
	}
	if s.RoleARN != "" {
		c.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), s.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = sessionName
		}))
	}
	return c, nil
}

func (s Settings) check() error {
	if s.EndpointURL == "" {
		return nil
	}
	u, err := url.Parse(s.EndpointURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("the AWS endpoint %q is not a URL such as https://vpce.example.com", s.EndpointURL)
	}
	return nil
}

func (s Settings) of() string {
	if s.Profile == "" {
		return ""
	}
	return " of the profile " + s.Profile
}
