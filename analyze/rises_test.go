package analyze

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

func said(all []Rise) string {
	var out []string
	for _, r := range all {
		out = append(out, r.At.Sub(dawn).String()+" "+r.String())
	}
	return strings.Join(out, "; ")
}

func TestRises(t *testing.T) {
	at := func(minutes int, share traffic.Share) Rise {
		return Rise{At: dawn.Add(time.Duration(minutes) * time.Minute), To: share}
	}
	for want, c := range map[string]struct {
		before traffic.Share
		shares []Rise
	}{
		"": {500, []Rise{at(1, 500)}},
		"1m0s 0 % -> 5 %; 3m0s 5 % -> 10 %; 4m0s 10 % -> 0 %, rolled back": {0, []Rise{at(3, 1000), at(1, 500), at(2, 500), at(4, 0)}},
		"1m0s 5 % -> 2 %": {500, []Rise{at(1, 200)}},
	} {
		if got := said(Rises(c.before, c.shares)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestRisesOfATable: each change of the column share is one; how it came to the first
// one is not known, unless it was none.
func TestRisesOfATable(t *testing.T) {
	table := func(shares ...string) Recording {
		var b strings.Builder
		b.WriteString("time,share,source_requests,source_errors,target_requests,target_errors\n")
		for i, s := range shares {
			fmt.Fprintf(&b, "%s,%s,100,0,10,0\n", dawn.Add(time.Duration(i+1)*30*time.Second).Format(time.RFC3339), s)
		}
		r, err := CSV(strings.NewReader(b.String()), "t")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if got := said(table("10%", "10%", "20%", "20%", "0%").Rises); got != "1m0s 10 % -> 20 %; 2m0s 20 % -> 0 %, rolled back" {
		t.Error(got)
	}
	if got := said(table("0%", "5%").Rises); got != "30s 0 % -> 5 %" {
		t.Error(got)
	}
	two, err := CSV(strings.NewReader(`time,service,share,source_requests,source_errors,target_requests,target_errors
2026-05-04T14:00:30Z,web,0%,100,0,0,0
2026-05-04T14:00:30Z,pay,0%,100,0,0,0
2026-05-04T14:01:00Z,web,5%,100,0,5,0
2026-05-04T14:01:00Z,pay,0%,100,0,0,0
2026-05-04T14:01:30Z,web,5%,100,0,5,0
2026-05-04T14:01:30Z,pay,5%,100,0,5,0
`), "t")
	if err != nil || said(two.Rises) != "30s 0 % -> 5 %" {
		t.Error(said(two.Rises), err)
	}
}

// TestEvidenceAroundARise is that of the moment before it, and the strongest after it.
func TestEvidenceAroundARise(t *testing.T) {
	r := morning(.3)
	r.Rises = []Rise{{dawn, 0, 500}, {dawn.Add(15 * time.Minute), 500, 2500}, {dawn.Add(2 * time.Hour), 2500, 0}}
	got := replayed(r)
	if len(got.Rises) != 3 {
		t.Fatalf("%+v", got.Rises)
	}
	low, high, back := got.Rises[0], got.Rises[1], got.Rises[2]
	if low.Before != 0 || low.After >= got.Threshold || high.Before > low.After || high.After < got.Threshold || high.After > got.Peak {
		t.Errorf("%+v, %+v of a peak of %v", low, high, got.Peak)
	}
	if !back.Back() || back.Before != got.LogE || back.After != got.LogE {
		t.Errorf("%+v, at the end it was %v", back, got.LogE)
	}
}

// TestSharesOfReadings: an interval in which the share changed belongs to no hold.
func TestSharesOfReadings(t *testing.T) {
	one := func(from int) Reading {
		at := dawn.Add(time.Duration(from) * time.Second)
		return Reading{at, traffic.KnownAt(traffic.Counts{Requests: 10}, at.Add(30*time.Second))}
	}
	all := []Reading{one(0), one(30), one(60), one(90), one(120)}
	shares := Rises(0, []Rise{{At: dawn.Add(30 * time.Second), To: 500}, {At: dawn.Add(75 * time.Second), To: 1000}, {At: dawn.Add(120 * time.Second), To: 0}})
	r := Counted("t", []Readings{{From: dawn, Every: 30 * time.Second, Source: all, Target: all}}, shares)
	var got []string
	for _, turn := range r.Turns {
		got = append(got, fmt.Sprint(turn.Intervals[0].Intended, " ", turn.Intervals[0].Step))
	}
	if want := "0 % 0, 5 % 1, 10 % 0, 10 % 2, 0 % 0"; strings.Join(got, ", ") != want || len(r.Rises) != 3 {
		t.Errorf("%s, want %s; %v", strings.Join(got, ", "), want, r.Rises)
	}
}

// TestRisesOfAJournal are the writes that were accepted, or may have been: the share of
// the migration is the highest of its routes. What was there before is where they begin.
func TestRisesOfAJournal(t *testing.T) {
	counts := store.Entry{At: dawn, Kind: store.Counts, Data: json.RawMessage(`{"intervals":[{"service":"web","to":"2026-05-04T14:00:00Z","from":{"source":"2026-05-04T13:59:59Z","target":"2026-05-04T13:59:59Z"},
		"source":{"value":{"requests":9},"state":"known"},"target":{"value":{"requests":1},"state":"known"},"intended":"5%"}]}`)}
	wrote := func(minutes int, route string, share traffic.Share, outcome engine.Outcome) store.Entry {
		data, err := json.Marshal(runner.Effect{Write: engine.Write{Route: route, Share: share}, Result: engine.Result{Outcome: outcome, Share: share}})
		if err != nil {
			t.Fatal(err)
		}
		return store.Entry{At: dawn.Add(time.Duration(minutes) * time.Minute), Kind: "effect", Text: "…", Data: data}
	}
	got, err := Journal("shop", journalOf(counts,
		wrote(1, "public", 1000, engine.Accepted), wrote(2, "partners", 1000, engine.Accepted), wrote(3, "public", 5000, engine.Refused), wrote(4, "public", 2000, engine.Lost),
		wrote(5, "public", 0, engine.Accepted), wrote(6, "partners", 0, engine.Accepted), store.Entry{At: dawn, Kind: "effect", Text: "of before they had data"},
	), []verdict.Service{{Name: "web"}})
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, want := said(got[0].Rises), "1m0s 5 % -> 10 %; 4m0s 10 % -> 20 %; 5m0s 20 % -> 10 %; 6m0s 10 % -> 0 %, rolled back"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
