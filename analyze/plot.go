package analyze

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"watari.dev/internal/printable"
	"watari.dev/traffic"
	"watari.dev/verdict"
	"watari.dev/view"
)

// The drawing's measures, in pixels of its 1200 by 600.
const (
	plotWidth, plotHeight = 1200, 600
	plotLeft, plotRight   = 112, 1176
	evidenceTop           = 92
	evidenceBottom        = 322
	errorsTop             = 366
	errorsBottom          = 488
	sharesTop             = 512
	sharesBottom          = 556
	axisText              = 578
)

// mostBins is how many points a line of errors has: more would only show noise.
const mostBins = 180

// plotStyle holds all colours. Print is light, and neither side is told by colour
// alone: the target's line is thicker, the source's dashed.
const plotStyle = `
:root{--paper:#fff;--ink:#1c2430;--soft:#5d6877;--grid:#e3e7ec;--target:#c2410c;--source:#2563eb;--bad:#b91c1c;--band:#dbe4f0}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--ink:#e6eaf0;--soft:#9aa5b4;--grid:#2a313b;--target:#fb923c;--source:#7aa7ff;--bad:#f87171;--band:#26364d}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--grid:#ddd;--target:#b23a06;--source:#1d4fc4;--bad:#a11212;--band:#d5deea}}
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:var(--ink);pointer-events:none}
.title{font-size:18px;font-weight:600}.soft{fill:var(--soft)}.small{font-size:12px}
.paper{fill:var(--paper)}.grid{stroke:var(--grid);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}
.evidence{fill:none;stroke:var(--ink);stroke-width:2;stroke-linejoin:round}.limit{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:7 4}
.target{fill:none;stroke:var(--target);stroke-width:2.2;stroke-linejoin:round}.source{fill:none;stroke:var(--source);stroke-width:1.6;stroke-dasharray:5 3;stroke-linejoin:round}
.band{fill:var(--band);stroke:var(--soft);stroke-width:1}.step{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 4}
.rise{stroke:var(--ink);stroke-width:1;stroke-opacity:.55;pointer-events:none}.riseT{fill:var(--ink)}.back{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:2 3;pointer-events:none}.backT{fill:var(--bad)}
.bad{fill:var(--bad);font-weight:600}.over{paint-order:stroke;stroke:var(--paper);stroke-width:5px;stroke-linejoin:round}.mark{stroke:var(--bad);stroke-width:1.5;pointer-events:none}.dot{fill:var(--bad)}
.hover{fill:transparent}.hover:hover{fill:var(--soft);fill-opacity:.16}
.legendT{stroke:var(--target);stroke-width:2.2}.legendS{stroke:var(--source);stroke-width:1.6;stroke-dasharray:5 3}
`

// Plot draws the result as SVG: the evidence over time, the errors of both sides,
// and the share. It holds no script and asks for nothing from outside.
func Plot(w io.Writer, r Result) error {
	p := &plot{r: r, clock: clockOf(r.From, r.To), bins: binned(r.Points)}
	p.scale()
	p.open()
	p.shares()
	p.steps()
	p.rises()
	p.evidence()
	p.errors()
	p.times()
	p.hovers()
	p.marks()
	p.add("</svg>\n")
	_, err := io.WriteString(w, p.b.String())
	return err
}

type plot struct {
	r         Result
	clock     func(time.Time) string
	bins      []Point
	b         strings.Builder
	logTop    float64 // highest ln E that is drawn
	ratioTop  float64 // highest error ratio that is drawn
	showsRise bool
}

func (p *plot) add(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(printable.Line(text))) // a strings.Builder takes everything
	return b.String()
}

func escapedLines(lines []string) (out []string) {
	for _, line := range lines {
		out = append(out, escaped(line))
	}
	return out
}

func (p *plot) text(x, y float64, class, anchor, text string) {
	p.add(`<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, escaped(text))
}

func (p *plot) line(class string, x1, y1, x2, y2 float64) {
	p.add(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, x1, y1, x2, y2)
}

// binned joins neighbouring points, so that there are few enough for a line.
// Points of different steps are not joined.
func binned(points []Point) (out []Point) {
	per := 1 + len(points)/mostBins
	for i, n := 0, 0; i < len(points); i++ {
		if last := len(out) - 1; n > 0 && n < per && out[last].Step == points[i].Step {
			b := &out[last]
			b.At, b.LogE, b.Errors, b.Share = points[i].At, max(b.LogE, points[i].LogE), b.Errors.Plus(points[i].Errors), points[i].Share
			n++
			continue
		}
		out, n = append(out, points[i]), 1
	}
	return out
}

// mostDrawn bounds the evidence that is drawn: what is above decided long ago.
const mostDrawn = 3

func (p *plot) scale() {
	p.logTop, p.ratioTop = p.r.Threshold*1.25, 0.001
	for _, point := range p.r.Points {
		p.logTop = max(p.logTop, min(point.LogE, p.r.Threshold*mostDrawn))
	}
	for _, b := range p.bins {
		p.ratioTop = max(p.ratioTop, b.Errors.Source.Ratio(), b.Errors.Target.Ratio())
	}
	p.ratioTop *= 1.08
	p.showsRise = len(p.r.Rises) > 0 || len(p.r.Steps) > 0 && p.r.Steps[0].Number > 0
}

func (p *plot) x(at time.Time) float64 {
	whole := p.r.To.Sub(p.r.From)
	if whole <= 0 {
		return plotLeft
	}
	part := float64(at.Sub(p.r.From)) / float64(whole)
	return plotLeft + min(max(part, 0), 1)*(plotRight-plotLeft)
}

// yE is the height of ln E. What is below nothing unusual is drawn as that.
func (p *plot) yE(logE float64) float64 {
	return evidenceBottom - min(max(logE, 0), p.logTop)/p.logTop*(evidenceBottom-evidenceTop)
}

func (p *plot) yRatio(ratio float64) float64 {
	return errorsBottom - min(ratio/p.ratioTop, 1)*(errorsBottom-errorsTop)
}

func (p *plot) open() {
	title := p.r.Name + ": " + outcome(p.r, p.clock)[0]
	if p.r.Degraded() {
		first := p.r.Rollbacks[0]
		title = fmt.Sprintf("%s: would have rolled back at %s", p.r.Name, p.clock(first.At))
	}
	p.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n",
		plotWidth, plotHeight, plotWidth, plotHeight, escaped(title))
	p.add("<style>%s</style>\n", plotStyle)
	p.add(`<rect class="paper" width="%d" height="%d"/>`+"\n", plotWidth, plotHeight)
	p.text(plotLeft, 28, "title", "start", cutAt(title, 120))
	p.text(plotLeft, 48, "soft", "start", fmt.Sprintf("%s; source %s requests, target %s", between(p.r.From, p.r.To),
		view.Count(p.r.Requests.Source), view.Count(p.r.Requests.Target)))
}

// cutAt shortens what does not fit into a line.
func cutAt(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// steps marks each hold's beginning and names its share.
func (p *plot) steps() {
	if !p.showsRise {
		return
	}
	right := math.Inf(-1)
	for _, s := range p.r.Steps {
		x := p.x(s.From)
		p.line("step", x, evidenceTop-8, x, sharesBottom)
		label := s.Share.String()
		if x > right && len(p.r.Rises) == 0 { // names of short steps would lie over each other
			p.text(x+5, sharesTop+12, "small over", "start", label)
			right = x + 10 + 7*float64(len(label))
		}
	}
}

// rises marks each change of the share: up or down, to which, and what was known.
func (p *plot) rises() {
	right := math.Inf(-1)
	for _, one := range p.r.Rises {
		x, class, turned, label := p.x(one.At), "rise", "l5 9 h-10 z", one.To.String()
		if one.To < one.From {
			turned = "m-5 0 h10 l-5 9 z"
		}
		if one.Back() {
			class, label = "back", "rolled back"
		}
		p.line(class, x, evidenceTop-8, x, sharesBottom)
		p.add(`<g><title>%s</title><path class="%sT" d="M%.1f %d %s"/></g>`+"\n", strings.Join(escapedLines([]string{
			p.clock(one.At), "share " + one.Rise.String(), "evidence before: " + OneIn(one.Before), "strongest until the next: " + OneIn(one.After),
		}), "&#xA;"), class, x, sharesTop+2, turned)
		anchor, at, long := "start", x+8, 7*float64(len(label))
		if at+long > plotRight {
			anchor, at = "end", x-8
		}
		if x > right { // names of rises that follow each other closely would lie over each other
			p.text(at, sharesTop+12, "small over", anchor, label)
			right = x + 12 + long
		}
	}
}

func (p *plot) evidence() {
	p.text(plotLeft, evidenceTop-16, "small soft", "start", "evidence that the target is worse: how rarely chance alone would make as much")
	for _, v := range decades(p.logTop) {
		y := p.yE(v)
		p.line("grid", plotLeft, y, plotRight, y)
		if math.Abs(y-p.yE(p.r.Threshold)) > 12 {
			p.text(plotLeft-8, y+4, "small soft", "end", label(v))
		}
	}
	p.line("axis", plotLeft, evidenceBottom, plotRight, evidenceBottom)
	y := p.yE(p.r.Threshold)
	p.line("limit", plotLeft, y, plotRight, y)
	p.text(plotLeft-8, y+4, "small bad", "end", OneIn(p.r.Threshold))
	p.text(plotLeft+6, y-6, "small bad", "start", "rolls back from here on")
	points := p.r.Points
	if len(points) == 0 {
		return
	}
	p.add(`<path class="evidence" d="M%.1f %.1f`, p.x(p.r.From), p.yE(0))
	for _, point := range points {
		p.add("L%.1f %.1f", p.x(point.At), p.yE(point.LogE))
	}
	p.add("\"/>\n")
}

// decades are the heights at which E is 1, 10, 100 and so on; every third one
// where there are many.
func decades(top float64) (out []float64) {
	each := 1.0
	if top/math.Ln10 > 8 {
		each = 3
	}
	for k := 0.0; k*math.Ln10 <= top; k += each {
		out = append(out, k*math.Ln10)
	}
	return out
}

func label(logE float64) string {
	if logE == 0 {
		return "nothing"
	}
	return OneIn(logE)
}

func (p *plot) errors() {
	for _, part := range ticks(p.ratioTop) {
		y := p.yRatio(part)
		p.line("grid", plotLeft, y, plotRight, y)
		p.text(plotLeft-8, y+4, "small soft", "end", view.Percent(part))
	}
	p.line("axis", plotLeft, errorsBottom, plotRight, errorsBottom)
	p.add(`<path class="source" d="%s"/>`+"\n", p.ratios(func(b Point) verdict.Tally { return b.Errors.Source }))
	p.add(`<path class="target" d="%s"/>`+"\n", p.ratios(func(b Point) verdict.Tally { return b.Errors.Target }))
	p.text(plotLeft, errorsTop-10, "small soft", "start", "requests that failed:")
	p.line("legendS", plotLeft+140, errorsTop-14, plotLeft+172, errorsTop-14)
	p.text(plotLeft+178, errorsTop-10, "small", "start", "source")
	p.line("legendT", plotLeft+240, errorsTop-14, plotLeft+272, errorsTop-14)
	p.text(plotLeft+278, errorsTop-10, "small", "start", "target")
}

// ratios is the path of one side. Where it has no requests there is no line.
func (p *plot) ratios(of func(Point) verdict.Tally) string {
	var b strings.Builder
	pen := "M"
	from := p.r.From
	for _, bin := range p.bins {
		t := of(bin)
		middle := from.Add(bin.At.Sub(from) / 2)
		from = bin.At
		if t.N == 0 {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, p.x(middle), p.yRatio(t.Ratio()))
		pen = "L"
	}
	if b.Len() == 0 {
		return "M0 0"
	}
	return b.String()
}

// ticks are three or four round ratios up to top.
func ticks(top float64) (out []float64) {
	each := math.Pow(10, math.Floor(math.Log10(top)))
	for top/each < 3 {
		each /= 2
	}
	for top/each > 5 {
		each *= 2
	}
	for k := 0; float64(k)*each <= top; k++ {
		out = append(out, float64(k)*each)
	}
	return out
}

// shares draws the share as a band; nothing where none is recorded.
func (p *plot) shares() {
	if !p.showsRise {
		return
	}
	height := func(s traffic.Share) float64 { return sharesBottom - s.Ratio()*(sharesBottom-sharesTop) }
	p.add(`<path class="band" d="M%d %d`, plotLeft, sharesBottom)
	share, from := traffic.Share(-1), p.r.From
	for _, b := range p.bins {
		if b.Share != share {
			if share >= traffic.None {
				p.add("L%.1f %.1f", p.x(from), height(share))
			}
			p.add("L%.1f %.1f", p.x(from), height(b.Share))
		}
		share, from = b.Share, b.At
	}
	p.add("L%.1f %.1fL%.1f %dZ\"/>\n", p.x(from), height(max(share, 0)), p.x(from), sharesBottom)
	p.line("axis", plotLeft, sharesBottom, plotRight, sharesBottom)
	p.text(plotLeft-8, (sharesTop+sharesBottom)/2+4, "small soft", "end", "share")
}

// times writes the clock below everything.
func (p *plot) times() {
	const n = 6
	for i := range n + 1 {
		at := p.r.From.Add(time.Duration(float64(p.r.To.Sub(p.r.From)) * float64(i) / n))
		anchor := "middle"
		switch i {
		case 0:
			anchor = "start"
		case n:
			anchor = "end"
		}
		p.text(p.x(at), axisText, "small soft", anchor, p.clock(at))
	}
}

// marks shows where it rolls back, and where the split was wrong.
func (p *plot) marks() {
	for _, a := range p.r.Alarms {
		x := p.x(a.At)
		p.add(`<g><title>%s</title><path class="dot" d="M%.1f %d l6 -11 h-12 z"/></g>`+"\n",
			escaped(splits(Result{Alarms: []Alarm{a}}, p.clock)[0]), x, sharesTop-3)
		p.text(x+9, sharesTop-5, "small bad over", "start", "split")
	}
	for _, b := range p.r.Rollbacks {
		x := p.x(b.At)
		p.line("mark", x, evidenceTop-8, x, sharesBottom)
		p.add(`<circle class="dot" cx="%.1f" cy="%.1f" r="5"><title>%s</title></circle>`+"\n", x, p.yE(p.r.Threshold), escaped(b.Finding.String()))
		anchor, shift := "start", 8.0
		if x > (plotLeft+plotRight)/2 {
			anchor, shift = "end", -8
		}
		p.text(x+shift, evidenceTop+14, "bad over", anchor, "would have rolled back at "+p.clock(b.At))
		p.text(x+shift, evidenceTop+32, "small over", anchor, cutAt(b.Finding.String(), 90))
		p.text(x+shift, evidenceTop+48, "small over", anchor, number(int(b.Failed), "request")+" of the target had failed by then")
	}
}

// hovers puts a title over each part of the time.
func (p *plot) hovers() {
	from := p.r.From
	for _, b := range p.bins {
		x, until := p.x(from), p.x(b.At)
		from = b.At
		lines := []string{p.clock(b.At), "evidence: " + OneIn(b.LogE), "source fails " + tallied(b.Errors.Source), "target fails " + tallied(b.Errors.Target)}
		if p.showsRise {
			lines = append(lines, "share "+b.Share.String())
		}
		p.add(`<rect class="hover" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s</title></rect>`+"\n",
			x, evidenceTop-8, max(until-x, 1), sharesBottom-evidenceTop+8, strings.Join(escapedLines(lines), "&#xA;"))
	}
}

func tallied(t verdict.Tally) string {
	if t.N == 0 {
		return "nothing: no requests"
	}
	return fmt.Sprintf("%s (%s of %s)", view.Percent(t.Ratio()), view.Count(t.Bad), view.Count(t.N))
}
