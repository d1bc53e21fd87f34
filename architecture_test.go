package watari_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "watari.dev/"

// room is one package of the module with what it imports outside of its tests.
type room struct {
	path    string // relative to the module, such as router/alb
	pkg     *build.Package
	imports []string
}

func rooms(t *testing.T) []room {
	t.Helper()
	var out []room
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "bin") {
			return fs.SkipDir
		}
		pkg, err := build.ImportDir(path, 0)
		if _, empty := err.(*build.NoGoError); empty {
			return nil
		}
		if err != nil {
			return err
		}
		if len(pkg.GoFiles) > 0 {
			out = append(out, room{path: filepath.ToSlash(path), pkg: pkg, imports: pkg.Imports})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("only %d packages found: the test does not look where it should", len(out))
	}
	return out
}

// parents are the rooms with drivers below them.
var parents = []string{"router", "signal", "store", "environment"}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// allowed says which of the module's packages a room may import; nil is any.
func allowed(path string) []string {
	top, below, isBelow := strings.Cut(path, "/")
	switch {
	case path == "traffic":
		return []string{}
	case path == "verdict":
		return []string{"traffic"}
	case path == "engine":
		return []string{"traffic", "verdict"}
	case top == "verdict":
		return []string{"traffic", "verdict/..."}
	case path == "analyze":
		return []string{"engine", "internal/bounded", "internal/printable", "plan", "signal", "store", "traffic", "verdict", "view"}
	case slices.Contains(parents, path):
		return []string{"traffic"}
	case path == "store/bench" || path == "store/bench/cmd": // measures the runner's store, and is no driver
		return nil
	case path == "signal/bench" || path == "signal/bench/cmd": // plays whole migrations on faulty signals, and is no driver
		return nil
	case slices.Contains(parents, top) && isBelow:
		// A driver knows its parent and what its family shares, never a sibling.
		driver, _, _ := strings.Cut(below, "/")
		return []string{"traffic", "internal/awsclock", "internal/bounded", "internal/subprocess", top, top + "/internal/...", top + "/" + driver + "/..."}
	case path == "runner":
		return []string{"traffic", "engine", "router", "signal", "store"}
	case path == "plan":
		return []string{"api/v1alpha1", "engine", "router", "signal", "traffic", "verdict"}
	case path == "view":
		return []string{"engine", "internal/printable", "plan", "router", "runner", "store", "traffic", "verdict"}
	case top == "api":
		return []string{"api/...", "internal/bounded"}
	case path == "internal/awsclock" || path == "internal/bounded" || path == "internal/printable":
		return []string{}
	case path == "internal/subprocess":
		return []string{"internal/printable"}
	case top == "lab":
		return []string{"lab/..."}
	case path == "sim":
		return []string{"traffic", "verdict", "engine", "runner", "router", "router/paced", "router/metered", "signal", "store", "store/memstore", "store/filestore", "store/filestore/disk", "store/filestore/memdisk", "view", "internal/outlet"}
	case top == "sim":
		return []string{"sim/...", "engine", "traffic"}
	default:
		return nil
	}
}

func TestWhoMayImportWhom(t *testing.T) {
	for _, r := range rooms(t) {
		rules := allowed(r.path)
		for _, imp := range r.imports {
			own, isOwn := strings.CutPrefix(imp, module)
			switch {
			case isOwn && rules != nil && !matches(rules, own):
				t.Errorf("%s imports %s; it may import %v of the module", r.path, own, rules)
			case isOwn && (own == "lab" || strings.HasPrefix(own, "lab/")) && !mayKnowTheLab(r.path):
				t.Errorf("%s imports %s: the product does not know that there is a lab", r.path, own)
			case isOwn && own == "internal/all" && r.path != "cmd/watari" && r.path != "scenario":
				t.Errorf("%s imports the registry of drivers; only cmd/watari and scenario do", r.path)
			case !isOwn && !isStandard(imp) && standardOnly(r.path):
				t.Errorf("%s imports %s; it may import the standard library only", r.path, imp)
			}
		}
	}
}

func matches(rules []string, path string) bool {
	return slices.ContainsFunc(rules, func(rule string) bool {
		below, many := strings.CutSuffix(rule, "...")
		return path == rule || many && (strings.HasPrefix(path, below) || path == strings.TrimSuffix(below, "/"))
	})
}

func mayKnowTheLab(path string) bool {
	return path == "cmd/watari" || path == "scenario" || path == "lab" || strings.HasPrefix(path, "lab/") || strings.HasPrefix(path, "scenario/")
}

func standardOnly(path string) bool {
	return path == "traffic" || path == "engine" || path == "verdict" || path == "runner" || path == "plan" || path == "view" || slices.Contains(parents, path)
}

// TestTheCoreIsPure keeps the world out of what decides: no clock, context,
// chance, goroutine or I/O.
func TestTheCoreIsPure(t *testing.T) {
	forbidden := []string{"context", "os", "net", "log", "math/rand", "sync", "io", "syscall", "unsafe", "testing"}
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	for _, r := range rooms(t) {
		if r.path != "traffic" && r.path != "engine" && r.path != "verdict" {
			continue
		}
		for _, imp := range r.imports {
			for _, f := range forbidden {
				if imp == f || strings.HasPrefix(imp, f+"/") {
					t.Errorf("%s imports %s", r.path, imp)
				}
			}
		}
		for _, name := range r.pkg.GoFiles {
			file := parse(t, filepath.Join(r.path, name))
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s/%s starts a goroutine", r.path, name)
				case *ast.SelectorExpr:
					if pkg, is := n.X.(*ast.Ident); is && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
						t.Errorf("%s/%s uses time.%s", r.path, name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// TestTheRunnerKnowsInterfacesOnly looks at everything it depends on.
func TestTheRunnerKnowsInterfacesOnly(t *testing.T) {
	byPath := map[string]room{}
	for _, r := range rooms(t) {
		byPath[r.path] = r
	}
	seen := map[string]bool{}
	var visit func(string)
	visit = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		for _, imp := range byPath[path].imports {
			if own, is := strings.CutPrefix(imp, module); is {
				visit(own)
			} else if strings.HasPrefix(imp, "k8s.io/") || strings.Contains(imp, "aws") {
				t.Errorf("runner depends on %s through %s", imp, path)
			}
		}
	}
	visit("runner")
	if len(seen) < 4 {
		t.Errorf("runner depends on %v only: the test does not look where it should", seen)
	}
}

// TestEveryRoomSaysWhatItIsFor wants a package comment, and no room for what has
// no name.
func TestEveryRoomSaysWhatItIsFor(t *testing.T) {
	for _, r := range rooms(t) {
		if len(strings.Fields(r.pkg.Doc)) < 6 {
			t.Errorf("%s has no package comment that says what it is for", r.path)
		}
		for _, word := range []string{"util", "utils", "common", "helper", "helpers", "manager", "misc"} {
			if filepath.Base(r.path) == word {
				t.Errorf("%s is named after nothing", r.path)
			}
		}
	}
}

// TestNoInit: nothing happens because a package was imported.
func TestNoInit(t *testing.T) {
	for _, r := range rooms(t) {
		for _, name := range r.pkg.GoFiles {
			file := filepath.Join(r.path, name)
			if strings.HasPrefix(name, "zz_generated") {
				continue
			}
			for _, d := range parse(t, file).Decls {
				if f, is := d.(*ast.FuncDecl); is && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s has an init function", file)
				}
			}
		}
	}
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
