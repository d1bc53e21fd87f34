package view

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the .golden files anew")

// page collects what one function writes in many situations, to be read as one
// file.
type page struct{ bytes.Buffer }

// add writes one situation.
func (p *page) add(name, text string) {
	p.WriteString("== " + name + "\n" + strings.TrimRight(text, "\n") + "\n\n")
}

// compare holds the page against testdata/name.golden.
func (p *page) compare(t *testing.T, name string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, p.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	have, wanted := strings.Split(p.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(have), len(wanted)) {
		if a, b := at(have, i), at(wanted, i); a != b {
			t.Fatalf("%s:%d:\nhave %q\nwant %q\nIf it reads well, run the test with -update.", path, i+1, a, b)
		}
	}
}

func at(lines []string, i int) string {
	if i >= len(lines) {
		return "(nothing)"
	}
	return lines[i]
}
