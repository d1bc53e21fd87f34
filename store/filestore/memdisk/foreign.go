package memdisk

import (
	"bytes"
	"fmt"
	"path"
)

// Plant puts a file on the disk that is not ours, durably, in the place of what has
// the name: why is what is said when it is refused. Its directory must be there. What
// it returns puts back what was there before, unless something else has the name by
// then, and reports whether the file still is what was planted.
func (d *Disk) Plant(at, why string, content []byte) (undo func() (unchanged bool), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.dirAt(path.Dir(at))
	if err != nil {
		return nil, fmt.Errorf("plant %s: %w", at, err)
	}
	name := path.Base(at)
	n, before := &node{content: content, durable: content, foreign: why}, dir.names[name]
	dir.change(entries{name: n})
	dir.flush()
	return func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if dir.names[name] == n {
			dir.change(entries{name: before})
			dir.flush()
		}
		return bytes.Equal(n.content, content)
	}, nil
}

// Trusting returns the same disk as who trusts everything reaches it.
func (d *Disk) Trusting() *Disk { return &Disk{d.before, true, d.platter} }
