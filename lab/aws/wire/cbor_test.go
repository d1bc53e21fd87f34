package wire

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

type timed struct {
	At   time.Time
	Name *string
}

func TestCBORTimes(t *testing.T) {
	whole := CBORReply(200, timed{At: time.Unix(1_800_000_000, 0)})
	var raw map[string]cbor.RawTag
	if err := cbor.Unmarshal(whole.Body, &map[string]any{}); err != nil {
		t.Fatal(err)
	}
	b, _ := cbor.Marshal(map[string]any{"At": cbor.Tag{Number: 1, Content: 1_800_000_000.5}, "Other": 3})
	var got timed
	if err := DecodeCBOR(b, &got); err != nil || got.At.UnixMilli() != 1_800_000_000_500 || got.Name != nil {
		t.Errorf("%+v, %v", got, err)
	}
	only := CBORReply(200, map[string]time.Time{"At": time.Unix(1_800_000_000, 0)})
	if err := cbor.Unmarshal(only.Body, &raw); err != nil || raw["At"].Number != 1 {
		t.Errorf("a timestamp is written as %x: %v", only.Body, err)
	}
	if whole.ContentType != "application/cbor" || whole.Header["smithy-protocol"] != "rpc-v2-cbor" {
		t.Errorf("%+v", whole)
	}
}

func TestCBORRefuses(t *testing.T) {
	for name, body := range map[string][]byte{
		"not CBOR":   {0xff, 0x00},
		"wrong type": func() []byte { b, _ := cbor.Marshal(map[string]any{"Name": 7}); return b }(),
		"torn":       {0xa1, 0x64},
	} {
		if err := DecodeCBOR(body, &timed{}); err == nil || err.Code != "SerializationException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := DecodeCBOR(nil, &timed{}); err != nil {
		t.Errorf("an empty body: %v", err)
	}
}

func TestRPCAction(t *testing.T) {
	for path, want := range map[string]string{
		"/service/Sample20100801/operation/GetThing": "GetThing",
		"/service/Sample20100801/operation/":         "",
		"/service/Other/operation/GetThing":          "",
		"/service/Sample20100801/operation/Get/More": "",
		"/": "",
	} {
		r := httptest.NewRequest("POST", path, nil)
		r.Header.Set("smithy-protocol", "rpc-v2-cbor")
		if got, err := RPCAction(r, "Sample20100801"); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if _, err := RPCAction(httptest.NewRequest("POST", "/service/Sample20100801/operation/GetThing", nil), "Sample20100801"); err == nil {
		t.Error("a request of another protocol was read")
	}
}

func TestCBORError(t *testing.T) {
	r := CBORError("com.example", map[string]string{"InvalidParameterValue": "InvalidParameterValueException"}, Errorf("InvalidParameterValue", "no"))
	var got map[string]string
	if err := cbor.Unmarshal(r.Body, &got); err != nil || got["__type"] != "com.example#InvalidParameterValueException" || got["message"] != "no" {
		t.Errorf("%v, %v", got, err)
	}
	if r.Header["x-amzn-query-error"] != "InvalidParameterValue;Sender" || r.Status != 400 {
		t.Errorf("%+v", r)
	}
}
