package analyze

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file below testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it and run with -update:\n%s", path, got)
	}
}

// morning is an hour with three steps in which the target breaks: a part of its
// requests fails from 14:31:07 on. Latencies come in whole histograms.
func morning(failing float64) Recording {
	chance := rand.New(rand.NewPCG(7, 7))
	r := Recording{Name: "shop", Services: []Service{{Full: true}}}
	one := func(n int64, failing float64, at time.Time) traffic.Reading[traffic.Counts] {
		c := traffic.Counts{Requests: n, Latency: traffic.Histogram{
			Edges: []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, time.Second}, Buckets: make([]int64, 4),
		}}
		for range n {
			if chance.Float64() < failing {
				c.Errors++
			}
			switch p := chance.Float64(); {
			case p < .6:
				c.Latency.Buckets[0]++
			case p < .985:
				c.Latency.Buckets[1]++
			case p < .999:
				c.Latency.Buckets[2]++
			default:
				c.Latency.Buckets[3]++
			}
		}
		return traffic.KnownAt(c, at)
	}
	for i := range 1200 {
		at, share, step := dawn.Add(time.Duration(i+1)*3*time.Second), traffic.Share(500), 1
		if i >= 300 {
			share, step = 2500, 2
		}
		target := int64(share.Ratio() * 240)
		bad := .001
		if i >= 622 {
			bad = failing
		}
		from := at.Add(-3 * time.Second)
		in := verdict.Interval{
			To: at, From: traffic.BySide[time.Time]{Source: from, Target: from}, Intended: share, Step: step,
			Source: one(240-target, .001, at), Target: one(target, bad, at),
		}
		if i == 100 || i == 101 {
			in.Target, in.Source = traffic.Reading[traffic.Counts]{Err: "nobody answered"}, traffic.Reading[traffic.Counts]{}
		}
		r.add(in)
	}
	r.leave("damaged lines of the journal", 2)
	r.began()
	return r
}

func replayed(r Recording) Result { return Replay(r, r.Settings(verdict.Config{}.WithDefaults())) }

// told is a result that is written down here, so that its words do not change
// with the tests that decide.
func told() Result {
	at := func(text string) time.Time {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		return dawn.Add(d)
	}
	sides := func(source, sourceBad, target, targetBad int64) Sides {
		return Sides{estimate(verdict.Tally{N: source, Bad: sourceBad}, .01), estimate(verdict.Tally{N: target, Bad: targetBad}, .01)}
	}
	proven := at("7m30s")
	cfg := verdict.Config{Services: []verdict.Service{{Metrics: []verdict.Metric{{Name: "errors", Kind: verdict.Errors}, {Name: "p99", Kind: verdict.Latency, Quantile: .99}}}}}
	r := Result{
		Name: "shop", From: dawn, To: at("1h"), Intervals: 3600, Requests: traffic.BySide[int64]{Source: 1229944, Target: 57576},
		NotKnown: traffic.BySide[int]{Target: 12}, Whys: []Remark{{traffic.Target, "no new sample of r between … and …", 2}, {traffic.Target, "counters of r go up and down", 10}, {traffic.Source, "x", 40}},
		Notes:  []Remark{{traffic.Source, "several servers store the same series: they are counted once", 3600}},
		Missed: verdict.Missed{Resets: 1}, LeftOut: []LeftOut{{"damaged lines of the journal", 2}},
		Nearest: Moment{at("31m7s"), 5.4}, Threshold: -math.Log(.01), Peak: 5.4, Unit: "1m0s", Config: cfg.WithDefaults(),
		Steps: []Step{
			{
				Number: 1, Share: 500, From: dawn, To: at("15m"), Errors: sides(900000, 810, 9000, 9), Enough: &proven, Good: verdict.Promotion{Enough: true},
				Beside: []Beside{{Metric: "p99", Text: "slower than 500ms", Sides: sides(900000, 9000, 9000, 80)}},
				P50:    traffic.BySide[Lag]{Source: Lag{40e6, 0, 50e6}, Target: Lag{42e6, 0, 50e6}}, P99: traffic.BySide[Lag]{Source: Lag{460e6, 200e6, 500e6}, Target: Lag{480e6, 200e6, -1}},
			},
			{
				Number: 2, Share: 2500, From: at("15m"), To: at("1h"), Errors: sides(329944, 330, 48576, 1992),
				Good:   verdict.Promotion{Why: "so far the target fails for 4.1 % of requests, the source for 0.1 %", Metric: "errors"},
				Beside: []Beside{{Metric: "p99", Text: "slower than 500ms", Sides: sides(329944, 3300, 48576, 480)}},
			},
		},
		Rises: []Risen{
			{Rise{dawn, 0, 500}, 0, 0.4}, {Rise{at("15m"), 500, 2500}, -1, 5.4}, {Rise{at("31m8s"), 2500, 0}, 5.4, 5.4},
		},
		Alarms: []Alarm{{at("20m"), verdict.Split{Alarm: true, Intended: 2500, Observed: .31}}},
		Rollbacks: []Rollback{{At: at("31m7s"), After: 31*time.Minute + 7*time.Second, Failed: 61, Finding: verdict.Finding{
			Metric: "errors", Text: "fails", Peak: 8.14,
			Source: verdict.Estimate{Tally: verdict.Tally{N: 14000, Bad: 14}}, Target: verdict.Estimate{Tally: verdict.Tally{N: 1480, Bad: 61}},
		}}},
	}
	for i := range 60 {
		p := Point{At: dawn.Add(time.Duration(i+1) * time.Minute), LogE: -1, Share: 500, Step: 1, Errors: verdict.Pair{Source: verdict.Tally{N: 20000, Bad: int64(15 + i%7)}, Target: verdict.Tally{N: 1000, Bad: int64(i % 3)}}}
		if i >= 15 {
			p.Share, p.Step = 2500, 2
		}
		if i >= 28 {
			p.Errors.Target.Bad, p.LogE = int64(38+i%5), min(float64(i-28)*1.7, 12)
		}
		if i == 5 {
			p.Errors.Target = verdict.Tally{}
		}
		r.Points = append(r.Points, p)
	}
	return r
}

func TestWordsOfARollback(t *testing.T) {
	var b bytes.Buffer
	Write(&b, told())
	golden(t, "rollback.txt", b.Bytes())
}

func TestWordsOfAGoodTarget(t *testing.T) {
	var b bytes.Buffer
	r := told()
	r.Rollbacks, r.Alarms, r.LeftOut, r.NotKnown, r.Missed = nil, nil, nil, traffic.BySide[int]{}, verdict.Missed{}
	r.Nearest, r.Unit = Moment{dawn.Add(10 * time.Minute), math.Log(3.4)}, "30s"
	r.To, r.Rises = dawn.Add(30*time.Hour), r.Rises[:2]
	Write(&b, r)
	b.WriteString("\n")
	r.Nearest.LogE = -2
	r.Steps = r.Steps[:1]
	r.Steps[0].Number, r.Steps[0].Enough, r.Steps[0].Good = 0, nil, verdict.Promotion{Metric: "errors", Requests: 12000}
	Write(&b, r)
	golden(t, "good.txt", b.Bytes())
}

// TestWordsOfServices has several services, and an operator who went on.
func TestWordsOfServices(t *testing.T) {
	r := told()
	r.Services = []string{"web", "pay"}
	r.Steps[0].Beside[0].Service, r.Alarms[0].Service = "web", "pay"
	r.Rollbacks = append(r.Rollbacks, r.Rollbacks[0])
	r.Rollbacks[0].Finding.To = " to pay"
	r.Rollbacks[1].At = dawn.Add(50 * time.Minute)
	var b bytes.Buffer
	Write(&b, r)
	golden(t, "services.txt", b.Bytes())
}

func TestWordsOfACalibration(t *testing.T) {
	var b bytes.Buffer
	c := Calibration{
		Name: "http://prometheus:9090", From: dawn, To: dawn.Add(14 * 24 * time.Hour), Horizon: 24 * time.Hour, Folded: true, Share: .05, Requests: 1234567, Errors: 1234, Alpha: .01,
		Trials: []Trial{
			{Form: verdict.Hybrid, Unit: 30 * time.Second, Migrations: 14, Alarms: 3, Low: .047, High: .508, InTen: 5, Strongest: 6.2},
			{Form: verdict.Hybrid, Unit: time.Minute, Migrations: 14, High: .2316, InTen: 1, Strongest: 2.9, Holds: true},
		},
		Phi: 2.04, Bursts: []time.Duration{8 * time.Second, 32 * time.Second}, Need: 368, Every: 30 * time.Second,
	}
	c.Best = &c.Trials[1]
	WriteCalibration(&b, c)
	b.WriteString("\n")
	c.Best, c.Errors = nil, 12
	c.Trials[1].Holds = false
	WriteCalibration(&b, c)
	b.WriteString("\n")
	c.Best, c.Proven, c.Folded, c.Bursts = &c.Trials[1], true, false, []time.Duration{time.Second, 16 * time.Second}
	c.Trials[1].Form, c.Trials[1].Migrations = verdict.Unit, 400
	WriteCalibration(&b, c)
	b.WriteString("\n")
	WriteCalibration(&b, Calibration{Name: "shop"})
	golden(t, "calibration.txt", b.Bytes())
}

func TestDrawing(t *testing.T) {
	r := told()
	r.Name = `shop <&"> `
	var first, second bytes.Buffer
	if err := errors.Join(Plot(&first, r), Plot(&second, r)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same is drawn in two ways")
	}
	wellFormed(t, first.Bytes())
	for _, not := range []string{"<script", "http://", "https://", "NaN", "Inf", "url("} {
		if text := strings.ReplaceAll(first.String(), `xmlns="http://www.w3.org/2000/svg"`, ""); strings.Contains(text, not) {
			t.Errorf("the drawing has %q in it", not)
		}
	}
	golden(t, "drawing.svg", first.Bytes())
}

// TestDrawingOfAReplay draws what was replayed, not what was written down.
func TestDrawingOfAReplay(t *testing.T) {
	var b bytes.Buffer
	if err := Plot(&b, replayed(morning(.3))); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, b.Bytes())
	if got := strings.Count(b.String(), "<title>target fails"); got != 1 {
		t.Errorf("%d rollbacks are marked, want 1", got)
	}
}

// TestDrawingOfLittle: nothing, one interval, and no requests at all.
func TestDrawingOfLittle(t *testing.T) {
	full := morning(.001)
	for _, n := range []int{0, 1, 2} {
		r := full
		r.Turns = r.Turns[:n]
		var b bytes.Buffer
		if err := Plot(&b, replayed(r)); err != nil {
			t.Fatal(err)
		}
		wellFormed(t, b.Bytes())
		if strings.Contains(b.String(), "NaN") {
			t.Errorf("%d intervals are drawn at no place", n)
		}
	}
}

func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	d, elements := xml.NewDecoder(bytes.NewReader(svg)), 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the drawing is no XML: %v", err)
		}
		if _, is := token.(xml.StartElement); is {
			elements++
		}
	}
	if elements < 10 {
		t.Errorf("only %d elements", elements)
	}
}
