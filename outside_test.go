package watari_test

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reads are the names that read what somebody else ends, or that ask servers without
// bounds.
var reads = []string{
	"io.ReadAll", "io.LimitReader", "io.Copy", "io.CopyBuffer", "io.CopyN", "os.ReadFile", "os.Open", "bufio.NewScanner", "bufio.NewReader", "json.NewDecoder", "yaml.NewDecoder",
	"gzip.NewReader", "zlib.NewReader", "flate.NewReader", "csv.NewReader", "xml.NewDecoder", "tls.LoadX509KeyPair", "clientcmd.LoadFromFile",
	"http.DefaultClient", "http.DefaultTransport", "http.Get", "http.Head", "http.Post", "http.PostForm",
}

// bounded says why a file may use one of the names all the same: where the bound is.
var boundedHere = map[string]string{
	"analyze/csv.go csv.NewReader":                 "reads from bounded.Lines",
	"api/v1alpha1/load.go os.Open":                 "is read by bounded.All",
	"api/v1alpha1/expression.go json.NewDecoder":   "decodes bytes that are there already",
	"cmd/watari/analyze_read.go os.Open":           "is read by analyze.CSV, which bounds it",
	"signal/accesslog/directory.go os.Open":        "is read in pieces of 256 KiB, by lines with a bound",
	"signal/accesslog/directory.go gzip.NewReader": "is read through bounded.Reader",
	"signal/accesslog/file.go os.Open":             "is read in pieces of 256 KiB, by lines with a bound",
	"signal/scrape/endpoint.go io.Copy":            "reads what is bounded to keep the connection",
	"signal/scrape/endpoint.go io.LimitReader":     "gives up what is longer",
}

// isProduct leaves out what never runs at a user's: the lab, the simulation, and suites
// of tests. What reads the state directory has rules of its own.
func isProduct(path string) bool {
	for _, other := range []string{"lab", "scenario", "sim", "hack", "store", "verdict/bench", "internal/bounded", "api/v1alpha1/internal"} {
		if path == other || strings.HasPrefix(path, other+"/") {
			return false
		}
	}
	return !strings.HasSuffix(path, "test")
}

// TestOnlyOneRoomReadsFromOutside: the next decoder cannot forget its bound. Whoever
// needs one of these names uses internal/bounded, or says in boundedHere where the
// bound is, and stands in the table of internal/all/decoders_test.go.
func TestOnlyOneRoomReadsFromOutside(t *testing.T) {
	used := map[string]bool{}
	for _, r := range rooms(t) {
		if !isProduct(r.path) {
			continue
		}
		for _, name := range r.pkg.GoFiles {
			path := filepath.ToSlash(filepath.Join(r.path, name))
			if strings.HasPrefix(path, "cmd/watari/lab_") {
				continue
			}
			ast.Inspect(parse(t, path), func(n ast.Node) bool {
				sel, is := n.(*ast.SelectorExpr)
				if !is {
					return true
				}
				pkg, is := sel.X.(*ast.Ident)
				if !is || !slices.Contains(reads, pkg.Name+"."+sel.Sel.Name) {
					return true
				}
				key := path + " " + pkg.Name + "." + sel.Sel.Name
				if used[key] = true; boundedHere[key] == "" {
					t.Errorf("%s.%s in %s: use internal/bounded, so that what comes from outside has a bound", pkg.Name, sel.Sel.Name, path)
				}
				return true
			})
		}
	}
	for key := range boundedHere {
		if !used[key] {
			t.Errorf("boundedHere has %q, which is not used", key)
		}
	}
}

// TestNobodyElseMakesAClient finds the literals of clients and transports.
func TestNobodyElseMakesAClient(t *testing.T) {
	for _, r := range rooms(t) {
		if !isProduct(r.path) {
			continue
		}
		for _, name := range r.pkg.GoFiles {
			path := filepath.ToSlash(filepath.Join(r.path, name))
			ast.Inspect(parse(t, path), func(n ast.Node) bool {
				var of ast.Expr
				switch n := n.(type) {
				case *ast.CompositeLit:
					of = n.Type
				case *ast.CallExpr:
					if made, is := n.Fun.(*ast.Ident); is && made.Name == "new" && len(n.Args) == 1 {
						of = n.Args[0]
					}
				}
				sel, is := of.(*ast.SelectorExpr)
				if !is {
					return true
				}
				if pkg, is := sel.X.(*ast.Ident); is && pkg.Name == "http" && (sel.Sel.Name == "Client" || sel.Sel.Name == "Transport") {
					t.Errorf("%s makes an http.%s: use internal/bounded", path, sel.Sel.Name)
				}
				return true
			})
		}
	}
}

// prints are the rooms whose texts people read in a terminal.
var prints = []string{"view", "analyze", "cmd/watari"}

// printedElse says why a file may print all the same.
var printedElse = map[string]string{
	"analyze/plot.go io.WriteString":       "writes a file, whose texts are escaped for XML",
	"cmd/watari/streams.go io.WriteString": "writes what printable.Error has made",
	"cmd/watari/version.go fmt.Fprintf":    "writes what this program was built from",
}

// TestOnlyOneRoomPrints: a text from outside stands in one line, whoever prints it. The
// lab and the demo are not looked at: what they print is the lab's own.
func TestOnlyOneRoomPrints(t *testing.T) {
	for _, r := range rooms(t) {
		if !slices.Contains(prints, r.path) {
			continue
		}
		for _, name := range r.pkg.GoFiles {
			path := filepath.ToSlash(filepath.Join(r.path, name))
			if strings.HasPrefix(name, "lab_") || strings.HasPrefix(name, "demo_") {
				continue
			}
			ast.Inspect(parse(t, path), func(n ast.Node) bool {
				call, is := n.(*ast.CallExpr)
				if !is {
					return true
				}
				what := printing(call)
				if what != "" && printedElse[path+" "+what] == "" {
					t.Errorf("%s in %s: use internal/printable, so that no text from outside can begin a line", what, path)
				}
				return true
			})
		}
	}
}

// printing returns the name of the function that prints; empty for others, and for those
// that fill a strings.Builder.
func printing(call *ast.CallExpr) string {
	sel, is := call.Fun.(*ast.SelectorExpr)
	if !is {
		return ""
	}
	pkg, is := sel.X.(*ast.Ident)
	if !is {
		return ""
	}
	what := pkg.Name + "." + sel.Sel.Name
	if !slices.Contains([]string{"fmt.Print", "fmt.Printf", "fmt.Println", "fmt.Fprint", "fmt.Fprintf", "fmt.Fprintln", "io.WriteString"}, what) {
		return ""
	}
	if len(call.Args) > 0 {
		if into, is := call.Args[0].(*ast.UnaryExpr); is && into.Op == token.AND {
			return ""
		}
	}
	return what
}
