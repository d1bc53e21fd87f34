package v1alpha1

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"watari.dev/internal/bounded"
)

// Stdin is the path that stands for standard input, as in "-f -".
const Stdin = "-"

// stdinName is what messages call it.
const stdinName = "standard input"

// Bundle is all that the files of one command hold, without mistakes and
// defaulted, in the order in which it was written.
type Bundle struct {
	Environments []Environment
	Migrations   []Migration
}

// Environment returns the one that a Migration names as source or target, nil if
// there is none.
func (b *Bundle) Environment(namespace, name string) *Environment {
	for i := range b.Environments {
		if e := &b.Environments[i]; e.Name == name && e.Namespace == namespace {
			return e
		}
	}
	return nil
}

// Load reads files and directories strictly. Of a directory it reads *.yaml,
// *.yml and *.json in the order of their names, without those below it and those
// that begin with a dot; Stdin reads stdin. A path that is named twice is read
// once. The error is nil or Mistakes, which list what is wrong in all of them.
func Load(stdin io.Reader, paths ...string) (*Bundle, error) {
	p := &parser{}
	if len(paths) == 0 {
		p.fail("", 0, "no file is named: write -f FILE, -f DIRECTORY or -f -")
	}
	var read []string
	for _, path := range paths {
		for _, file := range p.filesAt(path) {
			if !slices.Contains(read, file) {
				read = append(read, file)
				p.readFile(stdin, file)
			}
		}
	}
	return p.finish()
}

// Parse reads the documents of one file that has been read already; name is the
// file's name in messages and the start of relative paths in it. The error is nil
// or Mistakes.
func Parse(name string, data []byte) (*Bundle, error) {
	p := &parser{}
	p.addFile(name, data)
	return p.finish()
}

// filesAt returns the files that a path stands for.
func (p *parser) filesAt(path string) []string {
	if path == Stdin {
		return []string{path}
	}
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path} // reading it says what is wrong with it
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		p.fail(path, 0, "the directory cannot be read: "+readReason(err))
		return nil
	}
	var files []string
	for _, e := range entries {
		if len(files) > mostFiles {
			p.fail(path, 0, fmt.Sprintf("the directory has more than %d files: name those of one migration", mostFiles))
			return nil
		}
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			file := filepath.Join(path, e.Name())
			if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() { // reading a pipe could block
				p.fail(file, 0, "it is no regular file: take it out of the directory")
				continue
			}
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		p.fail(path, 0, "the directory has no *.yaml, *.yml or *.json file: name another, or a file")
	}
	return files
}

func (p *parser) readFile(stdin io.Reader, path string) {
	name, from := stdinName, stdin
	if path != Stdin {
		name = path
		file, err := os.Open(path)
		if err != nil {
			p.fail(name, 0, "the file cannot be read: "+readReason(err))
			return
		}
		defer file.Close()
		from = file
	}
	if from == nil {
		p.fail(name, 0, "there is no standard input to read: name a file")
		return
	}
	data, err := bounded.All(from, bounded.Limit{What: name, Bytes: min(maxFile, maxFiles-p.size)})
	if over := (*bounded.Error)(nil); errors.As(err, &over) {
		p.fail(name, 0, tooLarge(p.size))
		return
	}
	p.size += int64(len(data))
	if err != nil {
		p.fail(name, 0, "the file cannot be read: "+readReason(err))
		return
	}
	p.addFile(name, data)
}

func readReason(err error) string {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is none of this name; look at the path"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied; look at its mode and owner"
	case errors.As(err, &at):
		return at.Err.Error()
	}
	return err.Error()
}

// relativeTo resolves a path that was written in a file.
func relativeTo(file, path string) string {
	if path == "" || filepath.IsAbs(path) || file == stdinName {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

func tooLarge(before int64) string {
	if before > maxFiles-maxFile {
		return fmt.Sprintf("all files together are larger than %d MiB: name those of one migration", maxFiles>>20)
	}
	return fmt.Sprintf("the file is larger than %d MiB: name a file of Environments and Migrations, or split it", maxFile>>20)
}
