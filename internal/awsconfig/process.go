package awsconfig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"watari.dev/internal/bounded"
	"watari.dev/internal/subprocess"
)

// process runs the credential_process of a profile as the SDK does, with its shell, its
// environment and its form of answers (package processcreds), but apart: the SDK gives
// it watari's terminal, leaves what it has started, and does not bound what it prints.
type process struct{ command string }

// processOf returns the credentials that the chain's way by a credential_process leads
// to: with those that it prints, the roles of the profiles are assumed, the innermost
// first (package config of the SDK, credsFromAssumeRole).
func processOf(c aws.Config, p config.SharedConfig) aws.CredentialsProvider {
	var by aws.CredentialsProvider = process{p.CredentialProcess}
	if p.Source != nil {
		by = processOf(c, *p.Source)
	}
	if p.RoleARN == "" {
		return by
	}
	c.Credentials = aws.NewCredentialsCache(by)
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), p.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = p.RoleSessionName
		if d := p.RoleDurationSeconds; d != nil && *d/time.Minute > 15 {
			o.Duration = *d
		}
		if p.ExternalID != "" {
			o.ExternalID = aws.String(p.ExternalID)
		}
	})
}

// Retrieve implements aws.CredentialsProvider. It returns a *processcreds.ProviderError
// if there are none.
func (p process) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd, err := processcreds.DefaultNewCommandBuilder{Args: []string{p.command}}.NewCommand(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	printed, wrote := &subprocess.Head{Max: bounded.MiB, Full: cancel}, &subprocess.Tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, printed, wrote
	began := time.Now()
	err = subprocess.Run(cmd)
	var found aws.Credentials
	switch {
	case printed.Over():
		err = errors.New("it printed more than " + bounded.Size(bounded.MiB) + " and was ended")
	case ctx.Err() != nil:
		err = &slowError{after: time.Since(began), cause: context.Cause(ctx)}
	case err != nil:
		err = fmt.Errorf("error in credential_process: %w", err)
	default:
		found, err = readProcess(printed.Bytes())
	}
	if err == nil {
		return found, nil
	}
	subprocess.End(cmd)
	if said := wrote.Quoted(); said != "" {
		err = fmt.Errorf("%w; it wrote: %s", err, said)
	}
	return aws.Credentials{}, &processcreds.ProviderError{Err: err}
}

// readProcess makes credentials of what was printed. Its errors never quote it.
func readProcess(printed []byte) (aws.Credentials, error) {
	if runtime.GOOS == "windows" { // whose shell puts a backslash before quotes
		printed = bytes.ReplaceAll(printed, []byte(`\"`), []byte(`"`))
	}
	var r processcreds.CredentialProcessResponse
	switch err := json.Unmarshal(printed, &r); {
	case err != nil:
		return aws.Credentials{}, errors.New("what it printed is not the JSON that is wanted")
	case r.Version != 1:
		return aws.Credentials{}, errors.New("wrong version in process output (not 1)")
	case r.AccessKeyID == "":
		return aws.Credentials{}, errors.New("missing AccessKeyId in process output")
	case r.SecretAccessKey == "":
		return aws.Credentials{}, errors.New("missing SecretAccessKey in process output")
	}
	c := aws.Credentials{
		Source: processcreds.ProviderName, AccessKeyID: r.AccessKeyID, SecretAccessKey: r.SecretAccessKey, SessionToken: r.SessionToken, AccountID: r.AccountID,
	}
	if r.Expiration != nil {
		c.CanExpire, c.Expires = true, *r.Expiration
	}
	return c, nil
}
