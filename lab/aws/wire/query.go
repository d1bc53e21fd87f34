package wire

import (
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// maxMembers bounds a list of a Query request; AWS's own limits are lower.
const maxMembers = 2000

// DecodeQuery fills the struct that into points to from the parameters of a
// Query request: fields by their Go names, lists as Name.member.N from 1,
// structs as Name.Field. An absent parameter leaves the field alone, so that a
// pointer tells absent from zero.
func DecodeQuery(values url.Values, into any) *Error {
	d := queryDecoder{values: values, prefixes: prefixesOf(values)}
	return d.decode("", reflect.ValueOf(into).Elem())
}

type queryDecoder struct {
	values   url.Values
	prefixes map[string]bool
}

// prefixesOf lists every dotted prefix of every key, so that looking for a
// struct or a list member costs one map access.
func prefixesOf(values url.Values) map[string]bool {
	prefixes := make(map[string]bool, len(values))
	for key := range values {
		for i := range len(key) {
			if key[i] == '.' {
				prefixes[key[:i]] = true
			}
		}
		prefixes[key] = true
	}
	return prefixes
}

func (d queryDecoder) decode(name string, v reflect.Value) *Error {
	switch v.Kind() {
	case reflect.Struct:
		return d.decodeStruct(name, v)
	case reflect.Slice:
		return d.decodeList(name, v)
	case reflect.Pointer:
		if !d.prefixes[name] {
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return d.decode(name, v.Elem())
	default:
		if !d.values.Has(name) {
			return nil
		}
		return decodeScalar(name, d.values.Get(name), v)
	}
}

func (d queryDecoder) decodeStruct(name string, v reflect.Value) *Error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			if err := d.decodeStruct(name, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		child := field.Name
		if name != "" {
			child = name + "." + field.Name
		}
		if err := d.decode(child, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func (d queryDecoder) decodeList(name string, v reflect.Value) *Error {
	for n := 1; n <= maxMembers; n++ {
		member := name + ".member." + strconv.Itoa(n)
		if !d.prefixes[member] {
			return nil
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if err := d.decode(member, element); err != nil {
			return err
		}
		v.Set(reflect.Append(v, element))
	}
	return Errorf("ValidationError", "%s has more than %d members", name, maxMembers)
}

func decodeScalar(name, text string, v reflect.Value) *Error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return malformed(name, text, "a boolean")
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return malformed(name, text, "an integer")
		}
		v.SetInt(n)
	default:
		panic("wire: query parameters cannot be of kind " + v.Kind().String())
	}
	return nil
}

func malformed(name, text, want string) *Error {
	return Errorf("MalformedInput", "Parameter %s: %q is not %s", name, text, want)
}
