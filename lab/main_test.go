//go:build linux

package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"watari.dev/lab/fault"
	"watari.dev/lab/kube"
	"watari.dev/lab/proc"
)

// The test binary plays the program with the lab's subcommands: the supervisor
// is the real one, its components are the fakes below.
func TestMain(m *testing.M) {
	args := os.Args[1:]
	if len(args) < 2 || args[0] != "lab" {
		// The race detector's programs wait a second at their end by default.
		os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
		os.Exit(m.Run())
	}
	switch args[1] {
	case "supervise":
		os.Exit(playSupervisor(args[3]))
	case "component":
		os.Exit(playComponent(args[2], args[3]))
	case "up":
		os.Exit(playUp(args[2]))
	case "stray":
		signal.Ignore(syscall.SIGTERM)
		// The component is ready only now, so that nobody stops the stray earlier.
		if err := os.WriteFile(args[2], nil, 0o600); err != nil {
			os.Exit(1)
		}
		<-time.After(time.Minute) // bounds a stray if the tests are killed
	}
	os.Exit(2)
}

// fakesEnv holds the fakes as JSON. The name's prefix lets it through to the
// supervisor.
const fakesEnv = "WATARI_LAB_TEST_FAKES"

// fake is a component that only waits, and misbehaves as told.
type fake struct {
	Name  string
	After []string
	Mode  string // "": in order; crash: ends before it is ready; never: is never ready; stray: leaves a child behind
}

func useFakes(t *testing.T, fakes ...fake) {
	t.Helper()
	content, err := json.Marshal(fakes)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(fakesEnv, string(content))
}

// planFakes is what planLab is in earnest.
func planFakes(_ context.Context, l layout, s settings) (plan, error) {
	var fakes []fake
	if err := json.Unmarshal([]byte(os.Getenv(fakesEnv)), &fakes); err != nil {
		return plan{}, err
	}
	p := plan{info: Info{Kubeconfig: l.kubeconfig(), Control: Control{Token: fakesToken}}}
	if err := planFakeSide(&p, fakes); err != nil {
		return plan{}, err
	}
	for _, f := range fakes {
		p.components = append(p.components, component{
			name: f.Name, after: f.After, path: s.Executable,
			args: []string{"lab", "component", f.Name, f.Mode},
			ready: func(context.Context) error {
				_, err := os.Stat(filepath.Join(l.data(), f.Name+".ready"))
				return err
			},
		})
	}
	return p, writeFile(l.kubeconfig(), []byte("kubeconfig\n"))
}

const fakesToken = "token of the fakes"

// planFakeSide gives the fakes a source with an API server and nodes, and a way to
// the address in farEnv.
func planFakeSide(p *plan, fakes []fake) error {
	far := os.Getenv(farEnv)
	if far == "" {
		return nil
	}
	picked, err := kube.PickPorts(1)
	if err != nil {
		return err
	}
	listen := loopback(picked[0])
	components := map[fault.Component][]string{fault.APIServer: {"api"}, fault.Node: {"node"}}
	p.sides = map[string]sidePlan{fault.Source: {components: components, relays: []relayPlan{{name: "api-server", listen: listen, to: far}}}}
	p.info.Clusters = []Cluster{{Name: "fakes", Side: fault.Source, Server: listen}}
	p.info.AWS.Endpoint = "http://" + far
	return nil
}

// farEnv holds the address that plays the API server and AWS for the fakes.
const farEnv = "WATARI_LAB_TEST_FAR"

func playSupervisor(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := supervise(ctx, dir, planFakes); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// playComponent writes down when it starts and stops, in the data directory,
// which is its working directory.
func playComponent(name, mode string) int {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	record("start " + name)
	fmt.Println("I am", name)
	switch mode {
	case "crash":
		fmt.Println("the port is taken")
		return 7
	case "stray":
		if err := exec.Command(os.Args[0], "lab", "stray", name+".ready").Start(); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	if mode == "" {
		if err := os.WriteFile(name+".ready", nil, 0o600); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	<-terminated
	record("stop " + name)
	return 0
}

// record adds a line to a file that outlives the data directory.
func record(line string) {
	file, err := os.OpenFile(filepath.Join("..", "logs", "order.txt"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	fmt.Fprintln(file, line)
}

func playUp(dir string) int {
	o, err := newOperator(Config{Dir: dir, Progress: func(e Event) { fmt.Println(e) }})
	if err == nil {
		o.build = fakeBuild
		_, err = o.up(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func fakeBuild(_ context.Context, report func(kube.Progress)) (map[kube.Version]string, error) {
	report(kube.Progress{Version: kube.V1_36, Stage: kube.StageDone})
	return map[kube.Version]string{kube.V1_36: "/bin/true"}, nil
}

// newLab returns an operator for a new lab, which is stopped after the test.
func newLab(t *testing.T) *operator {
	t.Helper()
	o := operatorFor(t, filepath.Join(t.TempDir(), "lab"))
	t.Cleanup(func() {
		if _, err := o.down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return o
}

func operatorFor(t *testing.T, dir string) *operator {
	t.Helper()
	o, err := newOperator(Config{Dir: dir, Progress: func(e Event) { t.Log(e) }})
	if err != nil {
		t.Fatal(err)
	}
	o.build = fakeBuild
	o.sweepGrace = 100 * time.Millisecond
	return o
}

func mustUp(t *testing.T, o *operator) Info {
	t.Helper()
	info, err := o.up(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// find returns what is said of a component.
func find(t *testing.T, info Info, name string) ComponentInfo {
	t.Helper()
	i := slices.IndexFunc(info.Components, func(c ComponentInfo) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no component %q in %+v", name, info.Components)
	}
	return info.Components[i]
}

func mustStatus(t *testing.T, o *operator) Info {
	t.Helper()
	info, err := Status(o.layout.dir)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func kill(t *testing.T, id proc.Identity) {
	t.Helper()
	if err := syscall.Kill(id.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func checkNothingLeft(t *testing.T, o *operator) {
	t.Helper()
	if left, err := proc.Find(o.layout.dir); err != nil || len(left) != 0 {
		t.Errorf("left over: %+v, %v", left, err)
	}
	for _, path := range []string{o.layout.data(), o.layout.info(), o.layout.kubeconfig()} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", path, err)
		}
	}
}

// order returns what the fakes wrote down.
func order(t *testing.T, o *operator) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(o.layout.logs(), "order.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// startUp runs up in a process of its own and returns its lines.
func startUp(t *testing.T, dir string) (*exec.Cmd, <-chan string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "lab", "up", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return cmd, lines
}

// eventually polls until ok or a deadline that only a broken program reaches.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("still not so after 15 s: %s", what)
}
