package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Stage is where a build stands.
type Stage string

// The stages, in order.
const (
	StageAnnounced   Stage = "announced"   // it is about to start; String says what it costs
	StageWaiting     Stage = "waiting"     // another process builds the same
	StageDownloading Stage = "downloading" // Done counts modules, Total is 0
	StageCompiling   Stage = "compiling"   // Done and Total count packages
	StageDone        Stage = "done"        // it is in the cache
)

// Progress tells how a build goes. It is sent when the stage changes and about
// once per second in between.
type Progress struct {
	Version     Version
	Stage       Stage
	Done, Total int
	Elapsed     time.Duration
	CacheDir    string // where the finished program is kept
	GoCache     string // where Go keeps its build cache
	Holder      int    // process that builds the same, while waiting
}

// String says it in one line.
func (p Progress) String() string {
	head := fmt.Sprintf("Kubernetes %s: ", p.Version)
	elapsed := p.Elapsed.Round(time.Second)
	switch p.Stage {
	case StageAnnounced:
		return head + fmt.Sprintf("compiling it from source, once; this takes about 5 minutes on 2 cores, "+
			"a download of 90 MB, 3 GB of Go's build cache (%s) and 120 MB in %s", p.GoCache, p.CacheDir)
	case StageWaiting:
		return head + fmt.Sprintf("process %d compiles it already; waiting for it", p.Holder)
	case StageDownloading:
		return head + fmt.Sprintf("%s downloading, %d modules so far", elapsed, p.Done)
	case StageCompiling:
		if p.Total-p.Done <= 1 { // only the program itself is left
			return head + fmt.Sprintf("%s linking", elapsed)
		}
		return head + fmt.Sprintf("%s compiling, %d of %d packages", elapsed, p.Done, p.Total)
	default:
		return head + fmt.Sprintf("built in %s", elapsed)
	}
}

// output understands what the go command writes to stderr, line by line.
type output struct {
	downloads int
	packages  int
	rest      []string // neither: errors and warnings, the last ones
}

// maxRest bounds how many lines of an error are kept.
const maxRest = 20

func (o *output) add(line string) {
	switch {
	case strings.TrimSpace(line) == "":
	case strings.HasPrefix(line, "go: downloading "):
		o.downloads++
	case isPackagePath(line):
		o.packages++
	default:
		o.rest = append(o.rest, line)
		o.rest = slices.Delete(o.rest, 0, max(0, len(o.rest)-maxRest))
	}
}

// isPackagePath tells a line of `go build -v` from a message, which has blanks
// or starts with '#'.
func isPackagePath(line string) bool {
	return !strings.ContainsAny(line, " \t:") && !strings.HasPrefix(line, "#")
}

// explain turns the messages of a failed go command into one error text with a
// hint where the reason is a known one.
func (o *output) explain() string {
	text := strings.Join(o.rest, "\n")
	for _, known := range []struct{ sign, hint string }{
		{"no space left on device", "free about 4 GB (see `go env GOCACHE`) and try again"},
		{"disk quota exceeded", "free about 4 GB (see `go env GOCACHE`) and try again"},
		{"dial tcp", "the Go module proxy cannot be reached; set GOPROXY or HTTPS_PROXY, or connect, and try again"},
		{"module lookup disabled", "GOPROXY=off forbids the download; set GOPROXY and try again"},
		{"requires go >=", "install a newer Go from https://go.dev/dl/ and try again"},
		{"signal: killed", "the machine may be out of memory; about 3 GB are needed"},
	} {
		if strings.Contains(text, known.sign) {
			return text + "\n" + known.hint
		}
	}
	return text
}
