package wire

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type inner struct {
	Name   string
	Weight *int
	List   []string
}

type embedded struct{ Flag *bool }

type outer struct {
	Text  string
	Inner *inner
	Items []inner
	embedded
}

// encodeQuery is the opposite of DecodeQuery, written after the Query protocol
// of the Smithy specification.
func encodeQuery(values url.Values, name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			child := field.Name
			if name != "" {
				child = name + "." + child
			}
			if field.Anonymous {
				child = name
			}
			encodeQuery(values, child, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			encodeQuery(values, fmt.Sprintf("%s.member.%d", name, i+1), v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			encodeQuery(values, name, v.Elem())
		}
	default:
		values.Set(name, fmt.Sprint(v.Interface()))
	}
}

func drawInner(t *rapid.T) inner {
	in := inner{Name: rapid.String().Draw(t, "name")}
	if rapid.Bool().Draw(t, "weighted") {
		w := rapid.IntRange(-1000, 1000).Draw(t, "weight")
		in.Weight = &w
	}
	for range rapid.IntRange(0, 12).Draw(t, "list") {
		in.List = append(in.List, rapid.String().Draw(t, "item"))
	}
	return in
}

func TestQueryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := outer{Text: rapid.String().Draw(t, "text")}
		if rapid.Bool().Draw(t, "inner") {
			in := drawInner(t)
			want.Inner = &in
		}
		for range rapid.IntRange(0, 12).Draw(t, "items") {
			want.Items = append(want.Items, drawInner(t))
		}
		if rapid.Bool().Draw(t, "flagged") {
			flag := rapid.Bool().Draw(t, "flag")
			want.Flag = &flag
		}
		values := make(url.Values)
		encodeQuery(values, "", reflect.ValueOf(want))
		parsed, err := url.ParseQuery(values.Encode())
		if err != nil {
			t.Fatal(err)
		}
		var got outer
		if err := DecodeQuery(parsed, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outer{})); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}

func TestQueryMalformed(t *testing.T) {
	for key, value := range map[string]string{"Inner.Weight": "x", "Flag": "maybe", "Items.member.1.Weight": "99999999999"} {
		var got outer
		if err := DecodeQuery(url.Values{key: {value}}, &got); err == nil || err.Code != "MalformedInput" {
			t.Errorf("%s=%s: got %v, want MalformedInput", key, value, err)
		}
	}
	long := make(url.Values)
	for i := range maxMembers + 1 {
		long.Set(fmt.Sprintf("Inner.List.member.%d", i+1), "x")
	}
	var got outer
	if err := DecodeQuery(long, &got); err == nil || err.Code != "ValidationError" {
		t.Errorf("a list that is too long: got %v, want ValidationError", err)
	}
}

func TestErrorDocuments(t *testing.T) {
	var doc errorDocument
	reply := XMLError("urn:x", Errorf("SomeCode", "a <b> & %d", 3), "id-1")
	if err := xml.Unmarshal(reply.Body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Code != "SomeCode" || doc.Message != "a <b> & 3" || doc.Type != "Sender" || doc.RequestID != "id-1" || reply.Status != 400 {
		t.Errorf("got %+v with HTTP %d", doc, reply.Status)
	}
	if err := xml.Unmarshal(XMLError("", &Error{Status: 500}, "").Body, &doc); err != nil || doc.Type != "Receiver" {
		t.Errorf("got %v, type %s; a failure of the service is the Receiver's", err, doc.Type)
	}
	if got := JSONError(Throttled()); got.Header["x-amzn-ErrorType"] != "ThrottlingException" || string(got.Body) != `{"message":"Rate exceeded"}` {
		t.Errorf("got %v %s", got.Header, got.Body)
	}
}

func TestIdentifiers(t *testing.T) {
	if HexID(1, "a", 1) != HexID(1, "a", 1) || HexID(1, "a", 1) == HexID(1, "a", 2) || HexID(1, "a", 1) == HexID(2, "a", 1) {
		t.Error("an identifier must depend on seed and number only")
	}
	if len(HexID(1, "a", 1)) != 16 || len(UpperID(1, "a", 1, 20)) != 20 || len(DecimalID(1, "a", 1)) != 10 || len(RequestID()) != 36 {
		t.Error("an identifier has the wrong length")
	}
}
