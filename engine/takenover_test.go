package engine

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// TestAClockThatWasSetBack moves every moment that is remembered: none may lie
// ahead of the process that goes on.
func TestAClockThatWasSetBack(t *testing.T) {
	at := dawn.Add(time.Hour)
	found := func() *Found { return &Found{At: at} }
	s := Status{
		Phase: Holding, Since: at, Reached: at, Started: at, LastTurn: at, BlindAt: at, Degraded: at, Answers: []Answer{{At: at}}, Analysis: &verdict.State{Began: at},
		Evidence: Evidence{Intervals: []Sample{{To: at}}, Last: traffic.BySide[SideState]{Source: SideState{KnownAt: at}}},
		Routes: []RouteStatus{{
			Name: "a", Original: found(), Seen: found(), Drift: found(), Agreed: found(), LookAt: at, LateUntil: at.Add(5 * time.Second), Past: []Past{{At: at}},
			Want: &Wish{Asked: at, NextTry: at.Add(time.Second)}, Written: &Written{At: at, SettledAt: at, Due: at.Add(time.Second)},
		}},
	}
	before, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	got := s.TakenOver(dawn)
	var moments func(v reflect.Value, path string)
	moments = func(v reflect.Value, path string) {
		if m, is := v.Interface().(time.Time); is {
			if m.After(dawn.Add(5 * time.Second)) {
				t.Errorf("%s is still %s", path, m)
			}
			return
		}
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				moments(v.Elem(), path)
			}
		case reflect.Slice:
			for i := range v.Len() {
				moments(v.Index(i), path)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				moments(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	}
	moments(reflect.ValueOf(got), "status")
	if r := got.Routes[0]; !r.LateUntil.Equal(dawn.Add(5*time.Second)) || !r.Want.NextTry.Equal(dawn.Add(time.Second)) || !r.Unread {
		t.Errorf("%+v", r)
	}
	if after, err := json.Marshal(s); err != nil || string(after) != string(before) {
		t.Errorf("the status that was given has changed: %s, %v", after, err)
	}
	if same := s.TakenOver(at.Add(time.Minute)); !same.Reached.Equal(at) || same.Analysis == nil || !same.LastTurn.IsZero() {
		t.Errorf("a clock that goes on: %+v", same)
	}
}
