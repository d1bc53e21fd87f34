// Package awsconfig turns the few AWS settings that users write into the SDK's
// configuration for one service. Everything that is not written comes from the
// SDK's standard chain: environment, shared files, single sign-on, web identity,
// instance roles. Credentials are renewed before they expire and searched for
// again when AWS refuses them; what fails says which way was tried and what to do.
// It never stores a credential and makes no call before credentials are asked for.
package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Settings are what a user may write. Empty fields leave it to the chain.
type Settings struct {
	Profile string // of the shared configuration files
	Region  string
	RoleARN string // assumed with the chain's credentials

	// EndpointURL is where the one service answers that the configuration is for.
	// STS and single sign-on are never asked there. The SDK's own settings for the
	// service, AWS_ENDPOINT_URL_<SERVICE> and the services section of a profile, go first.
	EndpointURL string

	// Global is a service that a partition has once, such as Route 53: where no
	// region is known, any of the partition will do.
	Global bool

	// Partition is where a Global service is looked for if neither a role nor the
	// profile says it; empty is aws.
	Partition string

	more []func(*config.LoadOptions) error // in tests, such as another network
}

// Load returns the configuration of one service. It fails if the profile does not
// exist, no region is known or the endpoint is no URL.
func Load(ctx context.Context, s Settings) (aws.Config, error) {
	if err := s.check(); err != nil {
		return aws.Config{}, err
	}
	c, err := s.chain(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	if c.Region == "" && s.Global {
		if s.Region = globalRegion(s, c.ConfigSources); s.Region != "" {
			c, err = s.chain(ctx)
		}
	}
	switch {
	case err != nil:
		return aws.Config{}, err
	case c.Region == "":
		return aws.Config{}, fmt.Errorf("load the AWS configuration%s: no region is known; write one, or set AWS_REGION", s.of())
	}
	s.Region = c.Region
	k := newKeeper(s.search, time.Now)
	k.by = s.wholeWay(c.ConfigSources)
	c.Credentials = k
	c.APIOptions = append(c.APIOptions, k.watch)
	if s.EndpointURL != "" {
		// Only now: the clients of STS and single sign-on that find credentials are made in the chain. A
		// client of a service looks for the SDK's settings of its own endpoint after this.
		c.BaseEndpoint = aws.String(s.EndpointURL)
	}
	return c, nil
}

// chain reads the environment and the shared files.
func (s Settings) chain(ctx context.Context) (aws.Config, error) {
	options := withBounds()
	if s.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(s.Profile))
	}
	if s.Region != "" {
		options = append(options, config.WithRegion(s.Region))
	}
	c, err := config.LoadDefaultConfig(ctx, append(options, s.more...)...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration%s: %w%s", s.of(), err, adviseLoad(err))
	}
	return c, nil
}

// adviseLoad says what to do about files that cannot be used.
func adviseLoad(err error) string {
	var absent config.SharedConfigProfileNotExistError
	var code config.AssumeRoleTokenProviderNotSetError
	switch {
	case errors.As(err, &absent):
		return ": aws configure list-profiles shows those that there are"
	case errors.As(err, &code):
		return ": the profile wants an MFA code (mfa_serial), which nobody is asked for during a migration: use one without, or a credential_process that keeps the session"
	default:
		return ""
	}
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
