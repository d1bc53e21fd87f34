package scrape

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// process is what really happens behind one endpoint.
type process struct {
	total    int64 // of the counter
	unseen   int64 // requests since the last answer that the counter still holds
	seen     int64 // requests that scrapes after the first could see
	last     int64 // total of the last answer
	answered bool
	again    bool // started again since the last answer
}

// TestNothingIsLostOrCountedTwice lets endpoints answer, fail and start again at
// random, and compares windows with what happened. A process that started again
// stays far below its last answer until the next one, because otherwise nobody could
// tell that it did.
func TestNothingIsLostOrCountedTwice(t *testing.T) {
	rapid.Check(t, checkModel)
}

func checkModel(t *rapid.T) {
	s, p := scripted(discard{}, Config{}, "", "")
	processes := []*process{{}, {}}
	type moment struct {
		at   time.Time
		seen int64 // by all looks so far
		all  bool  // every endpoint answered now
		ever bool  // every endpoint has answered
	}
	var moments []moment
	for range rapid.IntRange(2, 12).Draw(t, "looks") {
		now := moment{all: true, ever: true}
		for i, process := range processes {
			process.live(t)
			page := "!refused"
			if rapid.IntRange(0, 3).Draw(t, "answers") > 0 {
				page = process.answer()
			}
			p.set(string(rune('a'+i)), page)
			now.seen += process.seen
			now.all = now.all && page != "!refused"
			now.ever = now.ever && process.answered
		}
		now.at = s.look(context.Background())
		moments = append(moments, now)
	}
	first := rapid.IntRange(0, len(moments)-2).Draw(t, "from")
	from, to := moments[first], moments[rapid.IntRange(first+1, len(moments)-1).Draw(t, "to")]
	got, err := s.Counts(context.Background(), query(), from.at, to.at)
	if err != nil {
		t.Fatal(err)
	}
	value, known := got.Source.Get()
	switch {
	case known && !from.ever:
		t.Fatalf("known (%+v) though an endpoint was never seen before %+v", value, from)
	case known && value.Requests != to.seen-from.seen:
		t.Fatalf("%d requests between %+v and %+v", value.Requests, from, to)
	case strings.Contains(got.Source.Err, "go up and down"):
		// What begins again every few looks is not told from several processes.
	case !known && from.ever && to.all:
		t.Fatalf("%s (%s) between %+v and %+v", got.Source.State, got.Source.Err, from, to)
	}
}

// live lets the process start again or not, and answer some requests.
func (p *process) live(t *rapid.T) {
	if p.answered && p.last > 0 && rapid.IntRange(0, 4).Draw(t, "starts again") == 0 {
		p.total, p.unseen, p.again = 0, 0, true
	}
	most := int64(9)
	if p.again {
		most = p.last - p.last/4 - 1 - p.total
	}
	more := rapid.Int64Range(0, most).Draw(t, "requests")
	p.total += more
	p.unseen += more
}

// answer lets a scrape see the process.
func (p *process) answer() string {
	if p.answered {
		p.seen += p.unseen
	}
	p.unseen, p.last, p.answered, p.again = 0, p.total, true, false
	return fmt.Sprintf("r{s=\"s\"} %d\n", p.total)
}

// discard is a testing.TB whose cleanups nobody needs: no connection is opened.
type discard struct{ testing.TB }

func (discard) Helper()        {}
func (discard) Cleanup(func()) {}
func (discard) Fatal(v ...any) { panic(fmt.Sprint(v...)) }
