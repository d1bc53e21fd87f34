package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
)

// HexID is an identifier of 16 hexadecimal digits, the shape of the last part
// of an Elastic Load Balancing ARN. The same seed, kind and number give the
// same identifier.
func HexID(seed uint64, kind string, number int) string {
	return hex.EncodeToString(digest(seed, kind, number)[:8])
}

// UpperID is an identifier of capital letters and digits, the shape of Route
// 53's. Length is at most 50.
func UpperID(seed uint64, kind string, number, length int) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(digest(seed, kind, number))[:length]
}

// DecimalID is an identifier of ten digits, as in a load balancer's DNS name.
func DecimalID(seed uint64, kind string, number int) string {
	var n uint64
	for _, b := range digest(seed, kind, number)[:8] {
		n = n<<8 | uint64(b)
	}
	return fmt.Sprintf("%010d", n%10_000_000_000)
}

func digest(seed uint64, kind string, number int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%d", seed, kind, number))
	return sum[:]
}

// RequestID is a random version 4 UUID.
func RequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand documents that Read never returns an error
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
