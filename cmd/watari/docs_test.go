package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/router/paced"
	"watari.dev/runner"
)

var (
	codeLine  = regexp.MustCompile(`(?m)^\s*(\d+)\s{2,}(\S.*)$`)
	codeRow   = regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \|$`)
	yamlBlock = regexp.MustCompile("(?s)```ya?ml\n(.*?)```")
)

// TestExitCodesAreDocumented compares the help with docs/cli.md, and both with
// the codes themselves.
func TestExitCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	help, table := codeLine.FindAllStringSubmatch(newExitCodes().Long, -1), codeRow.FindAllStringSubmatch(string(page), -1)
	codes := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "130"}
	if len(help) != len(codes) || len(table) != len(codes) {
		t.Fatalf("%d codes in the help, %d in docs/cli.md, want %d", len(help), len(table), len(codes))
	}
	for i, code := range codes {
		if help[i][1] != code || table[i][1] != code || help[i][2] != table[i][2] {
			t.Errorf("code %s: the help says %s %q, docs/cli.md %s %q", code, help[i][1], help[i][2], table[i][1], table[i][2])
		}
	}
}

// TestEveryCommandIsDocumented looks for the commands in docs/cli.md.
func TestEveryCommandIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range newRoot().Commands() {
		if name := cmd.Name(); !cmd.Hidden && !regexp.MustCompile("(`|watari |`help )"+regexp.QuoteMeta(name)+`\b`).Match(page) {
			t.Errorf("docs/cli.md does not say what %q does", name)
		}
	}
}

// TestBoundsAreDocumented holds docs/cli.md against what the engine, the runner and
// the pacer keep.
func TestBoundsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	b := engine.TryBounds()
	for _, row := range []string{
		fmt.Sprintf("| a write that raises a share | %d times, ", b.RiseTries),
		fmt.Sprintf("s apart, %s each |", spaced(runner.WriteWithin())),
		fmt.Sprintf("| a write that takes back | until it is done, 0.5 s to %s apart, %s each |", spaced(b.LongestPause), spaced(runner.WriteWithin())),
		fmt.Sprintf(", %s at most; taking back never is |", spaced(paced.LongestHold)),
	} {
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/cli.md does not say %q", row)
		}
	}
}

// spaced writes whole seconds as the documents do.
func spaced(d time.Duration) string { return fmt.Sprintf("%d s", d/time.Second) }

// wholeFile returns a block as a file: a block that is one already, or a part of
// spec in a migration that has the rest.
func wholeFile(block string) (string, bool) {
	if strings.Contains(block, "apiVersion: watari.dev/") {
		return block, true
	}
	parts := map[string]string{
		"signals:": "signals:\n- service: checkout\n  route: public\n  scrape:\n    endpoints: [http://proxy/metrics]\n" +
			"    requests: r{c=\"${environment}\"}\n    errors: e{c=\"${environment}\"}\n    latency: l_bucket{c=\"${environment}\"}\n",
		"gate:": "",
	}
	is := false
	for name := range parts {
		if strings.HasPrefix(block, name) {
			parts[name], is = block, true
		}
	}
	return rest + indented(parts["signals:"]) + indented(parts["gate:"]), is
}

func indented(text string) string {
	out := ""
	for line := range strings.Lines(text) {
		out += "  " + line
	}
	return out
}

// rest is a file without signals and gate.
const rest = `apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: blue}
spec: {kubernetes: {context: blue}}
---
apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: green}
spec: {kubernetes: {context: green}}
---
apiVersion: watari.dev/v1alpha1
kind: Migration
metadata: {name: shop}
spec:
  source: blue
  target: green
  routes:
  - name: public
    alb:
      listenerARN: arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2
      source: {targetGroupARN: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/blue/73e2d6bc24d8a067"}
      target: {targetGroupARN: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/green/73e2d6bc24d8a067"}
  steps:
  - {share: 1%, hold: 10m}
  - {share: 100%, hold: 1h}
`

// TestExamplesInDocumentsAreValid parses every YAML example that is a file of
// watari or a part of one, in every document of the project.
func TestExamplesInDocumentsAreValid(t *testing.T) {
	found := map[string]int{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "testdata" || entry.Name() == "bin"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		page, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, block := range yamlBlock.FindAllStringSubmatch(string(page), -1) {
			text, whole := wholeFile(block[1])
			if !whole {
				continue
			}
			found[filepath.Base(path)]++
			if _, err := v1alpha1.Parse(path, []byte(text)); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found["guide.md"] == 0 {
		t.Errorf("docs/guide.md has no example any more; there are: %v", found)
	}
}
