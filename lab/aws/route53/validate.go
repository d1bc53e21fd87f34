package route53

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"watari.dev/lab/aws/wire"
)

// Limits of one record set (API reference, ResourceRecordSet; "Quotas").
const (
	maxWeight        = 255
	maxTTL           = 1<<31 - 1
	maxValues        = 400
	maxSetIdentifier = 128
	maxValueLength   = 4000
)

// servedTypes are the record types that the DNS data plane answers.
var servedTypes = []string{"A", "AAAA", "CNAME", "NS", "SOA", "TXT"}

// decideShape refuses what Route 53 refuses before it looks at the zone.
func decideShape(r recordSet) *wire.Error {
	input := func(format string, args ...any) *wire.Error { return wire.Errorf("InvalidInput", format, args...) }
	switch {
	case !slices.Contains(servedTypes, r.Type):
		return input("Record type '%s' is not served by this emulator; it serves %s", r.Type, strings.Join(servedTypes, ", "))
	case r.Region != nil || r.Failover != nil || r.MultiValueAnswer != nil || r.GeoLocation != nil || r.GeoProximity != nil || r.CIDR != nil:
		return input("Invalid request: this emulator serves simple and weighted routing only")
	case r.Weight != nil && r.SetIdentifier == "":
		return input("Invalid request: Missing field 'SetIdentifier' in Change with a Weight")
	case r.Weight == nil && r.SetIdentifier != "":
		return input("Invalid request: Expected exactly one of [Weight, AliasTarget, Region, GeoLocation, Failover, MultiValueAnswer], but found none in Change with SetIdentifier")
	case len(r.SetIdentifier) > maxSetIdentifier:
		return input("SetIdentifier must have at most %d characters", maxSetIdentifier)
	case r.Weight != nil && (*r.Weight < 0 || *r.Weight > maxWeight):
		return input("Invalid XML ; Weight %d is outside of 0..%d", *r.Weight, maxWeight)
	case r.AliasTarget != nil && (r.TTL != nil || len(r.values()) > 0):
		return input("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found more than one in Change with [Name=%s, Type=%s]", r.Name, r.Type)
	case r.AliasTarget == nil && (r.TTL == nil || len(r.values()) == 0):
		return input("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with [Name=%s, Type=%s]", r.Name, r.Type)
	case r.TTL != nil && (*r.TTL < 0 || *r.TTL > maxTTL):
		return input("Invalid XML ; TTL %d is outside of 0..%d", *r.TTL, maxTTL)
	case len(r.values()) > maxValues:
		return input("A resource record set can have at most %d resource records", maxValues)
	}
	return nil
}

// problemsOf are the messages for one record set by itself, in its zone.
func problemsOf(r recordSet, zoneName string) []string {
	var problems []string
	if !within(r.Name, zoneName) {
		problems = append(problems, fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", r.Name, zoneName))
	}
	if r.Type == "CNAME" && r.Name == zoneName {
		problems = append(problems, fmt.Sprintf("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s", r.Name, zoneName))
	}
	values := r.values()
	if len(values) > 1 && (r.weighted() || r.Type == "CNAME" || r.Type == "SOA") {
		problems = append(problems, fmt.Sprintf("RRSet with DNS name %s, type %s can have only one resource record", r.Name, r.Type))
	}
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			problems = append(problems, fmt.Sprintf("Duplicate Resource Record: '%s'", v))
		}
		if p := problemOfValue(r.Type, v); p != "" {
			problems = append(problems, fmt.Sprintf("Invalid Resource Record: '%s encountered with '%s''", p, v))
		}
	}
	return problems
}

func problemOfValue(recordType, value string) string {
	if len(value) > maxValueLength {
		return "FATAL problem: ValueTooLong (Value is too long)"
	}
	switch recordType {
	case "A":
		if addr, err := netip.ParseAddr(value); err != nil || !addr.Is4() {
			return "FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
		}
	case "AAAA":
		if addr, err := netip.ParseAddr(value); err != nil || !addr.Is6() || addr.Zone() != "" {
			return "FATAL problem: AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
		}
	case "TXT":
		if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return "FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks)"
		}
	case "CNAME", "NS":
		if _, err := canonicalName(value); err != nil {
			return err.Message
		}
	case "SOA":
		if len(strings.Fields(value)) != 7 {
			return "FATAL problem: SOARRDATAIllegal (Value does not have seven fields)"
		}
	}
	return ""
}
