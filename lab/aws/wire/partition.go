package wire

import "strings"

// Partition is a part of AWS with accounts and ARNs of its own.
type Partition struct {
	Name   string // as in ARNs
	Global string // the region that services without regions sign for
}

// partitions by how the names of their regions begin (AWS SDK for Go v2,
// internal/endpoints/awsrulesfn/partitions.json: regionRegex, implicitGlobalRegion).
var partitions = []struct {
	prefix string
	Partition
}{
	{"cn-", Partition{"aws-cn", "cn-northwest-1"}},
	{"us-gov-", Partition{"aws-us-gov", "us-gov-west-1"}},
	{"us-iso-", Partition{"aws-iso", "us-iso-east-1"}},
	{"us-isob-", Partition{"aws-iso-b", "us-isob-east-1"}},
	{"eu-isoe-", Partition{"aws-iso-e", "eu-isoe-west-1"}},
	{"us-isof-", Partition{"aws-iso-f", "us-isof-south-1"}},
	{"eusc-", Partition{"aws-eusc", "eusc-de-east-1"}},
}

// PartitionOf returns the partition of a region.
func PartitionOf(region string) Partition {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.prefix) {
			return p.Partition
		}
	}
	return Partition{"aws", "us-east-1"}
}
