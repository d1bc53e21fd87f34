package main

import (
	"context"
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

	"golang.org/x/sys/unix"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/store/filestore"
	"watari.dev/store/storetest"
)

// standard is the standard output and error output of a process, and what becomes
// of them while it runs.
type standard struct {
	out, err *os.File
	attr     *syscall.SysProcAttr
	lost     func(*exec.Cmd) // what happens to the reader once the target has users; nil is nothing
	close    func()
}

// fullPipe returns the end for writing of a pipe that nobody reads and that has no
// room left.
func fullPipe(t *testing.T) (*os.File, func()) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe")
	fill(t, fds[1])
	return w, func() { r.Close(); w.Close() }
}

// fill writes until there is no room left. The process that inherits the file
// blocks on its next write.
func fill(t *testing.T, fd int) {
	t.Helper()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{strings.Repeat("x", 1024), "x"} {
		for {
			if _, err := unix.Write(fd, []byte(text)); err != nil {
				break
			}
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

// deadPipe returns the end for writing of a pipe whose reader is gone.
func deadPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return w
}

// terminal opens a terminal that nobody reads.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this machine has no terminals: %v", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 120}); err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// onFullPipes is both outputs on pipes that nobody reads.
func onFullPipes(t *testing.T) standard {
	out, closeOut := fullPipe(t)
	errs, closeErrs := fullPipe(t)
	return standard{out: out, err: errs, close: func() { closeOut(); closeErrs() }}
}

// onFullLog is an error output that nobody reads, and nobody's output.
func onFullLog(t *testing.T) standard {
	errs, closeErrs := fullPipe(t)
	return standard{err: errs, close: closeErrs}
}

// onDeadPipes is both outputs on pipes whose reader has died.
func onDeadPipes(t *testing.T) standard {
	out, errs := deadPipe(t), deadPipe(t)
	return standard{out: out, err: errs, close: func() { out.Close(); errs.Close() }}
}

// onStalledTerminal is a terminal after Ctrl-S, or behind a connection that hangs.
func onStalledTerminal(t *testing.T) standard {
	master, slave := terminal(t)
	fill(t, int(slave.Fd()))
	return standard{out: slave, err: slave, close: func() { master.Close(); slave.Close() }}
}

// onClosedTerminal is the terminal of a session, whose window is closed once the
// target has users.
func onClosedTerminal(t *testing.T) standard {
	master, slave := terminal(t)
	return standard{
		out: slave, err: slave, attr: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1},
		lost: func(*exec.Cmd) { master.Close() }, close: func() { master.Close(); slave.Close() },
	}
}

// onHangups is SIGHUP, several times, of somebody who closes nothing.
func onHangups(t *testing.T) standard {
	s := onDeadPipes(t)
	s.lost = func(cmd *exec.Cmd) {
		for range 3 {
			_ = cmd.Process.Signal(syscall.SIGHUP)
			time.Sleep(20 * time.Millisecond) // signals of one kind that wait are one
		}
	}
	return s
}

// inBackground is a process in the background of a terminal that stops those that
// write to it (stty tostop).
func inBackground(t *testing.T) standard {
	master, slave := terminal(t)
	settings, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag |= unix.TOSTOP
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	return standard{out: slave, err: slave, close: func() { master.Close(); slave.Close() }}
}

// TestNobodyWhoReadsCanStopTheRollback: whatever becomes of those who read what a
// run says, a target that fails is taken back, and the process ends with the code
// that says so.
func TestNobodyWhoReadsCanStopTheRollback(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		output  string
		std     func(*testing.T) standard
		journal string // what the journal says of it; empty is nothing
	}{
		{"terminal that nobody reads", "text", onStalledTerminal, ""},
		{"terminal that nobody reads", "json", onStalledTerminal, ""},
		{"log that nobody reads", "text", onFullLog, ""},
		{"pipe that nobody reads", "text", onFullPipes, ""},
		{"pipe that nobody reads", "json", onFullPipes, ""},
		{"reader that has died", "text", onDeadPipes, "broken pipe"},
		{"reader that has died", "json", onDeadPipes, "broken pipe"},
		{"terminal that is closed", "text", onClosedTerminal, "SIGHUP"},
		{"hangups", "json", onHangups, "SIGHUP"},
	} {
		t.Run(c.name+" "+c.output, func(t *testing.T) {
			t.Parallel()
			w, dir := failingTown(t)
			std := c.std(t)
			t.Cleanup(std.close)
			run := w.start(t, dir, std, "run", "-f", "shop.yaml", "-o", c.output)
			w.await(t, 0.5)
			disturb(t, dir)
			if std.lost != nil {
				std.lost(run.cmd)
			}
			w.change(func() { w.failing = 0.5 })
			w.await(t, 0)
			if code := run.code(t); code != exitRolledBack {
				t.Errorf("exit code %d, want %d", code, exitRolledBack)
			}
			said := journalOf(t, dir)
			if c.journal != "" && strings.Count(said, c.journal) == 0 {
				t.Errorf("the journal does not say %q:\n%s", c.journal, said)
			}
			if n := strings.Count(said, "SIGHUP"); n > 1 {
				t.Errorf("the journal says it %d times:\n%s", n, said)
			}
		})
	}
}

// TestRollbackNeedsNoReader: so does the command that takes back, whoever runs the
// migration.
func TestRollbackNeedsNoReader(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*testing.T) standard{"pipe that nobody reads": onFullPipes, "terminal that nobody reads": onStalledTerminal, "reader that has died": onDeadPipes} {
		for _, alone := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s alone %t", name, alone), func(t *testing.T) {
				t.Parallel()
				w, dir := failingTown(t)
				quiet := standard{close: func() {}}
				run := w.start(t, dir, quiet, "run", "-f", "shop.yaml")
				w.await(t, 0.5)
				if alone {
					held(t, dir) // else what it was writing could still arrive
					_ = run.cmd.Process.Kill()
					run.code(t)
				}
				disturb(t, dir)
				std := on(t)
				t.Cleanup(std.close)
				back := w.start(t, dir, std, "rollback", "shop")
				w.await(t, 0)
				if code := back.code(t); code != exitOK {
					t.Errorf("exit code %d, want %d", code, exitOK)
				}
			})
		}
	}
}

// TestABackgroundProcessIsNotStopped: a run in the background of a terminal with
// "stty tostop" goes on.
func TestABackgroundProcessIsNotStopped(t *testing.T) {
	t.Parallel()
	signal.Reset(syscall.SIGTTOU, syscall.SIGTTIN) // commands that ran in this process have left them ignored, and that is inherited
	w, dir := failingTown(t)
	std := inBackground(t)
	t.Cleanup(std.close)
	// The shell has the terminal; what it starts with & is in a group of its own.
	std.attr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	shell := w.startProgram(t, dir, std, "sh", "-c", "set -m; watari run -f shop.yaml & wait $!")
	w.await(t, 0.5)
	w.change(func() { w.failing = 0.5 })
	w.await(t, 0)
	if code := shell.code(t); code != exitRolledBack {
		t.Errorf("exit code %d, want %d", code, exitRolledBack)
	}
}

// held waits until the step's share is in place, as far as the store knows.
func held(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		_, status, err := recall(t.Context(), filestore.New(filepath.Join(dir, "state")), store.Key{Name: "shop"})
		if err == nil && status.Phase == engine.Holding {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is %s, %v", status.Phase, err)
		}
	}
}

// failingTown is a town with a migration that holds 50 % for long.
func failingTown(t *testing.T) (*town, string) {
	t.Helper()
	w, err := newTown()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	dir := t.TempDir()
	if err := w.write(filepath.Join(dir, "shop.yaml"), map[string]string{"STEPS": "{share: 50%, hold: 10m}, {share: 100%, hold: 10m}"}); err != nil {
		t.Fatal(err)
	}
	return w, dir
}

// disturb puts a command into the store that cannot be read, of which a run
// complains in its log each time it looks.
func disturb(t *testing.T, dir string) {
	t.Helper()
	commands := filepath.Join(dir, "state", "shop", "commands")
	if err := os.MkdirAll(commands, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(commands, "damaged.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// started is a process of a test.
type started struct {
	cmd   *exec.Cmd
	ended chan error
}

func (w *town) start(t *testing.T, dir string, std standard, args ...string) *started {
	t.Helper()
	return w.startProgram(t, dir, std, "watari", args...)
}

func (w *town) startProgram(t *testing.T, dir string, std standard, name string, args ...string) *started {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.SysProcAttr = dir, std.attr
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }),
		"HOME="+dir, "WATARI_STATE="+filepath.Join(dir, "state"), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_EC2_METADATA_DISABLED=true")
	if std.out != nil {
		cmd.Stdout = std.out
	}
	if std.err != nil {
		cmd.Stderr = std.err
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &started{cmd: cmd, ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
		}
	})
	return p
}

// code waits for the end of the process, while nobody reads.
func (p *started) code(t *testing.T) int {
	t.Helper()
	select {
	case err := <-p.ended:
		var ended *exec.ExitError
		if err != nil && !errors.As(err, &ended) {
			t.Fatal(err)
		}
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		t.Fatal("it does not end")
		return -1
	}
}

// await waits until the users follow a share.
func (w *town) await(t *testing.T, share float64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		w.mu.Lock()
		now := w.share
		w.mu.Unlock()
		if now == share {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the share is %.2f, waited for %.2f", now, share)
		}
	}
}

// journalOf returns the sentences of the journal.
func journalOf(t *testing.T, dir string) string {
	t.Helper()
	entries, err := storetest.All(filestore.New(filepath.Join(dir, "state")).Journal(context.Background(), store.Key{Name: "shop"}))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range entries {
		if e.Text != "" {
			text.WriteString(e.Kind + ": " + e.Text + "\n")
		}
	}
	return text.String()
}
