package analyze

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// ErrNoCounts is the error of a journal that holds no counts.
var ErrNoCounts = errors.New("its journal holds no counts")

// Journal returns what each attempt of a migration has counted, oldest first. It goes
// through the entries once, and keeps none of them: a recording reads them again when
// its turns are wanted. services are those of its plan, whose intervals are found by
// name; without any, the journal's own names are taken. It returns an error that wraps
// ErrNoCounts where nothing was counted.
func Journal(name string, entries func() iter.Seq2[store.Entry, error], services []verdict.Service) ([]Recording, error) {
	j := &journal{name: name, entries: entries}
	for _, s := range services {
		j.services = append(j.services, serviceOf(s))
	}
	j.named = len(services) > 0
	j.known = make([]bool, len(j.services))
	j.next()
	for e, err := range entries() {
		if err != nil {
			return nil, err
		}
		j.take(e)
	}
	return j.attempts()
}

func serviceOf(s verdict.Service) Service {
	out := Service{Name: s.Name}
	for _, m := range s.Metrics {
		switch m.Kind {
		case verdict.Events:
			for len(out.Events) <= m.Event {
				out.Events = append(out.Events, "")
			}
			out.Events[m.Event] = m.Name
		case verdict.Latency, verdict.Slower:
			out.Full = true
		}
	}
	return out
}

type journal struct {
	name     string
	entries  func() iter.Seq2[store.Entry, error]
	named    bool // the services are those of the plan
	services []Service
	known    []bool // of which service it is known whether it has whole histograms
	all      []attempt
	worse    bool // the last thing that the gate said was that the target is worse
}

// attempt is a recording, and what is known of it so far.
type attempt struct {
	Recording
	turns
	began time.Time // when the target had its first share or its first request

	found  traffic.Share            // the share that was there before anything was written
	shares map[string]traffic.Share // of each route
	rises  []Rise
}

// mostRises bounds what is remembered of an attempt that changes its share for ever.
const mostRises = 1000

// written takes down a share that was written: the share of the migration is the
// highest that any route has. What nobody knows to be written may be.
func (a *attempt) written(e store.Entry) {
	var effect runnerEffect
	if json.Unmarshal(e.Data, &effect) != nil || effect.Write.Route == "" || len(a.rises) >= mostRises {
		return
	}
	share := effect.Write.Share
	switch effect.Result.Outcome {
	case engine.Accepted:
		share = effect.Result.Share
	case engine.Lost:
	default:
		return
	}
	if a.shares == nil {
		a.shares = map[string]traffic.Share{}
	}
	a.shares[effect.Write.Route] = share
	highest := traffic.None
	for _, of := range a.shares {
		highest = max(highest, of)
	}
	a.rises = append(a.rises, Rise{At: e.At, To: highest})
}

// runnerEffect is what is read of an entry of the kind effect.
type runnerEffect struct {
	Write  engine.Write  `json:"write"`
	Result engine.Result `json:"result"`
}

// next begins another attempt.
func (j *journal) next() {
	j.all = append(j.all, attempt{Recording: Recording{Name: j.name}})
	j.worse = false
}

func (j *journal) now() *attempt { return &j.all[len(j.all)-1] }

// take reads one entry. Sentences are the engine's notes: a phase as "Shifting:
// step 1 of 4, 5 %", a command as "retry by ann@host: attempt 2 begins".
func (j *journal) take(e store.Entry) {
	switch {
	case e.Kind == store.Counts:
		j.counts(e)
	case e.Kind == store.LeftOut:
		j.dropped(e)
	case e.Kind == "observation" && strings.HasPrefix(e.Text, string(engine.Degraded)):
		j.worse = true
	case e.Kind == "observation" && (strings.HasPrefix(e.Text, string(engine.Healthy)) || strings.HasPrefix(e.Text, string(engine.NotKnown))):
		j.worse = false
	case e.Kind == "decision" && strings.HasPrefix(e.Text, string(engine.Shifting)+":"):
		if len(j.now().Marks) == 0 {
			j.now().Marks = []Mark{{e.At, Began}}
		}
	case e.Kind == "command" && !refused(e.Text):
		j.command(e)
	case e.Kind == "effect":
		j.now().written(e)
	case e.Kind == "note" && (strings.Contains(e.Text, "damaged") || strings.Contains(e.Text, "cut off")): // others are remarks of a process
		j.now().leave("damaged lines of the journal", 1)
	}
}

// refused reports whether a command has changed nothing. Journals of before commands
// were answered call it ignored.
func refused(text string) bool {
	return strings.Contains(text, " refused: ") || strings.Contains(text, " ignored: ")
}

func (j *journal) command(e store.Entry) {
	switch verb, _, _ := strings.Cut(e.Text, " "); engine.Verb(verb) {
	case engine.Retry:
		j.next()
	case engine.Resume:
		kind := Resume
		if j.worse {
			kind = Anew
		}
		j.now().Marks = append(j.now().Marks, Mark{e.At, kind})
	}
}

// dropped takes down that the store has dropped counts.
func (j *journal) dropped(e store.Entry) {
	var d store.Dropped
	if json.Unmarshal(e.Data, &d) == nil && !d.From.IsZero() {
		j.now().coarse(Coarse{From: d.From, To: d.To, Looks: d.Lines})
	} else {
		j.now().leave("lines of the journal before that time, dropped to keep it within its bound", 1)
	}
}

// counts takes down that something was counted. What it was is read again when it is
// wanted; here it is looked at only until everything is known that must be known
// before.
func (j *journal) counts(e store.Entry) {
	now := j.now()
	if now.n > 0 && !now.began.IsZero() && j.named && !slices.Contains(j.known, false) && !bytes.Contains(e.Data, []byte(`"merged"`)) {
		now.n, now.last = now.n+1, e.At
		return
	}
	turn, merged := j.turn(e, nil)
	if len(turn.Intervals) == 0 {
		return
	}
	from := firstOf(turn)
	if now.n == 0 {
		now.first = from
		for _, in := range turn.Intervals {
			if len(now.rises) == 0 {
				now.found = max(now.found, in.Intended)
			}
		}
	}
	now.n, now.last = now.n+1, e.At
	if merged > 1 {
		now.coarse(Coarse{From: from, To: e.At, Unit: e.At.Sub(from), Looks: merged})
	}
	if now.began.IsZero() {
		now.began = firstUse(turn)
	}
}

// turn reads an entry with counts, and how many looks became it. What cannot be used
// is handed to leave, which may be nil.
func (j *journal) turn(e store.Entry, leave func(why string)) (turn Turn, merged int) {
	if leave == nil {
		leave = func(string) {}
	}
	var data struct {
		Intervals []engine.Interval `json:"intervals"`
		Merged    int               `json:"merged"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		leave("entries with counts that cannot be read")
		return turn, 0
	}
	turn.At = e.At
	for _, in := range data.Intervals {
		service, known := j.service(in)
		if !known {
			leave(fmt.Sprintf("intervals of service %q, which the plan does not judge", in.Service))
			continue
		}
		turn.Intervals = append(turn.Intervals, verdict.Interval{
			Service: service, To: in.To, From: in.From, Source: in.Source, Target: in.Target, Intended: in.Intended, Step: in.Step,
		})
	}
	return turn, data.Merged
}

// firstUse returns when the target had a share or a request in a turn; zero if it had
// none.
func firstUse(t Turn) time.Time {
	for _, in := range t.Intervals {
		if in.Intended > traffic.None || in.Target.State == traffic.Known && in.Target.Value.Requests > 0 {
			if in.From.Target.IsZero() {
				return in.To
			}
			return in.From.Target
		}
	}
	return time.Time{}
}

// read returns the turns of the nth attempt, read from the journal again.
func (j *journal) read(n int, of *turns) iter.Seq2[Turn, error] {
	return func(yield func(Turn, error) bool) {
		again := &journal{name: j.name, named: true, services: slices.Clone(j.services), known: make([]bool, len(j.services))}
		again.next()
		of.left = nil
		leave := func(why string) { of.left = leaving(of.left, why, 1) }
		read := 0
		for e, err := range j.entries() {
			if err != nil {
				yield(Turn{}, err)
				return
			}
			if e.Kind != store.Counts {
				again.take(e)
				continue
			}
			if now := len(again.all) - 1; now > n || read == of.n {
				return
			} else if now < n {
				continue
			}
			turn, _ := again.turn(e, leave)
			if len(turn.Intervals) == 0 {
				continue
			}
			if read++; !yield(turn, nil) {
				return
			}
		}
	}
}

// service finds the service of an interval; an empty name is that of the only
// one.
func (j *journal) service(in engine.Interval) (int, bool) {
	at := slices.IndexFunc(j.services, func(s Service) bool { return s.Name == in.Service })
	if at < 0 && in.Service == "" && len(j.services) == 1 && j.named {
		at = 0
	}
	if at < 0 && !j.named {
		j.services, j.known = append(j.services, Service{Name: in.Service}), append(j.known, false)
		at = len(j.services) - 1
	}
	if at < 0 {
		return 0, false
	}
	if in.Source.State == traffic.Known && in.Source.Value.Requests > 0 {
		j.services[at].Full = j.services[at].Full || !in.Source.Value.Latency.Empty()
		j.known[at] = true
	}
	return at, true
}

// attempts returns those that counted something.
func (j *journal) attempts() ([]Recording, error) {
	var out []Recording
	for n := range j.all {
		a := &j.all[n]
		if a.n == 0 {
			continue
		}
		a.read = func() iter.Seq2[Turn, error] { return j.read(n, &a.turns) }
		a.Services, a.stream = j.services, &a.turns
		a.Rises = Rises(a.found, a.rises)
		if !a.began.IsZero() && !slices.ContainsFunc(a.Marks, func(m Mark) bool { return m.Kind == Began }) {
			a.Marks = append([]Mark{{At: a.began, Kind: Began}}, a.Marks...)
		}
		out = append(out, a.Recording)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("analyse migration %s: %w: it was written before watari kept them, or the migration has no signals. "+
			"Use what your own metrics remember: watari analyze --prometheus URL ..., or --csv FILE", j.name, ErrNoCounts)
	}
	return out, nil
}
