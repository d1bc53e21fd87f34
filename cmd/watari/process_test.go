package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

type processesKey struct{}

// processes are those that a script has started.
type processes struct {
	env     *testscript.Env
	running map[string]*process
}

type process struct {
	cmd   *exec.Cmd
	ended chan error
}

// end kills what is left and waits for it.
func (p *processes) end() {
	for _, one := range p.running {
		_ = one.cmd.Process.Kill() // has ended already: the better
		<-one.ended
	}
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 2, "start NAME ARGS...")
	p := ts.Value(processesKey{}).(*processes)
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	defer out.Close()
	errs, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	defer errs.Close()
	cmd := exec.Command("watari", args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), p.environ(ts), out, errs
	ts.Check(cmd.Start())
	one := &process{cmd: cmd, ended: make(chan error, 1)}
	go func() { one.ended <- cmd.Wait() }()
	p.running[args[0]] = one
}

// ran runs a command line as a process of its own, so that it can run beside others,
// and interrupts it when the context ends.
func ran(t *testing.T, ctx context.Context, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "watari", args...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, patience
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Errorf("watari %q: %v", args, err)
		return said{code: -1}
	}
	return said{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// environ is the script's environment as it is now.
func (p *processes) environ(ts *testscript.TestScript) []string {
	var all []string
	for _, v := range p.env.Vars {
		name, _, _ := strings.Cut(v, "=")
		if v = name + "=" + ts.Getenv(name); !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// find returns a process of the script by its name.
func find(ts *testscript.TestScript, name string) (*processes, *process) {
	p := ts.Value(processesKey{}).(*processes)
	one, started := p.running[name]
	if !started {
		ts.Fatalf("nothing was started as %s", name)
	}
	return p, one
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 2, "signal NAME INT|KILL|STOP|CONT")
	_, one := find(ts, args[0])
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT}
	s, known := signals[args[1]]
	if !known {
		ts.Fatalf("signal %s: there are INT, KILL, STOP and CONT", args[1])
	}
	ts.Check(one.cmd.Process.Signal(s))
}

func cmdEnds(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 2, "ends NAME CODE")
	if code := codeOfEnded(ts, args[0]); code != number(ts, args[1]) {
		ts.Fatalf("%s ended with code %d, want %s", args[0], code, args[1])
	}
}

func cmdEndsInSomeOrder(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 2, "ends-in-some-order NAMES CODES")
	names, want := args[:len(args)/2], slices.Sorted(slices.Values(args[len(args)/2:]))
	var got []string
	for _, name := range names {
		got = append(got, strconv.Itoa(codeOfEnded(ts, name)))
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		ts.Fatalf("%q ended with %q, want %q", names, got, want)
	}
}

// codeOfEnded waits for the end of a process and returns its exit code.
func codeOfEnded(ts *testscript.TestScript, name string) int {
	p, one := find(ts, name)
	poll(ts, name+" to end", func() bool { return len(one.ended) > 0 })
	err := <-one.ended
	delete(p.running, name)
	code := 0
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		code = ended.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	ts.Logf("[%s.out]\n%s[%s.err]\n%s", name, ts.ReadFile(name+".out"), name, ts.ReadFile(name+".err"))
	return code
}
