package store

import "fmt"

// Key names a migration. Name is a DNS-1123 label.
type Key struct{ Name string }

// String returns the name.
func (k Key) String() string { return k.Name }

// maxName is the longest DNS label (RFC 1123, section 2.1).
const maxName = 63

// Validate refuses a name that is not a DNS-1123 label: 1 to 63 of a-z, 0-9 and
// "-", neither beginning nor ending with "-". Such a name is safe as a file name
// and as the name of a Kubernetes object.
func (k Key) Validate() error {
	if len(k.Name) == 0 || len(k.Name) > maxName || k.Name[0] == '-' || k.Name[len(k.Name)-1] == '-' {
		return k.invalid()
	}
	for _, c := range []byte(k.Name) {
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return k.invalid()
		}
	}
	return nil
}

func (k Key) invalid() error {
	return fmt.Errorf("name of a migration %q: it must be 1 to %d of a-z, 0-9 and -, and neither begin nor end with -", k.Name, maxName)
}
