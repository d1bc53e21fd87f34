package v1alpha1

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// problem is a mistake in a typed object, before it has a place in a file.
type problem struct {
	path    *field.Path
	message string
	absence bool // something is not there: not worth saying where something below was mistyped
}

type problems []problem

func (ps *problems) add(path *field.Path, format string, args ...any) {
	*ps = append(*ps, problem{path: path, message: fmt.Sprintf(format, args...)})
}

func (ps *problems) missing(path *field.Path, advice string) {
	ps.absent(path, "is missing: "+advice)
}

// absent is for what may be missing or written as nothing, which typed objects
// cannot tell apart.
func (ps *problems) absent(path *field.Path, message string) {
	*ps = append(*ps, problem{path: path, message: message, absence: true})
}

// Validate returns what is wrong with the Environment on its own, nil or
// Mistakes without places. It expects the object as it was written or defaulted.
func (e *Environment) Validate() error {
	return e.problems().mistakes().orNil()
}

// Validate returns what is wrong with the Migration on its own, nil or Mistakes
// without places. Whether its Environments exist only Load and the reader of a
// cluster can tell.
func (m *Migration) Validate() error {
	return m.problems().mistakes().orNil()
}

func (ps problems) mistakes() Mistakes {
	var ms Mistakes
	for _, p := range ps {
		ms = append(ms, Mistake{Field: p.path.String(), Message: p.message})
	}
	return ms
}

func checkMetadata(ps *problems, meta *metav1.ObjectMeta) {
	path := field.NewPath("metadata")
	if meta.Name == "" {
		ps.missing(path.Child("name"), "give the object a name")
	} else if len(validation.IsDNS1123Subdomain(meta.Name)) > 0 {
		ps.add(path.Child("name"), "%q is not a name: use small letters, digits, - and ., such as shop-to-1-36", meta.Name)
	}
	if meta.Namespace != "" && len(validation.IsDNS1123Label(meta.Namespace)) > 0 {
		ps.add(path.Child("namespace"), "%q is not a namespace: use small letters, digits and -", meta.Namespace)
	}
}

// checkUnion reports a union of which not exactly one member is written.
func checkUnion(ps *problems, path *field.Path, value any) {
	written, of := members(value)
	switch {
	case len(written) == 0:
		ps.missing(path, "name one of "+listed(of.now))
	case len(written) > 1:
		ps.add(path, "has %s: keep one of them", strings.Join(written, " and "))
	}
}

// checkWord reports a word that is not one of those known; empty is allowed.
func checkWord[T ~string](ps *problems, path *field.Path, word T) {
	known := words[reflect.TypeFor[T]()]
	if word != "" && !slices.Contains(known, string(word)) {
		ps.add(path, "%q is not known; %s", string(word), choice(string(word), known))
	}
}

// checkPositive reports a duration that is written and not above zero.
func checkPositive(ps *problems, path *field.Path, d *metav1.Duration) {
	if d != nil && d.Duration <= 0 {
		ps.add(path, "%s is not above zero: write a duration such as 30s", readable(d.Duration))
	}
}

// checkURL reports what is not the URL of an HTTP server.
func checkURL(ps *problems, path *field.Path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		ps.add(path, "%q is not a URL: write http:// or https:// and a host, such as http://prometheus:9090", text)
	case u.User != nil:
		ps.add(path, "the URL holds a user or password: files are read by many; remove it")
	case u.Fragment != "":
		ps.add(path, "the URL ends in a #fragment, which servers never see: remove it")
	}
}

func checkCount(ps *problems, path *field.Path, n, most int, things string) {
	if n > most {
		ps.add(path, "has %d %s, the most is %d: split them", n, things, most)
	}
}

func orElse(d *metav1.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.Duration
}
