package analyze

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
)

const plainHeader = "time,source_requests,source_errors,target_requests,target_errors\n"

func TestMistakesOfTables(t *testing.T) {
	for name, c := range map[string]struct{ table, want string }{
		"nothing":      {"", "line 1: the file is empty; its first line names the columns: time, source_requests, source_errors, target_requests, target_errors"},
		"only columns": {plainHeader, "line 1: there is no line below the header"},
		"columns": {"when,source_requests,source_errors,target_requests,source_requests,source_over_fast,target_event_pay\n", `line 1: column "source_over_fast": "fast" is no duration such as 500ms or 1.5s
  line 1: column "when" is none of time, service, share, source_..., target_...
  line 1: columns 2 and 5 are both named "source_requests"
  line 1: event_pay is needed of both sides: source_event_pay and target_event_pay
  line 1: there is no column "target_errors"
  line 1: there is no column "time"`},
		"a column of nobody": {"source_reqs," + plainHeader, `line 1: column "source_reqs" is none of source_requests, source_errors, source_over_DURATION, source_event_NAME`},
		"all lines": {plainHeader + "yesterday,1,0,1,0\n100,1,2,1,0\n101,x,0,-1,0\n102,1,0,1\n", `line 2: time "yesterday" is neither like 2026-05-04T14:30:00Z nor seconds since 1970
  line 3: source_errors is 2, of 1 requests of the source
  line 4: source_requests is "x", which is no count of requests
  line 4: target_requests is "-1", which is no count of requests
  line 5: has 4 cells, and the header 5`},
		"order":                       {plainHeader + "100,1,0,1,0\n100,1,0,1,0\n", "line 3: 1970-01-01T00:01:40Z is not after the time of line 2, 1970-01-01T00:01:40Z: sort the table by time, with one line for each interval"},
		"milliseconds are no seconds": {plainHeader + "1770000000000,1,0,1,0\n", `line 2: time "1770000000000" is neither like 2026-05-04T14:30:00Z nor seconds since 1970`},
		"share":                       {"share," + plainHeader + "120%,100,1,0,1,0\n", `line 2: share "120%" is not between 0 % and 100 %`},
		"slower": {"source_over_1s,source_over_100ms,target_over_1s,target_over_100ms," + plainHeader + "3,2,0,0,100,9,0,1,0\n",
			"line 2: 3 requests of the source took over 1s, more than over a shorter time"},
		"a broken quote": {plainHeader + "\"100,1,0,1,0\n", `line 2: extraneous or missing " in quoted-field`},
	} {
		_, err := CSV(strings.NewReader(c.table), "t.csv")
		var mistakes *Mistakes
		if !errors.As(err, &mistakes) {
			t.Errorf("%s: %v is not a *Mistakes", name, err)
			continue
		}
		_, text, _ := strings.Cut(err.Error(), "\n  ")
		if text != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, text, c.want)
		}
	}
}

func TestManyMistakesAreCut(t *testing.T) {
	_, err := CSV(strings.NewReader(plainHeader+strings.Repeat("x,1,0,1,0\n", 60)), "t.csv")
	if text := err.Error(); !strings.HasPrefix(text, "t.csv: 60 mistakes; nothing was analysed\n") || !strings.HasSuffix(text, "\n  and 10 more") {
		t.Error(text)
	}
}

// FuzzCSV reads anything: it is a table that can be replayed and drawn, or its
// mistakes are said.
func FuzzCSV(f *testing.F) {
	f.Add(plainHeader + "100,10,1,5,0\n130,10,0,5,5\n")
	f.Add("share,service,source_over_1s,target_over_1s,source_event_x,target_event_x," + plainHeader + "5%,web,1,0,1,1,2026-05-04T14:00:30Z,1000000000000,1,5,0\n50%,web,0,0,1,1,2026-05-04T14:01:30Z,10,1,,0\n")
	f.Add(plainHeader + "\"")
	f.Fuzz(func(t *testing.T, table string) {
		r, err := CSV(strings.NewReader(table), "t.csv")
		var mistakes *Mistakes
		if err != nil {
			if !errors.As(err, &mistakes) || len(mistakes.Lines) == 0 {
				t.Fatalf("%v is not a *Mistakes", err)
			}
			return
		}
		got := replayed(r)
		if math.IsNaN(got.Peak) || math.IsNaN(got.LogE) {
			t.Fatalf("peak %v, ln E %v", got.Peak, got.LogE)
		}
		var b bytes.Buffer
		Write(&b, got)
		if err := Plot(&b, got); err != nil || strings.Contains(b.String(), "NaN") {
			t.Fatalf("%v\n%s", err, b.String())
		}
	})
}

// TestTableIsRead looks at every kind of column, a gap and an empty cell.
func TestTableIsRead(t *testing.T) {
	got, err := CSV(strings.NewReader("\ufefftime,service,share,source_requests,source_errors,target_requests,target_errors,source_over_1s,source_over_200ms,target_over_1s,target_over_200ms,source_event_declined,target_event_declined\n"+
		"2026-05-04T14:00:30Z,web,0%,100,1,0,0,1,10,0,0,5,0\n"+
		"2026-05-04T14:00:30Z,pay,0%,10,0,0,0,0,0,0,0,0,0\n"+
		"2026-05-04T14:01:00Z,web,500,95,1,5,0,1,9,0,1,5,1\n"+
		"2026-05-04T14:01:30Z,web,5%,95,1,,0,1,9,0,1,5,1\n"+
		"2026-05-04T14:10:00Z,web,50%,50,1,50,0,1,9,0,1,5,1\n"), "t.csv")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Turns) != 4 || len(got.Turns[0].Intervals) != 2 || len(got.Services) != 2 {
		t.Fatalf("%+v", got)
	}
	second, third, last := got.Turns[1].Intervals[0], got.Turns[2].Intervals[0], got.Turns[3].Intervals[0]
	if fmt.Sprint(second.Source.Value.Latency) != "{[200ms 1s] [86 8 1]}" || fmt.Sprint(second.Target.Value.Events) != "[1]" {
		t.Errorf("%+v", second)
	}
	if second.Step != 1 || third.Step != 1 || last.Step != 2 || second.Intended != 500 {
		t.Errorf("steps %d, %d, %d", second.Step, third.Step, last.Step)
	}
	if third.Target.State != traffic.Unknown || third.Source.State != traffic.Known {
		t.Errorf("an empty cell is not known: %+v", third)
	}
	if want := dawn.Add(10*time.Minute - 30*time.Second); !last.From.Source.Equal(want) {
		t.Errorf("after a gap an interval is as long as the others: from %s, want %s", last.From.Source, want)
	}
	if len(got.LeftOut) != 1 || got.LeftOut[0].Count != 1 {
		t.Errorf("%+v", got.LeftOut)
	}
	if m := got.Marks; len(m) != 1 || m[0].Kind != Began || !m[0].At.Equal(dawn.Add(30*time.Second)) {
		t.Errorf("the target can have users from its first share on: %+v", m)
	}
}

// TestCellsThatAreEmpty: requests and errors count without the latency or an event.
func TestCellsThatAreEmpty(t *testing.T) {
	header := strings.TrimSpace(plainHeader) + ",source_over_200ms,source_over_1s,target_over_200ms,target_over_1s,source_event_a,target_event_a,source_event_b,target_event_b\n"
	for name, c := range map[string]struct {
		line           string
		source, target string // latency and events; empty if the side is not known
	}{
		"all":           {"100,9,1,8,2,3,1,4,2,1,2,3,4", "{[200ms 1s] [6 2 1]}[1 3]", "{[200ms 1s] [4 2 2]}[2 4]"},
		"no latency":    {"100,9,1,8,2,3,1,,,1,2,3,4", "{[200ms 1s] [6 2 1]}[1 3]", "{[] []}[2 4]"},
		"one edge":      {"100,9,1,8,2,,1,4,2,1,2,3,4", "{[] []}[1 3]", "{[200ms 1s] [4 2 2]}[2 4]"},
		"an event":      {"100,9,1,8,2,3,1,4,2,1,2,3,", "{[200ms 1s] [6 2 1]}[1]", "{[200ms 1s] [4 2 2]}[2]"},
		"the first one": {"100,9,1,8,2,3,1,4,2,,2,3,4", "{[200ms 1s] [6 2 1]}[]", "{[200ms 1s] [4 2 2]}[]"},
		"errors":        {"100,9,,8,2,3,1,4,2,1,2,3,4", "", "{[200ms 1s] [4 2 2]}[]"},
		"requests":      {"100,9,1,,2,3,1,4,2,1,2,3,4", "{[200ms 1s] [6 2 1]}[]", ""},
	} {
		r, err := CSV(strings.NewReader(header+c.line+"\n"), "t.csv")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		in := r.Turns[0].Intervals[0]
		for side, wanted := range map[traffic.Side]string{traffic.Source: c.source, traffic.Target: c.target} {
			got := in.Source
			if side == traffic.Target {
				got = in.Target
			}
			if (got.State == traffic.Known) != (wanted != "") {
				t.Errorf("%s, %s: %+v", name, side, got)
			} else if text := fmt.Sprint(got.Value.Latency, got.Value.Events); wanted != "" && strings.ReplaceAll(text, " ", "") != strings.ReplaceAll(wanted, " ", "") {
				t.Errorf("%s, %s: %s, want %s", name, side, text, wanted)
			}
		}
	}
}

// TestErrorsWithoutLatency: a target that fails and whose latencies or events are missing
// is rolled back as soon as without these columns.
func TestErrorsWithoutLatency(t *testing.T) {
	table := func(header, known, unknown string) string {
		out := "share," + strings.TrimSpace(plainHeader) + header + "\n"
		for n := range 60 {
			errors, more := 0, known
			if n >= 20 {
				errors, more = 50, unknown
			}
			out += fmt.Sprintf("5%%,%d,1000,0,50,%d%s\n", 1_770_000_000+30*n, errors, more)
		}
		return out
	}
	at := func(table string) time.Time {
		r, err := CSV(strings.NewReader(table), "t.csv")
		if err != nil {
			t.Fatal(err)
		}
		if got := replayed(r); len(got.Rollbacks) == 1 {
			return got.Rollbacks[0].At
		}
		return time.Time{}
	}
	want := at(table("", "", ""))
	if want.IsZero() {
		t.Fatal("a target that fails is not rolled back")
	}
	for name, with := range map[string]string{
		"latency": table(",source_over_500ms,target_over_500ms", ",5,0", ",5,"),
		"event":   table(",source_event_x,target_event_x", ",5,0", ",5,"),
	} {
		if got := at(with); got.IsZero() || got.Sub(want).Abs() > 30*time.Second {
			t.Errorf("%s: rolled back at %s, without the column at %s", name, got, want)
		}
	}
}
