package awsconfig

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// sessionName is what CloudTrail shows of who assumed a role.
const sessionName = "watari"

// search looks for credentials once: those of the chain, and with them those of the
// role that is written, if one is.
func (s Settings) search(ctx context.Context) (aws.Credentials, error) {
	c, err := s.chain(ctx)
	if err != nil {
		return aws.Credentials{}, &CredentialsError{Tried: "read the environment and the shared files", Err: err}
	}
	env, shared := sourcesOf(c.ConfigSources)
	by := wayOf(s, env, shared)
	if by.kind == byProcess {
		c.Credentials = processOf(c, shared)
	}
	found, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, explain(by, err)
	}
	if s.RoleARN == "" {
		return found, nil
	}
	return s.assume(ctx, c, env, shared, found)
}

// assume returns the credentials of the role that is written.
func (s Settings) assume(ctx context.Context, c aws.Config, env config.EnvConfig, shared config.SharedConfig, by aws.Credentials) (aws.Credentials, error) {
	c.Credentials = credentials.StaticCredentialsProvider{Value: by}
	role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), s.RoleARN, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = sessionName })
	found, err := role.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, explain(roleBy(s.RoleARN, wayOf(s, env, shared)), err)
	}
	return found, nil
}
