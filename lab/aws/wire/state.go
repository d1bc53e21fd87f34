package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// StateFile keeps one service's model between runs of the emulator. The zero
// value keeps nothing.
type StateFile struct{ Path string }

// Load fills into from the file. A missing file leaves it as it is.
func (f StateFile) Load(into any) error {
	if f.Path == "" {
		return nil
	}
	b, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the saved state: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read the saved state %s: %w; delete the file to start empty", f.Path, err)
	}
	return nil
}

// Save replaces the file as a whole: a reader, or a run after a kill, sees
// either the state before or the state after.
func (f StateFile) Save(state any) error {
	if f.Path == "" {
		return nil
	}
	return WriteJSON(f.Path, state)
}

// WriteJSON writes a file atomically: temporary file, then rename.
func WriteJSON(path string, document any) error {
	b, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, werr := tmp.Write(b)
	if err := errors.Join(werr, tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(tmp.Name())))
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}
