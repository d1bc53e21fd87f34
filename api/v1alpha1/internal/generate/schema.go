package main

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"
)

// object is a piece of a schema.
type object = map[string]any

// shortForms are the fields that may be written as a plain string too. A
// structural schema cannot say "string or object" (Kubernetes documentation,
// "Specifying a structural schema"), so the CRD leaves them open and Validate
// looks at them; the JSON Schema says both.
var shortForms = []struct {
	kind, under string
	fields      []string
	short       func(long object) object
}{
	{"Migration", "spec.rollback", []string{"onUnknown"}, func(object) object {
		return object{"type": "string", "enum": []any{"hold", "rollback"}}
	}},
	{"Migration", "spec", []string{"rollback"}, func(long object) object {
		return object{"type": "string", "enum": at(long, "properties", "mode")["enum"]}
	}},
	{"Migration", "spec.signals.scrape", []string{"requests", "errors", "latency"}, anyText},
	{"Migration", "spec.signals.prometheus", []string{"url", "requests", "errors", "latency"}, anyText},
	{"Migration", "spec.signals.datadog", []string{"requests", "errors", "latency"}, anyText},
	{"Migration", "spec.signals.scrape.events", []string{"count"}, anyText},
	{"Migration", "spec.signals.prometheus.events", []string{"count"}, anyText},
	{"Migration", "spec.signals.datadog.events", []string{"count"}, anyText},
}

func anyText(object) object { return object{"type": "string", "minLength": 1} }

// at follows keys into a schema.
func at(schema object, keys ...string) object {
	for _, key := range keys {
		schema, _ = schema[key].(object)
	}
	return schema
}

// properties returns the fields of the object at a dotted path below root; lists
// on the way stand for their items.
func properties(root object, path string) object {
	for _, name := range strings.Split(path, ".") {
		root = at(root, "properties", name)
		if items := at(root, "items"); items != nil {
			root = items
		}
	}
	return at(root, "properties")
}

func rootOf(crd object) object {
	version := at(crd, "spec")["versions"].([]any)[0].(object)
	return at(version, "schema", "openAPIV3Schema")
}

func kindOf(crd object) string { return at(crd, "spec", "names")["kind"].(string) }

// loosenShortForms leaves open in a CRD what a structural schema cannot express.
func loosenShortForms(crd object) {
	for _, f := range shortForms {
		if f.kind != kindOf(crd) {
			continue
		}
		fields := properties(rootOf(crd), f.under)
		for _, name := range f.fields {
			fields[name] = object{
				"description":                          at(fields, name)["description"],
				"x-kubernetes-preserve-unknown-fields": true,
			}
		}
	}
}

// jsonSchema derives the schema of a file's document from a strict CRD.
func jsonSchema(kind string, crd object) object {
	schema := converted(rootOf(crd))
	fields := at(schema, "properties")
	version := at(crd, "spec")["versions"].([]any)[0].(object)["name"].(string)
	fields["apiVersion"] = object{"type": "string", "enum": []any{at(crd, "spec")["group"].(string) + "/" + version}}
	fields["kind"] = object{"type": "string", "enum": []any{kind}}
	fields["metadata"] = metadata()
	if _, has := fields["status"]; has {
		fields["status"] = object{"type": "object", "description": "Written by Kubernetes; not read from files."}
	}
	schema["required"] = []any{"apiVersion", "kind", "metadata", "spec"}
	schema["$schema"] = draft
	schema["title"] = kind + " of watari"
	for _, f := range shortForms {
		if f.kind != kind {
			continue
		}
		holder := properties(schema, f.under)
		for _, name := range f.fields {
			long := at(holder, name)
			description := long["description"]
			delete(long, "description")
			holder[name] = object{"description": description, "anyOf": []any{f.short(long), long}}
		}
	}
	return schema
}

// draft is the version that yaml-language-server reads best.
const draft = "http://json-schema.org/draft-07/schema#"

// metadata is the part of Kubernetes's ObjectMeta that people write; what
// Kubernetes adds is let pass.
func metadata() object {
	texts := object{"type": "object", "additionalProperties": object{"type": "string"}}
	return object{
		"type":     "object",
		"required": []any{"name"},
		"properties": object{
			"name": object{
				"type": "string", "description": "Name of the object, unique for its kind.", "maxLength": 253,
				"pattern": `^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`,
			},
			"namespace":   object{"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
			"labels":      texts,
			"annotations": texts,
		},
	}
}

// converted returns a schema of Kubernetes as plain JSON Schema, strict about
// unknown fields.
func converted(schema object) object {
	out := object{}
	for key, value := range schema {
		if !strings.HasPrefix(key, "x-kubernetes-") && key != "format" {
			out[key] = convertedValue(key, value)
		}
	}
	if fields := at(out, "properties"); fields != nil {
		out["additionalProperties"] = false
	}
	if schema["x-kubernetes-list-type"] == "set" {
		out["uniqueItems"] = true
	}
	if schema["x-kubernetes-int-or-string"] == true {
		out["anyOf"] = []any{
			// The rule of Share, the one type that is written both ways.
			object{"type": "integer", "minimum": 0, "maximum": 10000},
			object{"type": "string", "pattern": schema["pattern"]},
		}
		delete(out, "pattern")
	}
	for _, rule := range asList(schema["x-kubernetes-validations"]) {
		addUnion(out, rule.(object)["rule"].(string))
	}
	return out
}

func convertedValue(key string, value any) any {
	child, isObject := value.(object)
	switch {
	case isObject && key == "properties":
		fields := object{}
		for name, field := range child {
			fields[name] = converted(field.(object))
		}
		return fields
	case isObject:
		return converted(child)
	}
	return value
}

// unionRule is how controller-gen writes the markers ExactlyOneOf and AtMostOneOf.
var (
	unionRule   = regexp.MustCompile(`^\[(has\(self\.\w+\),?)+\]\.filter\(x,\s?x==true\)\.size\(\) (==|<=) 1$`)
	unionMember = regexp.MustCompile(`has\(self\.(\w+)\)`)
)

// addUnion says in JSON Schema what a union's rule says in CEL.
func addUnion(out object, rule string) {
	if !unionRule.MatchString(rule) {
		return
	}
	var one, pairs []any
	members := unionMember.FindAllStringSubmatch(rule, -1)
	for i, m := range members {
		one = append(one, object{"required": []any{m[1]}})
		for _, other := range members[i+1:] {
			pairs = append(pairs, object{"required": []any{m[1], other[1]}})
		}
	}
	if strings.HasSuffix(rule, "== 1") {
		out["oneOf"] = one
	} else {
		out["not"] = object{"anyOf": pairs}
	}
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
}

// fileSchema takes a document of any kind: what an editor needs for files that
// hold several.
func fileSchema(schemas map[string]object) object {
	var names, rules []any
	for _, k := range kinds {
		names = append(names, k.kind)
		rules = append(rules, object{
			"if":   object{"required": []any{"kind"}, "properties": object{"kind": object{"enum": []any{k.kind}}}},
			"then": schemas[k.kind],
		})
	}
	return object{
		"$schema":    draft,
		"title":      "File of watari",
		"type":       "object",
		"required":   []any{"apiVersion", "kind"},
		"properties": object{"kind": object{"enum": names}},
		"allOf":      rules,
	}
}

// encode writes JSON with keys in order and without escaped angle brackets.
func encode(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}
