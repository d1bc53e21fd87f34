package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// generatedFiles returns what generate writes, by path below dir.
func generatedFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"zz_generated.*.go", "crd/*", "schema/*"} {
		found, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = data
		}
	}
	return files
}

func TestCommittedFilesAreFresh(t *testing.T) {
	types, out := filepath.Join("..", ".."), t.TempDir()
	if err := generate(types, out); err != nil {
		t.Fatal(err)
	}
	committed, fresh := generatedFiles(t, types), generatedFiles(t, out)
	if len(fresh) != 6 {
		t.Errorf("%d files were generated", len(fresh))
	}
	for name := range committed {
		if _, generated := fresh[name]; !generated {
			t.Errorf("%s is not generated any more: remove it", name)
		}
	}
	for name, data := range fresh {
		if !bytes.Equal(data, committed[name]) {
			t.Errorf("%s is stale: run go generate ./api/...", name)
		}
	}
}
