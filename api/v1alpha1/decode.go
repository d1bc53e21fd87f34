package v1alpha1

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// decoder reads the nodes of one document into Go values strictly. It notes
// every mistake and goes on, and remembers the line of each field for those that
// are found later.
type decoder struct {
	skip     int             // lines of the file before the document
	lines    map[string]int  // line in the file by field path
	bad      map[string]bool // fields with a mistake already noted
	mistakes []Mistake
}

func newDecoder(skip int) *decoder {
	return &decoder{skip: skip, lines: map[string]int{}, bad: map[string]bool{}}
}

// note records that the value at a node could not be read.
func (d *decoder) note(n *yaml.Node, path *field.Path, format string, args ...any) {
	d.bad[pathString(path)] = true
	d.mistake(n, path, format, args...)
}

// mistake records something wrong at a node beside its value.
func (d *decoder) mistake(n *yaml.Node, path *field.Path, format string, args ...any) {
	d.mistakes = append(d.mistakes, Mistake{Line: d.skip + n.Line, Field: pathString(path), Message: fmt.Sprintf(format, args...)})
}

// decode reads n into v.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path *field.Path) {
	if !d.plain(n, path) {
		return
	}
	if n.Tag == "!!null" {
		// Kubernetes refuses nulls too; one file has to do for both.
		d.note(n, path, "is empty: write a value, or remove the line")
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.decode(n, v.Elem(), path)
		return
	}
	if d.decodeSpecial(n, v, path) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, v, path)
	case reflect.Map:
		d.decodeMap(n, v, path)
	case reflect.Slice:
		d.decodeSlice(n, v, path)
	case reflect.String:
		d.decodeString(n, v, path)
	case reflect.Bool:
		d.decodeBool(n, v, path)
	default:
		d.decodeInt(n, v, path)
	}
}

// plain refuses what strict files do not have: aliases (and with them files that
// grow when they are read), merge keys and tags.
func (d *decoder) plain(n *yaml.Node, path *field.Path) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.note(n, path, "*%s is an alias; anchors and aliases are not supported: write the value out", n.Value)
	case n.Anchor != "":
		d.note(n, path, "&%s is an anchor; anchors and aliases are not supported: remove it and write the value out where it is meant", n.Anchor)
	case n.Style&yaml.TaggedStyle != 0:
		d.note(n, path, "%s is a tag; tags are not supported: write the plain value", n.Tag)
	default:
		return true
	}
	return false
}

// decodeSpecial reads the types that have a form of their own.
func (d *decoder) decodeSpecial(n *yaml.Node, v reflect.Value, path *field.Path) bool {
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 || n.Tag == "!!str"
	var err error
	switch into := v.Addr().Interface().(type) {
	case *metav1.Duration:
		if d.scalar(n, path, "a duration such as 10m") {
			into.Duration, err = parseDuration(n.Value)
		}
	case *Share:
		if d.scalar(n, path, "a share such as 5%") {
			*into, err = parseShare(n.Value, quoted)
		}
	case *Ratio:
		if d.scalar(n, path, "a percentage such as 1%") {
			*into, err = parseRatio(n.Value, quoted)
		}
	case *Factor:
		if d.scalar(n, path, "a percentage such as 150%") {
			*into, err = parseFactor(n.Value)
		}
	case *OnUnknown:
		if n.Kind != yaml.ScalarNode {
			return false
		}
		var word Reaction
		d.decode(n, reflect.ValueOf(&word).Elem(), path)
		*into = OnUnknown{}.Everything(word)
	case *Rollback:
		if n.Kind != yaml.ScalarNode {
			return false
		}
		d.decode(n, reflect.ValueOf(&into.Mode).Elem(), path)
	case *Expression:
		if n.Kind != yaml.ScalarNode {
			return false
		}
		d.decode(n, reflect.ValueOf(&into.Source).Elem(), path)
		into.Target = into.Source
	default:
		return false
	}
	if err != nil {
		d.note(n, path, "%s", err)
	}
	return true
}

func (d *decoder) scalar(n *yaml.Node, path *field.Path, want string) bool {
	if n.Kind == yaml.ScalarNode {
		return true
	}
	d.note(n, path, "must be %s, not %s", want, nodeName(n))
	return false
}

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value, path *field.Path) {
	if n.Kind != yaml.MappingNode {
		d.note(n, path, "must be an object with fields, not %s; %s", nodeName(n), thereAre(fieldNames(v.Type())))
		return
	}
	fields := fieldsOf(v)
	var meant []string
	at := func(name string) *field.Path { return path.Child(name) }
	d.eachKey(n, path, at, func(key, value *yaml.Node) {
		into, known := fields[key.Value]
		if !known {
			meant = append(meant, d.unknownField(key, v.Type(), path)...)
		} else if !writtenByKubernetes(v.Type(), key.Value) {
			d.decode(value, into, at(key.Value))
		}
	})
	for _, name := range meant {
		// A field that was mistyped is not missing as well.
		if _, written := d.lines[pathString(at(name))]; !written {
			d.bad[pathString(at(name))] = true
		}
	}
}

// writtenByKubernetes reports whether a field is one that people do not write.
// Files that came from kubectl may hold it; it is not read.
func writtenByKubernetes(t reflect.Type, name string) bool {
	switch t {
	case reflect.TypeFor[metav1.ObjectMeta]():
		return !slices.Contains(metadataNames, name)
	case reflect.TypeFor[Migration]():
		return name == "status"
	}
	return false
}

// eachKey calls visit for each key of a mapping that is written once.
func (d *decoder) eachKey(n *yaml.Node, path *field.Path, at func(string) *field.Path, visit func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content) && len(d.mistakes) <= mostMistakes; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch first := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			d.note(key, path, "a key must be a plain word, not %s", nodeName(key))
		case key.Tag == "!!merge":
			d.note(key, path, "<< merges another object; that is not supported: write the fields out")
		case !d.plain(key, path):
		case first > 0:
			d.mistake(key, at(key.Value), "is written twice, first on line %d: keep one of them", d.skip+first)
		default:
			seen[key.Value] = key.Line
			d.lines[pathString(at(key.Value))] = d.skip + key.Line
			visit(key, value)
		}
	}
}

// unknownField notes a key that is no field and returns what was meant by it.
func (d *decoder) unknownField(key *yaml.Node, t reflect.Type, path *field.Path) (meant []string) {
	at := path.Child(key.Value)
	names := fieldNames(t)
	if u, isUnion := unions[t]; isUnion && u.isLater(key.Value) {
		d.note(key, at, "not supported by this version; %s", thereAre(u.now))
		return u.now
	}
	d.note(key, at, "unknown field; %s", choice(key.Value, names))
	if name, found := suggestion(key.Value, names); found {
		return []string{name}
	}
	return nil
}

func (d *decoder) decodeMap(n *yaml.Node, v reflect.Value, path *field.Path) {
	if n.Kind != yaml.MappingNode {
		d.note(n, path, "must be an object of names and texts, not %s", nodeName(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	at := func(name string) *field.Path { return path.Key(name) }
	d.eachKey(n, path, at, func(key, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, item, at(key.Value))
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
	})
}

func (d *decoder) decodeSlice(n *yaml.Node, v reflect.Value, path *field.Path) {
	if n.Kind != yaml.SequenceNode {
		d.note(n, path, "must be a list, not %s: begin each item with \"- \"", nodeName(n))
		return
	}
	if len(n.Content) > mostItems {
		d.note(n, path, "has %d items, and %d are the most", len(n.Content), mostItems)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		if len(d.mistakes) > mostMistakes {
			return
		}
		at := path.Index(i)
		d.lines[at.String()] = d.skip + item.Line
		d.decode(item, v.Index(i), at)
	}
}

func (d *decoder) decodeString(n *yaml.Node, v reflect.Value, path *field.Path) {
	if known := words[v.Type()]; known != nil && n.Tag != "!!str" {
		d.note(n, path, "must be a word, not %s; %s", nodeName(n), thereAre(known))
		return
	}
	if !d.scalar(n, path, "text") {
		return
	}
	if n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!bool" {
		d.note(n, path, "must be text, not %s: write %q in quotes", nodeName(n), n.Value)
		return
	}
	v.SetString(n.Value)
}

func (d *decoder) decodeBool(n *yaml.Node, v reflect.Value, path *field.Path) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		d.note(n, path, "must be true or false, not %s", nodeName(n))
		return
	}
	v.SetBool(strings.EqualFold(n.Value, "true"))
}

func (d *decoder) decodeInt(n *yaml.Node, v reflect.Value, path *field.Path) {
	number, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v.OverflowInt(number) {
		d.note(n, path, "must be a whole number such as 50, not %s", nodeName(n))
		return
	}
	v.SetInt(number)
}

// nodeName says what a node is, as people call it.
func nodeName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the truth value " + n.Value
	case "!!null":
		return "nothing"
	}
	return fmt.Sprintf("the text %q", n.Value)
}

// fieldsOf returns the settable fields of a struct by their names in JSON.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, inline := jsonName(v.Type().Field(i))
		if inline {
			for n, f := range fieldsOf(v.Field(i)) {
				fields[n] = f
			}
			continue
		}
		if name == "-" {
			continue
		}
		fields[name] = v.Field(i)
	}
	return fields
}

// metadataNames are the fields of metadata that people write.
var metadataNames = []string{"name", "namespace", "labels", "annotations"}

// fieldNames returns the names of the fields that people may write in t.
func fieldNames(t reflect.Type) []string {
	if t == reflect.TypeFor[metav1.ObjectMeta]() {
		return metadataNames
	}
	var names []string
	for i := range t.NumField() {
		name, inline := jsonName(t.Field(i))
		if inline {
			names = append(names, fieldNames(t.Field(i).Type)...)
			continue
		}
		if name != "-" && !writtenByKubernetes(t, name) {
			names = append(names, name)
		}
	}
	return names
}

func jsonName(f reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, name == "" && strings.Contains(options, "inline")
}

func pathString(path *field.Path) string {
	if path == nil {
		return ""
	}
	return path.String()
}
