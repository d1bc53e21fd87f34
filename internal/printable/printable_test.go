package printable

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"café 渡り naïve Ω \U0001f600": "café 渡り naïve Ω \U0001f600",
		"\x1b[2J\x1b[1;1Hcomplete":   `\x1b[2J\x1b[1;1Hcomplete`,
		"a\n14:30:32 complete":       `a\n14:30:32 complete`,
		"over\rwritten\b\b":          `over\rwritten\x08\x08`,
		"tab\there":                  `tab\there`,
		"del\x7f":                    `del\u007f`,
		"c1 \u009b2J \u0085":         `c1 \u009b2J \u0085`,
		"bare c1 \x9b2J":             `bare c1 \x9b2J`,
		"\u202egnp.\u202c \u2066\u2069 \u200e\u200f": `\u202egnp.\u202c \u2066\u2069 \u200e\u200f`,
		"zero\u200bwidth\ufeff\u00ad\u2060":          `zero\u200bwidth\ufeff\u00ad\u2060`,
		"\u2028\u2029":                               `\u2028\u2029`,
		"half \xe6\xb8":                              `half \xe6\xb8`,
		"tag \U000e0041":                             `tag \udb40\udc41`,
		"\u3164\u115f\ufe0f":                         `\u3164\u115f\ufe0f`,
		"replaced \ufffd":                            "replaced \ufffd",
	} {
		if got := Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("渡", 5000)
	got := Line(long)
	if !utf8.ValidString(got) || !strings.HasSuffix(got, "… (10905 more bytes)") || len(got) > longest+40 {
		t.Errorf("%d bytes, ends with %q", len(got), got[len(got)-40:])
	}
}

// hostile draws texts of anything.
func hostile(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("\x1b\n\r\x9b\xc2\xe2\x80\xae\x7f"))), 0, 200).Draw(t, "text"))
}

func TestNothingUnsafeIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := Line(hostile(t))
		if unsafeIn(got, false) >= 0 || !utf8.ValidString(got) {
			t.Fatalf("%q", got)
		}
		if Line(got) != got && len(got) <= longest {
			t.Fatalf("made safe twice %q becomes %q", got, Line(got))
		}
	})
}

// TestWriterInAnyPieces: where a write ends says nothing about what is in it.
func TestWriterInAnyPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := hostile(t) + "."
		var whole, pieces bytes.Buffer
		w := NewWriter(&whole)
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
		w = NewWriter(&pieces)
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if _, err := w.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if whole.String() != pieces.String() || unsafeIn(whole.String(), true) >= 0 {
			t.Fatalf("%q and %q", whole.String(), pieces.String())
		}
	})
}

// TestJSONStaysWhatItWas: encoding/json leaves controls above U+007E as they are.
func TestJSONStaysWhatItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ToValidUTF8(hostile(t), "?") + "\u009b\u007f\u202e\U000e0041"
		var out bytes.Buffer
		if err := json.NewEncoder(NewWriter(&out)).Encode(map[string]string{"text": text}); err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["text"] != text || unsafeIn(out.String(), true) >= 0 {
			t.Fatalf("%q: %q, %v", out.String(), back["text"], err)
		}
	})
}

func TestPrintingKeepsOurLinesAndNoOthers(t *testing.T) {
	const forged = "x\n14:30:32   complete\x1b[0m"
	var out bytes.Buffer
	Fprintf(&out, "%s: %v, %q, %d %5.1f %-4s|\n", forged, errors.New(forged), forged, 3, 2.5, "é")
	Fprintln(&out, forged, fmt.Stringer(name(forged)))
	if got := out.String(); strings.Count(got, "\n") != 2 || unsafeIn(got, true) >= 0 || !strings.Contains(got, `3   2.5 é   |`) {
		t.Errorf("%q", got)
	}
}

type name string

func (n name) String() string { return string(n) }

func TestErrorsKeepTheirOwnLines(t *testing.T) {
	a, b := errors.New("a\nforged"), errors.New("b")
	type adds struct{ error }
	for _, c := range []struct {
		err  error
		want string
	}{
		{a, `a\nforged`},
		{errors.Join(a, b), "a\\nforged\nb"},
		{fmt.Errorf("while: %w", errors.Join(a, b)), `while: a\nforged\nb`},
		{&Advised{Err: a, Advice: []string{"do\nthis"}}, "a\\nforged\ndo\\nthis"},
		{&Advised{Err: &Advised{Err: a, Advice: []string{"x"}}, Advice: []string{"y"}}, "a\\nforged\nx\ny"},
		{fmt.Errorf("%w", &Advised{Err: b, Advice: []string{"y"}}), "b\ny"},
		{adds{b}, "b"},
	} {
		if got := Error(c.err); got != c.want {
			t.Errorf("%q: %q, want %q", c.err, got, c.want)
		}
	}
}
