//go:build linux

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"watari.dev/lab/proc"
)

// State is where a lab or one of its components stands.
type State string

// The states.
const (
	Waiting    State = "waiting"    // for a component that it needs
	Starting   State = "starting"   // runs, but does not serve yet
	Ready      State = "ready"      // serves
	Restarting State = "restarting" // ended by itself and is started again
	Stopping   State = "stopping"
	Stopped    State = "stopped"
	HeldDown   State = "held down" // killed by a fault, and started again when that is over
	Failed     State = "failed"    // did not become ready; see Info.Failure
	Gone       State = "gone"      // was killed, together with the supervisor
)

// Info is what a lab knows of itself: the content of lab.json. It holds secrets
// of the lab, so the file is readable by its owner only.
type Info struct {
	Dir        string          `json:"dir"`
	State      State           `json:"state"`
	Supervisor proc.Identity   `json:"supervisor"`
	Build      Build           `json:"build"`
	Started    time.Time       `json:"started"`
	ReadyAfter time.Duration   `json:"readyAfter"` // nanoseconds; zero until all is ready
	Kubeconfig string          `json:"kubeconfig"` // of all clusters, one context each
	AWS        AWS             `json:"aws"`
	Control    Control         `json:"control"`
	Clusters   []Cluster       `json:"clusters"` // the source first
	Components []ComponentInfo `json:"components"`
	Failure    *Failure        `json:"failure,omitempty"`
}

// AWS says how to reach the lab's AWS.
type AWS struct {
	Endpoint  string `json:"endpoint"` // for every service
	DNS       string `json:"dns"`      // address of the DNS server, host:port
	Account   string `json:"account"`
	Region    string `json:"region"`
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
}

// Control says how to make things go wrong in the lab; see Inject.
type Control struct {
	Endpoint string `json:"endpoint"` // of the supervisor
	Token    string `json:"token"`    // for it and for the lab's AWS
}

// Cluster says how to reach one of the lab's clusters. Its name is also the name
// of its kubeconfig context.
type Cluster struct {
	Name       string   `json:"name"`
	Side       string   `json:"side"` // source or target
	Version    string   `json:"version"`
	Server     string   `json:"server"`     // as it is reached from outside of the side; see fault.Partition
	Kubeconfig string   `json:"kubeconfig"` // of this cluster only
	Nodes      []string `json:"nodes"`      // in the order of fault.Kill's numbers
	PodCIDR    string   `json:"podCIDR"`    // the addresses that its pods report
}

// ComponentInfo tells of one component.
type ComponentInfo struct {
	Name       string        `json:"name"`
	State      State         `json:"state"`
	Process    proc.Identity `json:"process"` // zero unless it runs
	Since      time.Time     `json:"since"`   // start of the process
	Restarts   int           `json:"restarts"`
	ReadyAfter time.Duration `json:"readyAfter"` // nanoseconds from its first start; zero until then
	Endpoint   string        `json:"endpoint,omitempty"`
	Log        string        `json:"log"`
	Reason     string        `json:"reason,omitempty"` // why it is not ready
}

// Failure says why a lab did not come up.
type Failure struct {
	Component string `json:"component"`
	Reason    string `json:"reason"`
	LogTail   string `json:"logTail"`
}

// Build tells one build of the program from another.
type Build struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// ErrNoLab says that there is no lab in a directory.
var ErrNoLab = errors.New("there is no lab; start one: watari lab up")

// Read returns what the lab in dir says of itself. An empty dir is DefaultDir.
// The error is ErrNoLab if there is none. A lab whose supervisor was killed
// still says what it said last; Status checks it against the living processes.
func Read(dir string) (Info, error) {
	l, err := newLayout(dir)
	if err != nil {
		return Info{}, err
	}
	return readInfo(l)
}

func readInfo(l layout) (Info, error) {
	content, err := os.ReadFile(l.info())
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, fmt.Errorf("%s: %w", l.dir, ErrNoLab)
	}
	if err != nil {
		return Info{}, fmt.Errorf("read the lab's state: %w", err)
	}
	var info Info
	if err := json.Unmarshal(content, &info); err != nil {
		return Info{}, fmt.Errorf("read the lab's state: %s is damaged (%w); clean up: watari lab down", l.info(), err)
	}
	return info, nil
}

func writeInfo(l layout, info Info) error {
	return writeJSON(l.info(), info)
}
