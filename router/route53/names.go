package route53

import (
	"cmp"
	"slices"
	"strings"
)

// canonical is how Route 53 lists a name: lower case, with a trailing dot, the
// wildcard as an octal escape (Route 53 Developer Guide, "DNS domain name
// format").
func canonical(name string) string {
	name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "*", `\052`)
	return strings.TrimSuffix(name, ".") + "."
}

// shown is the name as people write it.
func shown(name string) string {
	return strings.ReplaceAll(strings.TrimSuffix(name, "."), `\052`, "*")
}

// listed compares names as Route 53 sorts them: labels reversed, trailing dot
// included (Route 53 API Reference, ListResourceRecordSets).
func listed(a, b string) int { return cmp.Compare(reversed(a), reversed(b)) }

func reversed(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}
