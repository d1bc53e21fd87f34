package traffic_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"watari.dev/traffic"
)

// TestBrief: a failure is remembered with its beginning, however long a server made it.
func TestBrief(t *testing.T) {
	for _, short := range []string{"", "no route to host", strings.Repeat("渡", 600)} {
		if got := traffic.Brief(short); got != short {
			t.Errorf("%q became %q", short, got)
		}
	}
	long := strings.Repeat("渡", 1_000_000)
	got := traffic.FailedAt[int](errors.New(long), time.Now()).Err
	if len(got) > 2100 || !utf8.ValidString(got) || !strings.HasSuffix(got, " more bytes)") || !strings.HasPrefix(got, "渡渡渡") {
		t.Errorf("%d bytes: %.30q", len(got), got)
	}
}
