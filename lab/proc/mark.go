package proc

import "strings"

const (
	// MarkEnv names the environment variable that holds the absolute directory
	// of the lab to which a process belongs. Children inherit it.
	MarkEnv = "WATARI_LAB"
	// NameEnv names the environment variable that holds the name of the
	// component to which a process belongs. Children inherit it, too.
	NameEnv = "WATARI_LAB_PROCESS"
)

// markedEnv returns env with the mark and the name of a component in the place
// of those it may have inherited.
func markedEnv(env []string, lab, name string) []string {
	marked := make([]string, 0, len(env)+2)
	for _, kv := range env {
		key, _, _ := strings.Cut(kv, "=")
		if key != MarkEnv && key != NameEnv {
			marked = append(marked, kv)
		}
	}
	return append(marked, MarkEnv+"="+lab, NameEnv+"="+name)
}

// readMark finds the mark and the name in the content of /proc/PID/environ.
func readMark(environ []byte) (lab, name string) {
	for kv := range strings.SplitSeq(string(environ), "\x00") {
		key, value, _ := strings.Cut(kv, "=")
		switch key {
		case MarkEnv:
			lab = value
		case NameEnv:
			name = value
		}
	}
	return lab, name
}

// keptEnv returns the variables of env that keep wants; nil wants all.
func keptEnv(env []string, keep func(variable string) bool) []string {
	kept := make([]string, 0, len(env))
	for _, kv := range env {
		variable, _, _ := strings.Cut(kv, "=")
		if keep == nil || keep(variable) {
			kept = append(kept, kv)
		}
	}
	return kept
}
