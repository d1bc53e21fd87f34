package main

import (
	"testing"

	"watari.dev/store/filestore"
)

func TestSizesOfJournals(t *testing.T) {
	for text, want := range map[string]int64{"1MiB": 1 << 20, "64MiB": 64 << 20, "3 GiB": 3 << 30, "2048KiB": 2 << 20, "1048577": 1<<20 + 1} {
		var b bytesFlag
		if err := b.Set(text); err != nil || int64(b) != want {
			t.Errorf("%s: %d, %v; want %d", text, b, err, want)
		}
		var again bytesFlag
		if err := again.Set(b.String()); err != nil || again != b {
			t.Errorf("%s is written as %s", text, b.String())
		}
	}
	for _, text := range []string{"", "MiB", "0", "1023KiB", "-1GiB", "64MB", "1e9", "9999999999GiB"} {
		var b bytesFlag
		if err := b.Set(text); err == nil {
			t.Errorf("%q is %d", text, b)
		}
	}
	var f journalFlags
	f.bound = filestore.DefaultBound
	if got := f.bound.String(); got != "256MiB" {
		t.Errorf("the default is %s", got)
	}
	if f.check() == nil {
		t.Error("no time at all is no detail")
	}
}
