package awsconfig

import (
	"cmp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
)

// regions has one region of each partition, by the partition's name in ARNs: the one
// that the SDK takes for services without regions (partitions.json of the SDK,
// implicitGlobalRegion). Which endpoint and signature follow from it is the SDK's to
// say.
var regions = map[string]string{
	"aws":        "us-east-1",
	"aws-cn":     "cn-northwest-1",
	"aws-us-gov": "us-gov-west-1",
	"aws-iso":    "us-iso-east-1",
	"aws-iso-b":  "us-isob-east-1",
	"aws-iso-e":  "eu-isoe-west-1",
	"aws-iso-f":  "us-isof-south-1",
	"aws-eusc":   "eusc-de-east-1",
}

// globalRegion returns a region of the partition that the settings are for, by the
// first that names one: the role, the environment's role, the profile's role or
// single sign-on, the settings' partition. It is empty if the partition is not known.
func globalRegion(s Settings, sources []any) string {
	env, shared := sourcesOf(sources)
	role := cmp.Or(s.RoleARN, env.RoleARN)
	for p := &shared; p != nil && role == ""; p = p.Source {
		if role = p.RoleARN; role == "" && ssoRegion(*p) != "" {
			return ssoRegion(*p)
		}
	}
	return regions[cmp.Or(PartitionOf(role), s.Partition, "aws")]
}

// PartitionOf returns the partition of an ARN; empty for anything else.
func PartitionOf(arn string) string {
	parts := strings.SplitN(arn, ":", 3)
	if len(parts) < 3 || parts[0] != "arn" {
		return ""
	}
	return parts[1]
}

func ssoRegion(p config.SharedConfig) string {
	if p.SSOSession != nil {
		return cmp.Or(p.SSOSession.SSORegion, p.SSORegion)
	}
	return p.SSORegion
}

// sourcesOf returns what the environment and the profile say.
func sourcesOf(sources []any) (env config.EnvConfig, shared config.SharedConfig) {
	for _, source := range sources {
		switch source := source.(type) {
		case config.EnvConfig:
			env = source
		case config.SharedConfig:
			shared = source
		}
	}
	return env, shared
}
