package memdisk

import (
	"fmt"
	"path"
)

// Plant puts a file on the disk that is not ours, durably, whatever had the name
// before: why is what is said when it is refused. Its directory must be there.
func (d *Disk) Plant(at, why string, content []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, err := d.dirAt(path.Dir(at))
	if err != nil {
		return fmt.Errorf("plant %s: %w", at, err)
	}
	n := &node{content: content, durable: content, foreign: why}
	dir.change(entries{path.Base(at): n})
	dir.flush()
	return nil
}

// Foreign returns what a file contains that is refused, as whoever trusts everything
// reads it; false if there is none.
func (d *Disk) Foreign(at string) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(at)
	if err == nil || n == nil || n.foreign == "" {
		return nil, false
	}
	return n.content, true
}
