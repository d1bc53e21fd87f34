package filestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"watari.dev/store"
)

// format is raised whenever the record, the plan's file or a segment of the journal
// gets, loses or reinterprets something. Format 1 had the plan in the record and the
// journal in one file; it is read, and becomes format 2 with the first save.
const format = 2

// needs is the first version of watari that reads format. Every file says it, so that
// a version that is too old can name the one to use.
const needs = "v0.2.0"

// head is how every file begins, in every format: whoever reads it knows whether it
// can read the rest.
type head struct {
	Format int    `json:"format"`
	Needs  string `json:"needs,omitempty"`
}

// newer returns an error if h is of a format that this watari cannot read.
func (h head) newer() error {
	if h.Format <= format {
		return nil
	}
	version := "go on with the one that wrote it"
	if h.Needs != "" {
		version = "it needs watari " + h.Needs + " or later"
	}
	return fmt.Errorf("%w (format %d, this one reads up to %d): %s", store.ErrNewer, h.Format, format, version)
}

// headBytes is within which the head of a record stands.
const headBytes = 1024

// checkFormat refuses a directory whose record was written by a newer watari, before
// anything is changed in it. It reads the beginning of the record only. What else is
// wrong with it is left to who reads it: a command must reach whoever runs the
// migration although the record is damaged, or not ours.
func (s *Store) checkFormat(dir string) error {
	path := filepath.Join(dir, recordName)
	b, err := s.readHead(path)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	if err := headOf(b).newer(); err != nil {
		return fmt.Errorf("%s: %w; nothing was changed", path, err)
	}
	return nil
}

// readHead returns the beginning of the file at path.
func (s *Store) readHead(path string) ([]byte, error) {
	f, err := s.open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, headBytes))
	return b, errors.Join(err, f.Close())
}

// headOf reads the head of a JSON object of which b is the beginning; zero if there
// is none.
func headOf(b []byte) (h head) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return head{}
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return h
		}
		switch name {
		case "format":
			err = d.Decode(&h.Format)
		case "needs":
			err = d.Decode(&h.Needs)
		default:
			var other json.RawMessage
			err = d.Decode(&other)
		}
		if err != nil {
			return h // it goes on after b, or is damaged
		}
	}
	return h
}
