package store

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestKeyValidate(t *testing.T) {
	for name, good := range map[string]bool{
		"shop-to-1-36": true, "a": true, "0": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "a-": false, "A": false, "a.b": false, "..": false, "a/b": false, "é": false, "a\x00": false, strings.Repeat("a", 64): false,
	} {
		if err := (Key{Name: name}).Validate(); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestLockedErrorSaysWhatToDo(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	holder := Holder{ID: "x", User: "ana", Host: "ops1", PID: 42, Since: at}
	alive := &LockedError{Key: Key{Name: "shop"}, Holder: holder, Expires: at.Add(time.Minute), Kind: ErrLocked}
	if !errors.Is(alive, ErrLocked) || errors.Is(alive, ErrLost) {
		t.Error("it must wrap its kind and no other")
	}
	want := "migration shop: run by somebody else: ana@ops1, process 42, since 03:04:05; if it is dead its lease ends at 03:05:05, after that run again"
	if got := alive.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	dead := *alive
	dead.Dead = true
	if got := dead.Error(); !strings.HasSuffix(got, "that process is gone, run again with --take-over to go on from here") {
		t.Error(got)
	}
}
