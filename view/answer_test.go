package view

import (
	"testing"

	"watari.dev/engine"
)

func TestAnswer(t *testing.T) {
	for want, a := range map[string]engine.Answer{
		"approved: step 2 of 4 (10 %)":            {Verb: engine.Approve, Obeyed: true, Text: "step 2 of 4 (10 %)"},
		"paused: the share stays at 10 %":         {Verb: engine.Pause, Obeyed: true, Text: "the share stays at 10 %"},
		"resumed: it goes on, holding":            {Verb: engine.Resume, Obeyed: true, Text: "it goes on, holding"},
		"retry: attempt 2 begins":                 {Verb: engine.Retry, Obeyed: true, Text: "attempt 2 begins"},
		"refused: step 2 is approved already":     {Verb: engine.Approve, Text: "step 2 is approved already"},
		"refused: it was shop-1-36 that did it ☺": {Verb: engine.Resume, Text: "it was arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop-1-36/943f017f100becff that did it ☺"},
	} {
		if got := Answer(a); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
	}
}
