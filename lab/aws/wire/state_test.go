package wire

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStateFile(t *testing.T) {
	dir := t.TempDir()
	file := StateFile{Path: filepath.Join(dir, "state.json")}
	got := map[string]int{"untouched": 1}
	if err := file.Load(&got); err != nil || got["untouched"] != 1 {
		t.Fatalf("a missing file: %v, %v", got, err)
	}
	for n := range 3 {
		if err := file.Save(map[string]int{"n": n}); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Load(&got); err != nil || got["n"] != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("saving left %v, %v", entries, err)
	}
	if err := os.WriteFile(file.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := file.Load(&got); err == nil {
		t.Error("a torn file was accepted")
	}
	if err := (StateFile{Path: filepath.Join(dir, "missing", "state.json")}).Save(1); err == nil {
		t.Error("saving into a missing directory said nothing")
	}
	if err := (StateFile{}).Save(1); err != nil {
		t.Error("the zero file must keep nothing, quietly:", err)
	}
}
