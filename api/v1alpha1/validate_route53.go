package v1alpha1

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Limits of Route 53: API Reference, ChangeResourceRecordSets (1,000 records in
// one batch) and ResourceRecordSet (SetIdentifier 1..128 characters, TTL up to
// 2147483647; one ResourceRecord in a weighted record).
const (
	maxNames         = 1000
	maxSetIdentifier = 128
	maxTTL           = 1<<31 - 1
	maxName          = 255
)

var (
	zoneForm = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)
	// Labels as names of services have them; underscores occur in real zones.
	labelForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
)

func checkRoute53(ps *problems, path *field.Path, r *Route53Route) {
	checkZone(ps, path.Child("hostedZoneID"), r.HostedZoneID)
	checkNames(ps, path.Child("names"), r.Names)
	checkWord(ps, path.Child("type"), r.Type)

	target := path.Child("target")
	checkSetIdentifier(ps, path.Child("source", "setIdentifier"), r.Source.SetIdentifier)
	checkSetIdentifier(ps, target.Child("setIdentifier"), r.Target.SetIdentifier)
	if r.Target.SetIdentifier != "" && r.Target.SetIdentifier == r.Source.SetIdentifier {
		ps.add(target.Child("setIdentifier"), "%q is the source's set identifier too: name the record of the target", r.Target.SetIdentifier)
	}
	checkNewRecord(ps, target, r)
	if r.Convert && r.Target.Alias == nil && r.Target.Value == "" {
		ps.add(path.Child("convert"), "the target's record must be made of something: write target.alias or target.value")
	}
	checkAWS(ps, path.Child("aws"), r.AWS)
}

func checkZone(ps *problems, path *field.Path, id string) {
	plain, prefixed := strings.CutPrefix(id, "/hostedzone/")
	switch {
	case id == "":
		ps.missing(path, "name the hosted zone, such as Z0123456789ABCDEFGHIJ")
	case prefixed && zoneForm.MatchString(plain):
		ps.add(path, "write the ID alone: %s", plain)
	case !zoneForm.MatchString(id):
		ps.add(path, "%q is not a zone's ID: write capital letters and digits, such as Z0123456789ABCDEFGHIJ", id)
	}
}

func checkNames(ps *problems, path *field.Path, names []string) {
	if len(names) == 0 {
		ps.missing(path, "list the names whose records split the traffic")
	}
	checkCount(ps, path, len(names), maxNames, "names")
	first := ""
	for i, name := range names {
		if err := nameMistake(name); err != nil {
			ps.add(path.Index(i), "%s", err)
			continue
		}
		if first == "" {
			first = name
		} else if topLabel(name) != topLabel(first) {
			ps.add(path.Index(i), "%q and %q end differently and cannot be in one hosted zone: write a route for each zone", name, first)
		}
	}
}

// nameMistake says what is wrong with a record's name, nil if it is plausible
// (Route 53 Developer Guide, "DNS domain name format").
func nameMistake(name string) error {
	plain := strings.TrimSuffix(name, ".")
	_, notAddress := netip.ParseAddr(plain)
	switch {
	case plain == "":
		return fmt.Errorf("the name is empty: write one such as api.example.com")
	case strings.Contains(plain, "://"):
		return fmt.Errorf("%q is a URL: write the name alone, such as api.example.com", name)
	case notAddress == nil:
		return fmt.Errorf("%q is an address: write a name such as api.example.com", name)
	case strings.ContainsAny(plain, ":/"):
		return fmt.Errorf("%q has more than a name: leave port and path out", name)
	case len(plain) > maxName:
		return fmt.Errorf("the name has %d characters, the most is %d", len(plain), maxName)
	}
	for i, label := range strings.Split(plain, ".") {
		switch {
		case label == "*" && i == 0 && plain != "*":
		case label == "*":
			return fmt.Errorf("%q: a * stands only at the beginning and before a name, such as *.example.com", name)
		case label == "":
			return fmt.Errorf("%q has an empty part between two dots", name)
		case !labelForm.MatchString(label):
			return fmt.Errorf("%q: the part %q may have letters, digits, - inside and _, at most 63", name, label)
		}
	}
	return nil
}

func topLabel(name string) string {
	name = canonicalName(name)
	return name[strings.LastIndexByte(name, '.')+1:]
}

func checkSetIdentifier(ps *problems, path *field.Path, id string) {
	if id == "" {
		ps.missing(path, "name the weighted record of this side")
	} else if n := utf8.RuneCountInString(id); n > maxSetIdentifier {
		ps.add(path, "has %d characters, the most is %d", n, maxSetIdentifier)
	}
}

// checkNewRecord reports what is wrong with what the target's record is made of.
func checkNewRecord(ps *problems, path *field.Path, r *Route53Route) {
	t := &r.Target
	if t.Alias != nil && t.Value != "" {
		ps.add(path, "has alias and value: keep one of them")
	}
	if a := t.Alias; a != nil {
		checkAliasName(ps, path.Child("alias", "dnsName"), a.DNSName)
		checkZone(ps, path.Child("alias", "hostedZoneID"), a.HostedZoneID)
	}
	if t.Value != "" {
		if err := valueMistake(r.Type, t.Value); err != nil {
			ps.add(path.Child("value"), "%s", err)
		}
	}
	switch {
	case t.TTL == nil:
	case t.Value == "":
		ps.add(path.Child("ttl"), "belongs to value; an alias has the TTL of what it points at: remove it")
	case *t.TTL < 0 || *t.TTL > maxTTL:
		ps.add(path.Child("ttl"), "%d is not between 0 and %d seconds; 60 is usual, and left out it is the source's", *t.TTL, maxTTL)
	}
}

func checkAliasName(ps *problems, path *field.Path, name string) {
	if name == "" {
		ps.missing(path, "write the DNS name of the resource, such as the load balancer's")
	} else if err := nameMistake(name); err != nil {
		ps.add(path, "%s", err)
	}
}

func valueMistake(kind RecordType, value string) error {
	address, err := netip.ParseAddr(value)
	switch kind {
	case RecordCNAME:
		return nameMistake(value)
	case RecordAAAA:
		if err != nil || !address.Is6() || address.Zone() != "" {
			return fmt.Errorf("%q is not an IPv6 address, which a record of type AAAA holds", value)
		}
	case RecordA, "":
		if err != nil || !address.Is4() {
			return fmt.Errorf("%q is not an IPv4 address, which a record of type A holds; for a name write alias, or type: CNAME", value)
		}
	}
	return nil
}
