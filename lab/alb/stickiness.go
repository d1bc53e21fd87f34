package alb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"
)

// The cookies of target group stickiness (Application Load Balancer guide,
// "Listeners", forward actions). The second one is for cross-origin requests.
const (
	stickyCookie     = "AWSALBTG"
	stickyCookieCORS = "AWSALBTGCORS"
)

// sealer encrypts what a sticky cookie says, so that clients can neither read
// nor forge it. The key comes from the seed: cookies outlive a restart.
type sealer struct{ aead cipher.AEAD }

func newSealer(seed uint64) sealer {
	key := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("sticky cookie key of the lab's balancer "), seed))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a 32-byte key is always valid
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // an AES block is always valid
	}
	return sealer{aead}
}

func (s sealer) seal(group string, expires time.Time) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(expires.UnixMilli()))
	return base64.StdEncoding.EncodeToString(s.aead.Seal(nil, nil, append(plain, group...), nil))
}

// open returns the group's ARN, or "" if the value is not ours or has expired.
func (s sealer) open(value string, now time.Time) string {
	sealed, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return ""
	}
	plain, err := s.aead.Open(nil, nil, sealed, nil)
	if err != nil || len(plain) < 8 {
		return ""
	}
	if expires := time.UnixMilli(int64(binary.BigEndian.Uint64(plain))); !now.Before(expires) {
		return ""
	}
	return string(plain[8:])
}

// stuckGroup returns the ARN of the group that a client is stuck to.
func (s sealer) stuckGroup(r *http.Request, now time.Time) string {
	for _, name := range []string{stickyCookie, stickyCookieCORS} {
		for _, c := range r.CookiesNamed(name) {
			if arn := s.open(c.Value, now); arn != "" {
				return arn
			}
		}
	}
	return ""
}

// setCookies makes the client stick to the group. The balancer resets the
// expiry with every response ("Sticky sessions for your Application Load
// Balancer"), so a busy client stays stuck for as long as it is busy.
func (s sealer) setCookies(h http.Header, group string, d time.Duration, now time.Time) {
	value := s.seal(group, now.Add(d))
	c := http.Cookie{Name: stickyCookie, Value: value, Path: "/", Expires: now.Add(d)}
	h.Add("Set-Cookie", c.String())
	c.Name, c.SameSite, c.Secure = stickyCookieCORS, http.SameSiteNoneMode, true
	h.Add("Set-Cookie", c.String())
}
