package engine

import (
	"slices"
	"time"
)

// Answer says what became of a command. Every command gets exactly one, in the turn
// in which it is seen.
type Answer struct {
	ID     string    `json:"id"`
	Verb   Verb      `json:"verb,omitempty"`
	By     string    `json:"by,omitempty"`
	Obeyed bool      `json:"obeyed"` // false: it was refused and has changed nothing
	Text   string    `json:"text,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// Sentence tells the command with what became of it.
func (a Answer) Sentence() string {
	if a.Obeyed {
		return string(a.Verb) + " by " + a.By + colon(a.Text)
	}
	return string(a.Verb) + " by " + a.By + " refused" + colon(a.Text)
}

// keepAnswers is how many answers are remembered. The runner removes a command once
// a status that answers it was saved, and whoever gave it looks four times a second,
// so a few would do.
const keepAnswers = 16

// Answered returns what became of the command of an ID; false while it has no answer.
func (s Status) Answered(id string) (Answer, bool) {
	i := slices.IndexFunc(s.Answers, func(a Answer) bool { return a.ID == id })
	if i < 0 {
		return Answer{}, false
	}
	return s.Answers[i], true
}

// forgetAnswers drops the oldest answers, but for those whose commands are still
// handed to us: they could not be removed, and must not be obeyed again.
func (t *turn) forgetAnswers() {
	extra := len(t.status.Answers) - keepAnswers
	if extra <= 0 {
		return
	}
	t.status.Answers = slices.DeleteFunc(t.status.Answers, func(a Answer) bool {
		waits := slices.ContainsFunc(t.seen.Commands, func(c Command) bool { return c.ID == a.ID })
		if waits || extra == 0 {
			return false
		}
		extra--
		return true
	})
}

// answersOfOld turns the IDs that an older version has remembered into answers, so
// that none of its commands is obeyed a second time.
func (s *Status) answersOfOld() {
	for _, id := range s.Consumed {
		if _, has := s.Answered(id); !has {
			s.Answers = append(s.Answers, Answer{ID: id, Obeyed: true, Text: "seen by an older watari, which did not keep what became of it"})
		}
	}
	s.Consumed = nil
}
