package route53

import (
	"fmt"
	"slices"
	"strings"

	"watari.dev/lab/aws/wire"
)

// canonicalName is how Route 53 stores a name: lower case, with a trailing
// dot, and every character other than a-z, 0-9, hyphen, underscore and dot as
// a three-digit octal escape ("DNS domain name format"). The wildcard * is
// therefore \052.
func canonicalName(name string) (string, *wire.Error) {
	plain := strings.ToLower(plainName(name))
	if plain == "" || plain == "." {
		return "", wire.Errorf("InvalidChangeBatch", "FATAL problem: DomainNameEmpty (Domain name is empty) encountered with '%s'", name)
	}
	if !strings.HasSuffix(plain, ".") {
		plain += "."
	}
	if len(plain) > 255 {
		return "", wire.Errorf("InvalidChangeBatch", "FATAL problem: DomainNameTooLong (Domain name is too long) encountered with '%s'", name)
	}
	for _, label := range strings.Split(strings.TrimSuffix(plain, "."), ".") {
		if label == "" {
			return "", wire.Errorf("InvalidChangeBatch", "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with '%s'", name)
		}
		if len(label) > 63 {
			return "", wire.Errorf("InvalidChangeBatch", "FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with '%s'", name)
		}
	}
	return escapeName(plain), nil
}

func escapeName(plain string) string {
	var b strings.Builder
	for i := range len(plain) {
		c := plain[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, `\%03o`, c)
	}
	return b.String()
}

// plainName undoes the octal escapes.
func plainName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) && isOctal(name[i+1:i+4]) {
			b.WriteByte((name[i+1]-'0')<<6 | (name[i+2]-'0')<<3 | (name[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func isOctal(digits string) bool {
	return strings.Trim(digits, "01234567") == "" && digits[0] <= '3'
}

// labelMark separates labels in a sorting key; it sorts before every character
// of a canonical name, so that a name comes before the names below it.
const labelMark = "\x01"

// sortingName is the name with its labels reversed, the order in which Route
// 53 lists (API reference, ListResourceRecordSets).
func sortingName(canonical string) string {
	labels := strings.Split(strings.TrimSuffix(canonical, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, labelMark)
}

// keyOf identifies a record set in its zone and sorts as Route 53 lists.
func keyOf(name, recordType, setIdentifier string) string {
	return strings.Join([]string{sortingName(name), recordType, setIdentifier}, "\x00")
}

// within says whether name is zone or below it; both are canonical.
func within(name, zone string) bool {
	return name == zone || strings.HasSuffix(name, "."+zone)
}
