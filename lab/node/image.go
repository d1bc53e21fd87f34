//go:build linux

package node

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// errImage says that nothing can be run for an image. It takes the place of a pull
// that failed.
type errImage struct {
	image string
	known []string
}

func (e errImage) Error() string {
	known := "none"
	if len(e.known) > 0 {
		known = strings.Join(e.known, ", ")
	}
	return fmt.Sprintf("image %q is not known to this node and the command is not in PATH; known images: %s", e.image, known)
}

// splitImage separates the name of an image from its tag. A digest is dropped;
// without a tag it is "latest".
func splitImage(image string) (name, tag string) {
	name, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i], name[i+1:]
	}
	return name, "latest"
}

// decideArgv says which program stands for a container. lookPath finds a word in PATH.
func decideArgv(image string, command, args []string, images map[string][]string, lookPath func(string) (string, error)) ([]string, error) {
	words := slices.Concat(command, args)
	if len(command) > 0 {
		if filepath.IsAbs(command[0]) {
			return words, nil
		}
		if path, err := lookPath(command[0]); err == nil {
			return append([]string{path}, words[1:]...), nil
		}
	}
	name, _ := splitImage(image)
	if prefix, ok := images[name]; ok {
		return slices.Concat(prefix, words), nil
	}
	return nil, errImage{image: image, known: slices.Sorted(maps.Keys(images))}
}
