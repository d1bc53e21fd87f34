package subprocess

import (
	"regexp"
	"strings"
	"unicode"
)

// masked stands for a secret.
const masked = "***"

const (
	value = `("(?:\\.|[^"\\\n])*"?|'[^'\n]*'?|[^\s"',;&}\])]+)`
	words = `token|password|passwd|passphrase|pwd|secret|credential|signature|api[-_]?key|access[-_]?key|private[-_]?key|client[-_]?key`
)

var (
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
	header     = regexp.MustCompile(`(?i)(authorization\\?["']?[ \t]*[:=][ \t]*\[?\\?["']?(?:(?:bearer|basic|digest|negotiate|token)[ \t]+)?)[^\n"']+`)
	bearer     = regexp.MustCompile(`(?i)\b(bearer\s+)` + value)
	given      = regexp.MustCompile(`(?i)([\w.-]*(?:` + words + `)[\w.-]*\\?["']?\s*(?:=>|:=|=)\s*\\?)` + value)
	named      = regexp.MustCompile(`(?i)([\w.-]*(?:` + words + `)[\w.-]*\\?["']?[ \t]*:[ \t]*\\?)` + value)
	flag       = regexp.MustCompile(`(?i)(--?[\w-]*(?:` + words + `)[\w-]*[ \t]+)` + value)
	inURL      = regexp.MustCompile(`(\w://)[^\s/@]+@`)
	jwt        = regexp.MustCompile(`eyJ[\w-]{4,}[\w.=-]*`)
	signed     = regexp.MustCompile(`k8s-aws-v1\.[\w-]+`) // what aws eks get-token prints
)

// Mask replaces in text what looks like a secret: what is assigned to names such as
// token or password, what follows Bearer, JSON Web Tokens, private keys and passwords
// in addresses. It may mask a word too many.
func Mask(text string) string {
	text = privateKey.ReplaceAllString(text, masked)
	text = jwt.ReplaceAllString(text, masked)
	text = signed.ReplaceAllString(text, masked)
	text = inURL.ReplaceAllString(text, "${1}"+masked+"@")
	text = header.ReplaceAllString(text, "${1}"+masked)
	text = hide(text, bearer, func(_, value string) bool { return !tells(value) })
	text = hide(text, given, func(string, string) bool { return true })
	text = hide(text, flag, func(_, value string) bool { return !strings.HasPrefix(value, "-") })
	return hide(text, named, func(name, value string) bool {
		return strings.ContainsAny(name, `"'`) || strings.Contains(strings.ToLower(name), "passw") || looksSecret(value)
	})
}

// hide masks the second group of what is found where is says so.
func hide(text string, found *regexp.Regexp, is func(name, value string) bool) string {
	return found.ReplaceAllStringFunc(text, func(all string) string {
		parts := found.FindStringSubmatch(all)
		if !is(parts[1], parts[2]) {
			return all
		}
		return parts[1] + masked
	})
}

// tells reports whether a word after Bearer says something of the token and is none.
func tells(word string) bool {
	switch strings.ToLower(strings.TrimRight(word, ".:=")) {
	case "token", "tokens", "authentication", "authorization", "auth", "realm", "is", "was", "not", "scheme":
		return true
	}
	return false
}

// looksSecret tells secrets from the reasons that messages have behind a colon, as in:
// cannot get a token: AccessDenied.
func looksSecret(value string) bool {
	return len(value) >= 6 && (len(value) >= 24 || strings.ContainsFunc(value, unicode.IsDigit) && strings.ContainsFunc(value, unicode.IsLetter))
}
