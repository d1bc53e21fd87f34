package sim

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"watari.dev/engine"
)

func TestCoverageTable(t *testing.T) {
	var c, more Coverage
	for range 1234 {
		more.add(Kill, engine.Shifting)
	}
	c.Merge(&more)
	c.Merge(&Coverage{})
	c.add(ReplyLost, engine.RollingBack)
	rows := map[string]string{}
	table := c.Table()
	for line := range strings.Lines(table) {
		for _, k := range Kinds() {
			if rest, is := strings.CutPrefix(line, k.String()+" "); is {
				rows[k.String()] = strings.Join(strings.Fields(rest), " ")
			}
		}
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 112 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	if len(rows) != len(Kinds()) {
		t.Errorf("%d of %d faults have a row:\n%s", len(rows), len(Kinds()), table)
	}
	if got, want := rows[ReplyLost.String()], "· 0! · · · · 1 0! · · ·"; got != want {
		t.Errorf("%q: %q, want %q", ReplyLost, got, want)
	}
	if got, want := rows[Kill.String()], "0! 1234 0! 0! 0! 0! 0! 0! · · ·"; got != want {
		t.Errorf("%q: %q, want %q", Kill, got, want)
	}
	if len(headings) != len(Phases()) {
		t.Errorf("%d headings for %d phases", len(headings), len(Phases()))
	}
}

func TestHoles(t *testing.T) {
	var c Coverage
	all := len(c.Holes())
	if all < 200 {
		t.Fatalf("only %d pairs of a fault and a phase can be met", all)
	}
	c.add(Kill, engine.Shifting)
	c.add(ReplyLost, engine.Complete) // cannot be met there: no hole is filled
	holes := c.Holes()
	if len(holes) != all-1 || slices.Contains(holes, Hole{Kill, engine.Shifting}) {
		t.Errorf("%d holes, then %d", all, len(holes))
	}
	text, err := json.Marshal(&c)
	if err != nil || !strings.Contains(string(text), `"killed between effects":{"Holding":0,`) || strings.Contains(string(text), `"write lost":{"Complete"`) {
		t.Errorf("%v: %s", err, text)
	}
}

func TestShort(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 99_999: "99999", 100_000: "100k", 9_999_999: "9999k", 12_345_678: "12M"} {
		if got := short(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
