package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// atOnce is how many tests run at the same time. They wait for the seconds of a
// migration rather than for the processor.
const atOnce = 48

func TestMain(m *testing.M) {
	testscript.Main(parallel{m}, map[string]func(){"watari": main})
}

// parallel raises how many tests run at once, unless the command line says, and hides
// the machine's own AWS settings from all of them: none that runs beside others can.
type parallel struct{ *testing.M }

func (p parallel) Run() int {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
			panic(err)
		}
	}
	return p.M.Run()
}

// TestScripts drives the real command against the lab's AWS. Beside testscript's
// own commands there are:
//
//	migration FILE [NAME=VALUE...]  writes the file; names as in the template in town_test.go
//	exits CODE watari ARGS...       runs watari, which ends with that code
//	start NAME ARGS...              starts watari; NAME.out and NAME.err grow
//	await FILE REGEXP               waits until the file says so
//	signal NAME INT|KILL|STOP|CONT  what kill(1) does to the process only
//	ends NAME CODE                  waits for its end; -1 if a signal ended it
//	ends-in-some-order NAMES CODES  waits for the end of several; each code is that of one of them
//	users N, target-fails PERCENT, intrude PERCENT, throttle N, metrics-gone
//	tag KEY VALUE                   tags the rule, as whoever made it would
//	lose-rule                       deletes the rule of the second route
//	credentials expired|valid       whoever calls AWS has them
//	clock OFF                       how far AWS's clock is ahead, such as 10m; -10m is behind
//	share PERCENT                   waits until users follow that share
//	modified N                      how many calls have changed something
//	events FILE KIND...             the file is a log of "run -o json" that has these kinds
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", Setup: setUp, RequireExplicitExec: true, RequireUniqueNames: true, Deadline: time.Now().Add(5 * time.Minute),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"migration": cmdMigration, "exits": cmdExits, "start": cmdStart, "await": cmdAwait, "signal": cmdSignal, "ends": cmdEnds, "ends-in-some-order": cmdEndsInSomeOrder,
			"users": cmdUsers, "target-fails": cmdTargetFails, "intrude": cmdIntrude, "tag": cmdTag, "throttle": cmdThrottle, "metrics-gone": cmdMetricsGone,
			"lose-rule": cmdLoseRule, "credentials": cmdCredentials, "clock": cmdClock, "share": cmdShare, "modified": cmdModified, "events": cmdEvents,
		},
	})
}

type townKey struct{}

// setUp gives each script a town and hides the machine's own settings.
func setUp(env *testscript.Env) error {
	w, err := newTown()
	if err != nil {
		return err
	}
	env.Defer(w.stop)
	p := &processes{running: map[string]*process{}, env: env}
	env.Defer(p.end)
	env.Values[townKey{}], env.Values[processesKey{}] = w, p
	env.Setenv("WATARI_STATE", filepath.Join(env.WorkDir, "state"))
	env.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	env.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	env.Setenv("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "false") // a process is started with what is known here
	env.Setenv("RULENAME", w.rule[strings.LastIndexByte(w.rule, ':')+1:])
	return nil
}

func townOf(ts *testscript.TestScript) *town { return ts.Value(townKey{}).(*town) }

func wantArgs(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

func cmdMigration(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "migration FILE [NAME=VALUE...]")
	settings := map[string]string{}
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		settings[name] = value
	}
	ts.Check(townOf(ts).write(ts.MkAbs(args[0]), settings))
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 2, "exits CODE PROGRAM ARGS...")
	code, err := 0, ts.Exec(args[1], args[2:]...)
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		code = ended.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != number(ts, args[0]) {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func cmdUsers(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "users PER-SECOND")
	w, n := townOf(ts), number(ts, args[0])
	w.change(func() { w.rate = float64(n) })
}

func cmdTargetFails(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "target-fails PERCENT")
	w, n := townOf(ts), number(ts, args[0])
	w.change(func() { w.failing = float64(n) / 100 })
}

func cmdLoseRule(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 0, "lose-rule")
	ts.Check(townOf(ts).lose())
}

func cmdCredentials(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "credentials expired|valid")
	w := townOf(ts)
	w.change(func() { w.expired = args[0] == "expired" })
}

func cmdClock(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "clock OFF")
	off, err := time.ParseDuration(args[0])
	ts.Check(err)
	ts.Check(townOf(ts).setClock(off))
}

func cmdIntrude(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "intrude PERCENT")
	ts.Check(townOf(ts).intrude(int32(number(ts, args[0]))))
}

func cmdTag(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 2, "tag KEY VALUE")
	ts.Check(townOf(ts).tag(args[0], args[1]))
}

func cmdThrottle(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "throttle CALLS")
	w, n := townOf(ts), number(ts, args[0])
	w.change(func() { w.refuse = n })
}

func cmdMetricsGone(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 0, "metrics-gone")
	townOf(ts).metrics.Close()
}

func cmdShare(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "share PERCENT")
	w, want := townOf(ts), float64(number(ts, args[0]))/100
	poll(ts, "the share to be "+args[0]+" %", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.share == want
	})
}

func cmdModified(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 1, "modified CALLS")
	w := townOf(ts)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.modified != number(ts, args[0]) {
		ts.Fatalf("%d calls changed something, want %s", w.modified, args[0])
	}
}

func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 2, "await FILE REGEXP")
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	poll(ts, args[0]+" to say "+args[1], func() bool {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && re.Match(content)
	})
}

// patience is how long a test waits for something that takes seconds, on a machine
// that has other things to do.
const patience = time.Minute

// poll waits until ok.
func poll(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited %s for %s", patience, what)
		}
	}
}
