package v1alpha1

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
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

// TestEveryFileHasABound: whatever a file or standard input holds, reading it ends soon,
// with a mistake that names the file and the bound, and with little memory.
func TestEveryFileHasABound(t *testing.T) {
	bombs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'z'; c++ {
		bombs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	for name, c := range map[string]struct {
		from io.Reader
		want string
	}{
		"no end":                {&again{text: "x"}, "the file is larger than 16 MiB"},
		"no end of lines":       {&again{text: "\n"}, "the file is larger than 16 MiB"},
		"no end of documents":   {io.LimitReader(&again{text: "---\na: b\n"}, 12<<20), "documents, and 1000 are the most"},
		"no end of values":      {io.LimitReader(&again{text: "- a\n"}, 12<<20), "it holds more than 1048576 values"},
		"no end of flow values": {strings.NewReader("[" + strings.Repeat("a,", 2<<20) + "a]"), "it holds more than 1048576 values"},
		"no end of keys":        {io.LimitReader(&again{text: "{a: b}, "}, 12<<20), "it holds more than 1048576 values"},
		"deep flow":             {strings.NewReader(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "nested more than 100 levels deep"},
		"deeper flow":           {strings.NewReader(strings.Repeat("[", 500_000)), "exceeded max depth"},
		"deep block":            {strings.NewReader(strings.Repeat("- ", 5000) + "a"), "nested more than 100 levels deep"},
		"deep objects":          {strings.NewReader(strings.Repeat("{a: ", 5000) + "b" + strings.Repeat("}", 5000)), "nested more than 100 levels deep"},
		"no end of items":       {strings.NewReader("apiVersion: watari.dev/v1alpha1\nkind: Migration\nspec: {routes: [" + strings.Repeat("a,", 500_000) + "a]}"), "has 500001 items, and 10000 are the most"},
		"aliases":               {strings.NewReader(bombs), "is missing"},
		"no end of mistakes":    {strings.NewReader("apiVersion: watari.dev/v1alpha1\nkind: Migration\n" + numbered(200_000)), "unknown field"},
	} {
		before := total()
		_, err := Load(c.from, Stdin)
		var mistakes Mistakes
		if !errors.As(err, &mistakes) || !strings.Contains(err.Error(), "standard input: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.300v", name, err)
		}
		if len(mistakes) > mostMistakes+1 {
			t.Errorf("%s: %d mistakes", name, len(mistakes))
		}
		if took := total() - before; took > 600<<20 {
			t.Errorf("%s: it took %d MiB", name, took>>20)
		}
		if from, is := c.from.(*again); is && from.taken > maxFile+64<<10 {
			t.Errorf("%s: %d bytes were read", name, from.taken)
		}
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: v\n", i)
	}
	return b.String()
}

func total() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

// TestEveryDirectoryHasABound: neither many files nor one that is none holds it up.
func TestEveryDirectoryHasABound(t *testing.T) {
	many := t.TempDir()
	for i := range mostFiles + 2 {
		if err := os.WriteFile(filepath.Join(many, fmt.Sprintf("%d.yaml", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(nil, many); err == nil || !strings.Contains(err.Error(), "the directory has more than 1000 files") {
		t.Errorf("%.300v", err)
	}
	odd := t.TempDir()
	if err := os.Symlink("/dev/zero", filepath.Join(odd, "zero.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(nil, odd); err == nil || !strings.Contains(err.Error(), "it is no regular file: take it out of the directory") {
		t.Errorf("%.300v", err)
	}
	large := t.TempDir()
	for i := range 6 {
		f, err := os.Create(filepath.Join(large, fmt.Sprintf("%d.yaml", i)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(strings.Repeat("#\n", maxFile/2)); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	if _, err := Load(nil, large); err == nil || !strings.Contains(err.Error(), "all files together are larger than 64 MiB") {
		t.Errorf("%.300v", err)
	}
}
