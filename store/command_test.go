package store

import "testing"

func TestSigned(t *testing.T) {
	for _, c := range []struct{ author, by, want string }{
		{"anna (uid 1001)", "anna@bastion", "anna (uid 1001), says by: anna@bastion"},
		{"mallory (uid 1002)", "anna@bastion", "mallory (uid 1002), says by: anna@bastion"},
		{"anna (uid 1001)", "", "anna (uid 1001)"},
		{"anna@bastion", "anna@bastion", "anna@bastion"},
		{"", "anna@bastion", "anna@bastion"},
	} {
		if got := (Command{Author: c.author, By: c.by}).Signed(); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
