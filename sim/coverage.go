package sim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"watari.dev/engine"
)

// Coverage counts which fault was met in which phase. The zero value has met
// nothing.
type Coverage struct {
	Met [kinds][]int64
}

func (c *Coverage) add(k Kind, p engine.Phase) {
	if c.Met[k] == nil {
		c.Met[k] = make([]int64, len(Phases()))
	}
	for i, q := range Phases() {
		if p == q {
			c.Met[k][i]++
		}
	}
}

// Merge adds what another coverage has met.
func (c *Coverage) Merge(other *Coverage) {
	for k, row := range other.Met {
		if row == nil {
			continue
		}
		if c.Met[k] == nil {
			c.Met[k] = make([]int64, len(Phases()))
		}
		for i, n := range row {
			c.Met[k][i] += n
		}
	}
}

// Times returns how often a fault was met in a phase.
func (c *Coverage) Times(k Kind, p engine.Phase) int64 {
	for i, q := range Phases() {
		if p == q && c.Met[k] != nil {
			return c.Met[k][i]
		}
	}
	return 0
}

// Hole is a fault that could be met in a phase and never was.
type Hole struct {
	Fault Kind         `json:"fault"`
	Phase engine.Phase `json:"phase"`
}

func (h Hole) String() string { return fmt.Sprintf("%s in %s", h.Fault, h.Phase) }

// Holes lists what could be met and was not, in the order of the table.
func (c *Coverage) Holes() (out []Hole) {
	for _, k := range Kinds() {
		for _, p := range Phases() {
			if CanMeet(k, p) && c.Times(k, p) == 0 {
				out = append(out, Hole{k, p})
			}
		}
	}
	return out
}

// MarshalJSON writes an object of objects: fault, phase, how often. What cannot be
// met is left out.
func (c *Coverage) MarshalJSON() ([]byte, error) {
	table := map[string]map[string]int64{}
	for _, k := range Kinds() {
		row := map[string]int64{}
		for _, p := range Phases() {
			if n := c.Times(k, p); n > 0 || CanMeet(k, p) {
				row[string(p)] = n
			}
		}
		table[k.String()] = row
	}
	return json.Marshal(table)
}

// headings are the phases as the table abbreviates them, in the order of Phases.
var headings = []string{"pend", "shift", "hold", "appr", "soak", "pause", "back", "part", "taken", "compl", "fail"}

// Table says how often each fault was met in each phase, in the columns of a
// terminal. "·" cannot be met, "0!" could and was not.
func (c *Coverage) Table() string {
	var b strings.Builder
	wide := 0
	for _, k := range Kinds() {
		wide = max(wide, len(k.String()))
	}
	line := func(first string, cells []string) {
		text := fmt.Sprintf("%-*s", wide, first)
		for _, cell := range cells {
			text += strings.Repeat(" ", max(1, 6-len([]rune(cell)))) + cell
		}
		b.WriteString(text + "\n")
	}
	line("fault", headings)
	for _, k := range Kinds() {
		cells := make([]string, 0, len(headings))
		for _, p := range Phases() {
			cells = append(cells, c.cell(k, p))
		}
		line(k.String(), cells)
	}
	b.WriteString("\n")
	legend := make([]string, 0, len(headings))
	for i, p := range Phases() {
		legend = append(legend, headings[i]+" "+string(p))
	}
	half := len(legend) / 2
	fmt.Fprintf(&b, "%s,\n%s\n", strings.Join(legend[:half], ", "), strings.Join(legend[half:], ", "))
	b.WriteString("\"·\" cannot be met there; \"0!\" could be and was not\n")
	return b.String()
}

func (c *Coverage) cell(k Kind, p engine.Phase) string {
	switch n := c.Times(k, p); {
	case n > 0:
		return short(n)
	case CanMeet(k, p):
		return "0!"
	default:
		return "·"
	}
}

// short writes a number in at most five columns.
func short(n int64) string {
	switch {
	case n < 100_000:
		return strconv.FormatInt(n, 10)
	case n < 10_000_000:
		return strconv.FormatInt(n/1000, 10) + "k"
	default:
		return strconv.FormatInt(n/1_000_000, 10) + "M"
	}
}
