package v1alpha1

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
)

func TestShareJSON(t *testing.T) {
	for text, want := range map[string]Share{
		`"1%"`: 100, `"0.5%"`: 50, `"0.5 %"`: 50, `"100.00%"`: 10000, `"12.25%"`: 1225, `50`: 50, `0`: 0, `10000`: 10000, `"0%"`: 0,
	} {
		var got Share
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s gives %d, %v", text, got, err)
		}
	}
	for _, text := range []string{`"1"`, `1.5`, `-1`, `10001`, `"100.01%"`, `"-1%"`, `"1.234%"`, `"%"`, `"1,5%"`, `"1e1%"`, `true`, `{}`, `"99999999999%"`, `""`} {
		var got Share
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s gives %d", text, got)
		}
	}
}

func TestRatioJSON(t *testing.T) {
	for text, want := range map[string]Ratio{
		`"1%"`: 10_000, `"0.01"`: 10_000, `"0.0001%"`: 1, `"0.000001"`: 1, `"100%"`: 1_000_000, `"0%"`: 0, `"2.5 %"`: 25_000,
	} {
		var got Ratio
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s gives %d, %v", text, got, err)
		}
	}
	for _, text := range []string{`"1"`, `1`, `0.01`, `"101%"`, `"-1%"`, `"1.00001%"`, `"0.0000001"`, `"x"`, `null2`} {
		var got Ratio
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s gives %d", text, got)
		}
	}
}

func TestNumbersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := Share(rapid.Int32Range(0, 10000).Draw(t, "share"))
		ratio := Ratio(rapid.Int32Range(0, 1_000_000).Draw(t, "ratio"))
		data, err := json.Marshal([]any{share, ratio})
		if err != nil {
			t.Fatal(err)
		}
		var both []json.RawMessage
		var share2 Share
		var ratio2 Ratio
		if err := errors.Join(json.Unmarshal(data, &both), json.Unmarshal(both[0], &share2), json.Unmarshal(both[1], &ratio2)); err != nil {
			t.Fatal(err)
		}
		if share != share2 || ratio != ratio2 {
			t.Fatalf("%d, %d became %s and then %d, %d", share, ratio, data, share2, ratio2)
		}
	})
}

func TestNumbersAsText(t *testing.T) {
	for want, got := range map[string]string{
		"0.5 %": Share(50).String(), "100 %": Share(10000).String(), "0.01 %": Share(1).String(), "12.3 %": Share(1230).String(),
		"1 %": Ratio(10_000).String(), "0.0001 %": Ratio(1).String(), "-0.5 %": Share(-50).String(),
		"10m": readable(10 * time.Minute), "1h": readable(time.Hour), "1h0m20s": readable(time.Hour + 20*time.Second),
		"30s": readable(30 * time.Second), "0s": readable(0), "100ms": readable(100 * time.Millisecond),
	} {
		if got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

// One object with a shape that its schema could not refuse must neither break
// the decoding of a whole list nor pass Validate.
func TestOpenFieldsNeverFailToDecode(t *testing.T) {
	for _, text := range []string{`5`, `[]`, `true`, `{"moed":"manual"}`, `{"mode":5}`, `{"source":"a","traget":"b"}`} {
		var r Rollback
		var e Expression
		if err := errors.Join(json.Unmarshal([]byte(text), &r), json.Unmarshal([]byte(text), &e)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		m := parsed(t, "valid-minimal.yaml").Migrations[0]
		m.Spec.Rollback, m.Spec.Signals[0].Prometheus.Requests = r, e
		var mistakes Mistakes
		if !errors.As(m.Validate(), &mistakes) || len(mistakes) != 2 {
			t.Errorf("%s: %v", text, mistakes)
		}
	}
}

func TestRollbackJSON(t *testing.T) {
	for text, want := range map[string]Rollback{
		`"manual"`: {Mode: RollbackManual},
		`{"mode":"automatic","onUnknown":"rollback","unknownAfter":"2m"}`: {
			Mode: RollbackAutomatic, OnUnknown: OnUnknown{}.Everything(ReactionRollback), UnknownAfter: &metav1.Duration{Duration: 2 * time.Minute},
		},
		`{}`: {},
	} {
		var got Rollback
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestExpression(t *testing.T) {
	var e Expression
	if err := json.Unmarshal([]byte(`"up{cluster=\"${environment}\"}"`), &e); err != nil {
		t.Fatal(err)
	}
	source, target := e.For("a", "b")
	if source != `up{cluster="a"}` || target != `up{cluster="b"}` {
		t.Errorf("%s and %s", source, target)
	}
	for _, e := range []Expression{e, {Source: "x", Target: "y"}} {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var again Expression
		if err := json.Unmarshal(data, &again); err != nil || again != e {
			t.Errorf("%+v became %s and then %+v, %v", e, data, again, err)
		}
	}
}

func TestSuggestion(t *testing.T) {
	for word, want := range map[string]string{
		"souce": "source", "analysys": "analysis", "hodl": "hold", "x": "", "": "", "listenerRuleArn": "listenerRuleARN", "completely": "",
	} {
		got, found := suggestion(word, []string{"source", "analysis", "hold", "listenerRuleARN", "listenerARN"})
		if got != want || found != (want != "") {
			t.Errorf("%q: %q, %v", word, got, found)
		}
	}
}

func TestAddToScheme(t *testing.T) {
	s := runtime.NewScheme()
	if err := AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Environment", "EnvironmentList", "Migration", "MigrationList"} {
		if !s.Recognizes(schema.GroupVersionKind{Group: "watari.dev", Version: "v1alpha1", Kind: kind}) {
			t.Error("the scheme does not know", kind)
		}
	}
}
