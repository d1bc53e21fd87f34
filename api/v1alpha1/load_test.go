package v1alpha1

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func environmentNamed(name string) string {
	return "apiVersion: watari.dev/v1alpha1\nkind: Environment\nmetadata: {name: " + name + "}\nspec: {kubernetes: {context: " + name + ", kubeconfig: kube/config}}\n"
}

func migrationAlone(t *testing.T) string {
	t.Helper()
	return string(fixtures(t, "invalid-missing-environment.yaml")["invalid-missing-environment.yaml"])
}

func names(b *Bundle) string {
	var all []string
	for _, e := range b.Environments {
		all = append(all, e.Name)
	}
	for _, m := range b.Migrations {
		all = append(all, m.Name)
	}
	return strings.Join(all, " ")
}

func TestLoadReadsFilesDirectoriesAndStdin(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"envs/b.yaml":           environmentNamed("eks-1-36"),
		"envs/a.yml":            environmentNamed("eks-1-33"),
		"envs/c.json":           `{"apiVersion":"watari.dev/v1alpha1","kind":"Environment","metadata":{"name":"third"},"spec":{"kubernetes":{}}}`,
		"envs/.swap.yaml":       "not: [yaml",
		"envs/notes.txt":        "not: [yaml",
		"envs/below/other.yaml": "not: [yaml",
	})
	bundle, err := Load(strings.NewReader(migrationAlone(t)), filepath.Join(dir, "envs"), Stdin, filepath.Join(dir, "envs/./a.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(bundle); got != "eks-1-33 eks-1-36 third shop-to-1-36" {
		t.Error("read", got)
	}
	if got, want := bundle.Environments[0].Spec.Kubernetes.Kubeconfig, filepath.Join(dir, "envs/kube/config"); got != want {
		t.Errorf("kubeconfig is %s, not relative to its file: %s", got, want)
	}
	if e := bundle.Environment("", "eks-1-36"); e != &bundle.Environments[1] {
		t.Error("the wrong Environment was found:", e)
	}
	if e := bundle.Environment("elsewhere", "eks-1-36"); e != nil {
		t.Error("an Environment of another namespace was found")
	}
}

func TestLoadReportsAllFilesAtOnce(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.yaml":     strings.Replace(environmentNamed("eks-1-33"), "context", "contxt", 1),
		"b.yaml":     migrationAlone(t),
		"c.yaml":     environmentNamed("eks-1-33"),
		"empty/x.md": "",
	})
	in := func(name string) string { return filepath.Join(dir, name) }
	_, err := Load(nil, in("b.yaml"), in("a.yaml"), in("c.yaml"), in("empty"), in("none.yaml"), Stdin)
	want := strings.Join([]string{
		in("a.yaml") + ": 1 mistake",
		`  document 1, line 4: spec.kubernetes.contxt: unknown field; did you mean "context"?`,
		in("c.yaml") + ": 1 mistake",
		`  document 1, line 3: metadata.name: "eks-1-33" is the name of another Environment (` + in("a.yaml") + `, document 1): give this one its own`,
		in("empty") + ": 1 mistake",
		"  the directory has no *.yaml, *.yml or *.json file: name another, or a file",
		in("none.yaml") + ": 1 mistake",
		"  the file cannot be read: there is none of this name; look at the path",
		"standard input: 1 mistake",
		"  there is no standard input to read: name a file",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	var mistakes Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) != 5 || mistakes[0].Line != 4 || mistakes[0].Field != "spec.kubernetes.contxt" {
		t.Errorf("the mistakes are not typed: %#v", mistakes)
	}
}

func TestLoadNamesEnvironmentsOfAllFiles(t *testing.T) {
	dir := writeFiles(t, map[string]string{"a.yaml": environmentNamed("eks-1-33"), "b.yaml": migrationAlone(t)})
	_, err := Load(nil, dir)
	want := filepath.Join(dir, "b.yaml") + ": 1 mistake\n" +
		`  document 1, line 6: spec.target: no Environment "eks-1-36" in these files; there are: eks-1-33`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLoadNeedsAFile(t *testing.T) {
	if _, err := Load(nil); err == nil || err.Error() != "1 mistake\n  no file is named: write -f FILE, -f DIRECTORY or -f -" {
		t.Error("got", err)
	}
}

func TestParseEncodings(t *testing.T) {
	text := environmentNamed("eks-1-33")
	for name, data := range map[string]string{
		"byte order mark":     "\xEF\xBB\xBF" + text,
		"Windows line ends":   strings.ReplaceAll("---\n"+text+"---\n# nothing\n---\n"+environmentNamed("b"), "\n", "\r\n"),
		"document end marker": text + "...\n",
		"no last line end":    strings.TrimSuffix(text, "\n"),
	} {
		if _, err := Parse("x.yaml", []byte(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for data, want := range map[string]string{
		"\xFF\xFEa\x00":              "line 1: the file is UTF-16: save it as UTF-8",
		text + "# \xE9t\xE9\n":       "line 5: not UTF-8: save the file as UTF-8",
		"a: b\nc: \x00":              "line 2: the invisible control character U+0000: remove it, or name a text file",
		"":                           "the file is empty: write an Environment or a Migration",
		text + "---\na: \x01\n":      "line 6: the invisible control character U+0001: remove it, or name a text file",
		strings.Repeat("#", 17<<20):  "the file is larger than 16 MiB: name a file of Environments and Migrations, or split it",
		"%YAML 1.2\n---\n" + text:    "document 1, line 1: YAML directives such as %YAML are not supported: remove the line",
		text + "---\n- *x\n":         `document 2, line 5: not YAML: unknown anchor 'x' referenced; write the value out: anchors and aliases are not supported`,
		text + "---\nspec:\n \ta: b": "document 2, line 7: a tab at the beginning of the line: YAML is indented with spaces",
	} {
		_, err := Parse("x.yaml", []byte(data))
		if err == nil || err.Error() != "x.yaml: 1 mistake\n  "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"valid-*.*", "invalid-*.yaml"} {
		for _, data := range fixtures(f, pattern) {
			f.Add(data)
		}
	}
	f.Add([]byte("\xEF\xBB\xBF---\r\n...\r\n%\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		bundle, err := Parse("fuzz.yaml", data)
		if (bundle == nil) == (err == nil) {
			t.Fatalf("bundle %v with error %v", bundle, err)
		}
		if err == nil {
			mustRoundTrip(t, bundle)
			return
		}
		var mistakes Mistakes
		if !errors.As(err, &mistakes) || len(mistakes) == 0 {
			t.Fatalf("an error without mistakes: %#v", err)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, m := range mistakes {
			if m.Line > lines || m.Message == "" {
				t.Fatalf("%d lines, but: %s", lines, m)
			}
		}
	})
}
