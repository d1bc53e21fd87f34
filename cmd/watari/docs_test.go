package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"watari.dev/api/v1alpha1"
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
	codes := []string{"0", "1", "2", "3", "4", "5", "6", "130"}
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

// TestExamplesInDocumentsAreValid parses every YAML example that is a file of
// watari, in every document of the project.
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
			if !strings.Contains(block[1], "apiVersion: watari.dev/") {
				continue
			}
			found[filepath.Base(path)]++
			if _, err := v1alpha1.Parse(path, []byte(block[1])); err != nil {
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
