package analyze

import (
	"errors"
	"io"
	"strings"
	"testing"

	"watari.dev/internal/bounded"
)

// again yields a text for ever and counts how much was taken.
type again struct {
	text  string
	at    int
	taken int64
}

func (a *again) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], a.text[a.at:])
		n, a.at = n+c, (a.at+c)%len(a.text)
	}
	a.taken += int64(n)
	return n, nil
}

const header = "time,source_requests,source_errors,target_requests,target_errors\n"

// TestEveryTableHasABound: a table without an end, a line without one and a quote that
// is never closed end with an error that says so.
func TestEveryTableHasABound(t *testing.T) {
	for name, c := range map[string]struct {
		before, again string
		want          string
		most          int64
	}{
		"a header without end":        {"", "x", "a line of counts.csv is longer than 64 KiB", 1 << 20},
		"a line without end":          {header, "x", "a line of counts.csv is longer than 64 KiB", 1 << 20},
		"a quote without end":         {header + `"`, "x\n", "a line of counts.csv is longer than 64 KiB", 1 << 20},
		"columns without end":         {"", "a,", "a line of counts.csv is longer than 64 KiB", 1 << 20},
		"more columns than there are": {strings.Repeat("a,", 1000) + "\n", "1\n", "there are 1001 columns, and 500 are the most", 1 << 20},
		"mistakes without end":        {header, "x\n", "mistakes; nothing was analysed", 1 << 20},
		"empty lines without end":     {header, "\n", "counts.csv is longer than 128 MiB", 129 << 20},
	} {
		from := &again{text: c.again}
		_, err := CSV(io.MultiReader(strings.NewReader(c.before), from), "counts.csv")
		var over *bounded.Error
		var mistakes *Mistakes
		if !errors.As(err, &over) && !errors.As(err, &mistakes) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.300v", name, err)
		}
		if from.taken > c.most {
			t.Errorf("%s: %d KiB were read", name, from.taken>>10)
		}
	}
}
