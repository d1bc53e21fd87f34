package v1alpha1

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// parser collects the objects and the mistakes of all files.
type parser struct {
	files    []string
	objects  []*object
	mistakes Mistakes
	size     int64 // of the files that were read
	unread   bool  // a document is not among objects, so nothing can be said to be missing
}

// object is one document with its place.
type object struct {
	*decoder
	file        string
	document    int
	environment *Environment // exactly one of the two is not nil
	migration   *Migration
}

// fail notes a mistake of a file as a whole.
func (p *parser) fail(file string, line int, message string) {
	p.unread = true
	p.file(file)
	p.mistakes = append(p.mistakes, Mistake{File: file, Line: line, Message: message})
}

func (p *parser) file(name string) {
	if !slices.Contains(p.files, name) {
		p.files = append(p.files, name)
	}
}

func (p *parser) addFile(name string, data []byte) {
	p.file(name)
	if len(data) > maxFile {
		p.fail(name, 0, tooLarge(0))
		return
	}
	text, line, wrong := decodeText(data)
	if wrong != "" {
		p.fail(name, line, wrong)
		return
	}
	chunks := splitDocuments(text)
	if len(chunks) > mostDocuments {
		p.fail(name, 0, fmt.Sprintf("the file has %d documents, and %d are the most: split it, and name what belongs to one migration", len(chunks), mostDocuments))
		return
	}
	if len(chunks) == 0 {
		p.fail(name, 0, "the file is empty: write an Environment or a Migration")
	}
	for i, c := range chunks {
		if len(p.mistakes) > mostMistakes {
			p.unread = true
			return
		}
		p.addDocument(name, i+1, c)
	}
}

func (p *parser) addDocument(file string, number int, c chunk) {
	d := newDecoder(c.skip)
	node, line, wrong := parseYAML(c.text)
	if wrong != "" {
		p.unread = true
		p.mistakes = append(p.mistakes, Mistake{File: file, Document: number, Line: c.skip + line, Message: wrong})
		return
	}
	d.lines[""] = c.skip + node.Line
	o := &object{decoder: d, file: file, document: number}
	if target := o.open(node); target != nil {
		d.decode(node, reflect.ValueOf(target).Elem(), nil)
		p.objects = append(p.objects, o)
	} else {
		p.unread = true
	}
	p.take(file, number, d.mistakes)
}

// open makes the object that a document's kind names and returns a pointer to
// it, nil if there is none such.
func (o *object) open(n *yaml.Node) any {
	if n.Kind != yaml.MappingNode {
		o.note(n, nil, "there is %s instead of an object: write apiVersion, kind, metadata and spec", nodeName(n))
		return nil
	}
	version, kind := valueOf(n, "apiVersion"), valueOf(n, "kind")
	switch {
	case version == nil:
		o.note(n, field.NewPath("apiVersion"), "is missing: write %s", APIVersion)
	case version.Value != APIVersion:
		o.note(version, field.NewPath("apiVersion"), "%q is not known; write %s", version.Value, APIVersion)
	}
	kinds := []string{KindEnvironment, KindMigration}
	switch {
	case kind == nil:
		o.note(n, field.NewPath("kind"), "is missing: write %s or %s", KindEnvironment, KindMigration)
	case kind.Value == KindEnvironment:
		o.environment = &Environment{}
		return o.environment
	case kind.Value == KindMigration:
		o.migration = &Migration{}
		return o.migration
	default:
		o.note(kind, field.NewPath("kind"), "%q is not known; %s", kind.Value, choice(kind.Value, kinds))
	}
	return nil
}

// valueOf returns the scalar under a key of a mapping, nil if there is none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key && n.Content[i+1].Kind == yaml.ScalarNode {
			return n.Content[i+1]
		}
	}
	return nil
}

func (p *parser) take(file string, document int, ms []Mistake) {
	for _, m := range ms {
		if len(p.mistakes) > mostMistakes {
			return
		}
		m.File, m.Document = file, document
		p.mistakes = append(p.mistakes, m)
	}
}

// finish validates all objects, each on its own and against the others.
func (p *parser) finish() (*Bundle, error) {
	p.checkNames()
	for _, o := range p.objects {
		if o.environment != nil {
			p.take(o.file, o.document, o.placed(o.environment.problems()))
		} else {
			p.take(o.file, o.document, o.placed(append(o.migration.problems(), p.checkReferences(o.migration)...)))
		}
	}
	if err := p.mistakes.sorted(p.files).orNil(); err != nil {
		return nil, err
	}
	return p.bundle(), nil
}

func (p *parser) bundle() *Bundle {
	b := &Bundle{}
	for _, o := range p.objects {
		if o.environment != nil {
			if k := o.environment.Spec.Kubernetes; k != nil {
				k.Kubeconfig = relativeTo(o.file, k.Kubeconfig)
			}
			b.Environments = append(b.Environments, *o.environment)
		} else {
			for _, s := range o.migration.Spec.Signals {
				s.inDirectoryOf(o.file)
			}
			o.migration.Default()
			b.Migrations = append(b.Migrations, *o.migration)
		}
	}
	return b
}

// checkNames notes objects of one kind and name.
func (p *parser) checkNames() {
	first := map[string]*object{}
	for _, o := range p.objects {
		kind, namespace, name := o.identity()
		key := kind + " " + namespace + "/" + name
		if before, twice := first[key]; twice && name != "" {
			var ps problems
			ps.add(field.NewPath("metadata", "name"), "%q is the name of another %s (%s): give this one its own", name, kind, before.place(o))
			p.take(o.file, o.document, o.placed(ps))
			continue
		}
		first[key] = o
	}
}

func (o *object) identity() (kind, namespace, name string) {
	if o.environment != nil {
		return KindEnvironment, o.environment.Namespace, o.environment.Name
	}
	return KindMigration, o.migration.Namespace, o.migration.Name
}

// place says where o is, as seen from another object.
func (o *object) place(from *object) string {
	if o.file == from.file {
		return fmt.Sprintf("document %d", o.document)
	}
	return fmt.Sprintf("%s, document %d", o.file, o.document)
}

// checkReferences reports Environments that a Migration names and that are not
// there, or that are one and the same place.
func (p *parser) checkReferences(m *Migration) (ps problems) {
	spec := field.NewPath("spec")
	source, target := p.environment(m, m.Spec.Source), p.environment(m, m.Spec.Target)
	if source == nil {
		p.checkMissing(&ps, spec.Child("source"), m, m.Spec.Source)
	}
	switch {
	case m.Spec.Target == m.Spec.Source:
	case target == nil:
		p.checkMissing(&ps, spec.Child("target"), m, m.Spec.Target)
	case source != nil && source.Spec.Kubernetes != nil && reflect.DeepEqual(source.Spec, target.Spec):
		ps.add(spec.Child("target"), "%q is the same cluster as the source %q: name another kubeconfig, context or namespaces in one of them", m.Spec.Target, m.Spec.Source)
	}
	return ps
}

func (p *parser) checkMissing(ps *problems, path *field.Path, m *Migration, name string) {
	if name == "" || p.unread {
		return
	}
	place := "this file"
	if len(p.files) > 1 {
		place = "these files"
	}
	names := p.environmentNames(m.Namespace)
	if len(names) == 0 {
		ps.add(path, "no Environment %q in %s; there is none: write it, or name its file too", name, place)
		return
	}
	ps.add(path, "no Environment %q in %s; there are: %s", name, place, strings.Join(names, ", "))
}

func (p *parser) environment(m *Migration, name string) *Environment {
	for _, o := range p.objects {
		if e := o.environment; e != nil && e.Name == name && e.Namespace == m.Namespace {
			return e
		}
	}
	return nil
}

func (p *parser) environmentNames(namespace string) (names []string) {
	for _, o := range p.objects {
		if e := o.environment; e != nil && e.Name != "" && e.Namespace == namespace && !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
	}
	return names
}

// placed gives problems their lines and leaves out those that only follow from
// mistakes already noted.
func (o *object) placed(ps problems) (ms []Mistake) {
	for _, problem := range ps {
		name := problem.path.String()
		if o.isBad(name, problem.absence) {
			continue
		}
		ms = append(ms, Mistake{Line: o.lineOf(name), Field: name, Message: problem.message})
	}
	return ms
}

// isBad reports whether a field, what holds it or, if below is set, what it
// holds has a mistake already.
func (o *object) isBad(name string, below bool) bool {
	for bad := range o.bad {
		if within(name, bad) || below && within(bad, name) {
			return true
		}
	}
	return false
}

// within reports whether the field name is outer or lies in it.
func within(name, outer string) bool {
	rest, found := strings.CutPrefix(name, outer)
	return found && outer != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// lineOf returns the line of a field, or of the nearest that holds it.
func (o *object) lineOf(name string) int {
	for {
		if line, known := o.lines[name]; known {
			return line
		}
		cut := strings.LastIndexAny(name, ".[")
		if cut < 0 {
			return o.lines[""]
		}
		name = name[:cut]
	}
}
