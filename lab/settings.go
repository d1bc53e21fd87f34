//go:build linux

package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"watari.dev/lab/kube"
)

// settings are what Up tells the supervisor.
type settings struct {
	Executable    string                  `json:"executable"` // the program with the lab's subcommands
	Build         Build                   `json:"build"`
	Seed          uint64                  `json:"seed"`
	ControlPlanes map[kube.Version]string `json:"controlPlanes"` // programs
}

func readSettings(l layout) (settings, error) {
	content, err := os.ReadFile(l.settings())
	if err != nil {
		return settings{}, fmt.Errorf("read the settings of the lab: %w; start it with: watari lab up", err)
	}
	var s settings
	if err := json.Unmarshal(content, &s); err != nil {
		return settings{}, fmt.Errorf("read the settings of the lab in %s: %w", l.settings(), err)
	}
	return s, nil
}

// readBuild tells the build of the program at path.
func readBuild(path string) (Build, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Build{}, fmt.Errorf("look at the program %s: %w", path, err)
	}
	return Build{Path: path, Size: info.Size(), Modified: info.ModTime().Round(0).UTC()}, nil
}

// same reports whether two builds are one program, wherever it lies.
func (b Build) same(other Build) bool {
	return b.Size == other.Size && b.Modified.Equal(other.Modified)
}

// keepVariable says which of the user's environment variables the lab's
// processes see. Proxies, kubeconfigs, AWS profiles and endpoints of the user
// would lead them out of the lab.
func keepVariable(name string) bool {
	switch name {
	case "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "GOCOVERDIR", "GORACE":
		return true
	}
	return strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "WATARI_")
}
