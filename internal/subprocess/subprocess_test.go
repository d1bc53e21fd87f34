package subprocess

import (
	"strings"
	"testing"
)

func TestSecretsAreMasked(t *testing.T) {
	for text, want := range map[string]string{
		"Authorization: Bearer SECRETTOKEN":                                 "Authorization: Bearer ***",
		"authorization: AWS4-HMAC-SHA256 Credential=AKID/x, Signature=beef": "authorization: ***",
		`{"Authorization":["Basic dTpw"]}`:                                  `{"Authorization":["Basic ***"]}`,
		"sent bearer abc.def to x":                                          "sent bearer *** to x",
		"the bearer token is missing":                                       "the bearer token is missing",
		"login with password=hunter2 failed":                                "login with password=*** failed",
		"https://x/?token=abc&user=me&client_secret=def":                    "https://x/?token=***&user=me&client_secret=***",
		`secret = "a b c" of user me`:                                       `secret = *** of user me`,
		`{"SecretAccessKey": "wJalr", "Version": 1}`:                        `{"SecretAccessKey": ***, "Version": 1}`,
		`{\"token\":\"abc\"}`:                                               `{\"token\":\***`,
		"password: hunter":                                                  "password: ***",
		"AWS_SESSION_TOKEN=FwoG/x+y==":                                      "AWS_SESSION_TOKEN=***",
		"ran helper --token s3cr3t --profile shop":                          "ran helper --token *** --profile shop",
		"got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln, which has expired":  "got ***, which has expired",
		"k8s-aws-v1.aHR0cHM6Ly9 is old":                                     "*** is old",
		"clone https://me:pw@git.example.com/x":                             "clone https://***@git.example.com/x",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n":                           "***",
		"cannot get a token: AccessDenied: no role":                         "cannot get a token: AccessDenied: no role",
		"The SSO session has expired. Run aws sso login --profile shop":     "The SSO session has expired. Run aws sso login --profile shop",
	} {
		if got := Mask(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestTailQuotes keeps the last lines whole.
func TestTailQuotes(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"one\n\n  two \r\n":                   "one / two",
		strings.Repeat("x", 500):              "..." + strings.Repeat("x", maxQuoted),
		strings.Repeat("x\n", 9000):           strings.TrimSuffix(strings.Repeat("x / ", maxQuoted), " / "),
		"a\xff\n":                             "a?",
		strings.Repeat("y", 399) + "\nzz":     "zz",
		"\x1b[31merror:\x1b[0m no\x1b]0;t\a!": "error: no!",
		"10%\r100%\rdone":                     "10% / 100% / done",
		"a\x00b\u202ec\b":                     `a\x00b\u202ec\x08`,
		"Bearer \x1b[1mSECRET\x1b[0m":         "Bearer ***",
		"pass\x1b[1mword=hunter2":             "password=***",
		"token=" + strings.Repeat("s", 3*maxKept) + "\nfailed":    "failed",
		"token=" + strings.Repeat("s", 3*maxKept):                 "...",
		"token=" + strings.Repeat("s", 3*maxKept) + " is wrong\n": "...is wrong",
		"password=" + strings.Repeat("p", maxQuoted):              "password=***",
	} {
		w := &Tail{}
		for _, c := range []byte(text) {
			_, _ = w.Write([]byte{c})
		}
		if got := w.Quoted(); got != want {
			t.Errorf("%.40q: %.80q, want %.80q", text, got, want)
		}
	}
}
