package analyze

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// ErrNoCounts is the error of a journal that holds no counts.
var ErrNoCounts = errors.New("its journal holds no counts")

// Journal returns what each attempt of a migration has counted, oldest first.
// services are those of its plan, whose intervals are found by name; without any,
// the journal's own names are taken. It returns an error that wraps ErrNoCounts
// where nothing was counted.
func Journal(name string, entries []store.Entry, services []verdict.Service) ([]Recording, error) {
	j := &journal{name: name}
	for _, s := range services {
		j.services = append(j.services, serviceOf(s))
	}
	j.named = len(services) > 0
	j.next()
	for _, e := range entries {
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
		case verdict.Latency:
			out.Full = true
		}
	}
	return out
}

type journal struct {
	name     string
	named    bool // the services are those of the plan
	services []Service
	all      []Recording
	worse    bool // the last thing that the gate said was that the target is worse
}

// next begins another attempt.
func (j *journal) next() {
	j.all = append(j.all, Recording{Name: j.name})
	j.worse = false
}

func (j *journal) now() *Recording { return &j.all[len(j.all)-1] }

// take reads one entry. Sentences are the engine's notes: a phase as "Shifting:
// step 1 of 4, 5 %", a command as "retry by ann@host: attempt 2 begins".
func (j *journal) take(e store.Entry) {
	switch {
	case e.Kind == store.Counts:
		j.counts(e)
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
	case e.Kind == "note":
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

func (j *journal) counts(e store.Entry) {
	var data struct {
		Intervals []engine.Interval `json:"intervals"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		j.now().leave("entries with counts that cannot be read", 1)
		return
	}
	turn := Turn{At: e.At}
	for _, in := range data.Intervals {
		service, known := j.service(in)
		if !known {
			j.now().leave(fmt.Sprintf("intervals of service %q, which the plan does not judge", in.Service), 1)
			continue
		}
		turn.Intervals = append(turn.Intervals, verdict.Interval{
			Service: service, To: in.To, From: in.From, Source: in.Source, Target: in.Target, Intended: in.Intended, Step: in.Step,
		})
	}
	if len(turn.Intervals) > 0 {
		j.now().Turns = append(j.now().Turns, turn)
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
		j.services = append(j.services, Service{Name: in.Service})
		at = len(j.services) - 1
	}
	if at < 0 {
		return 0, false
	}
	if in.Source.State == traffic.Known && !in.Source.Value.Latency.Empty() {
		j.services[at].Full = true
	}
	return at, true
}

// attempts returns those that counted something.
func (j *journal) attempts() ([]Recording, error) {
	var out []Recording
	for _, r := range j.all {
		if len(r.Turns) == 0 {
			continue
		}
		r.Services = j.services
		r.began()
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("analyse migration %s: %w: it was written before watari kept them, or the migration has no signals. "+
			"Use what your own metrics remember: watari analyze --prometheus URL ..., or --csv FILE", j.name, ErrNoCounts)
	}
	return out, nil
}
