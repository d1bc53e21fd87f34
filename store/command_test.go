package store

import (
	"strings"
	"testing"
)

func TestSigned(t *testing.T) {
	for _, c := range []struct{ author, by, want string }{
		{"anna (uid 1001)", "anna@bastion", "anna (uid 1001), says by: anna@bastion"},
		{"mallory (uid 1002)", "anna@bastion", "mallory (uid 1002), says by: anna@bastion"},
		{"anna (uid 1001)", "", "anna (uid 1001)"},
		{"anna@bastion", "anna@bastion", "anna@bastion"},
		{"", "anna@bastion", "anna@bastion"},
		{"mallory (uid 1002)", "anna\x1b[2Jcomplete\n", `mallory (uid 1002), says by: "anna\x1b[2Jcomplete\n"`},
		{"mallory (uid 1002)", strings.Repeat("x", 1000), "mallory (uid 1002), says by: " + strings.Repeat("x", 100)},
	} {
		if got := (Command{Author: c.author, By: c.by}).Signed(); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
