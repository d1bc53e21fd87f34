//go:build unix

package awsconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// alive reports whether the process runs whose id is in the file; not while there is no
// such file.
func alive(file string) bool {
	text, err := os.ReadFile(file)
	pid, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		return false
	}
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(state), ") Z ") // nobody may be there to reap it
}

// TestWhatACredentialProcessWrote is part of the error, without secrets and controls,
// and goes to nobody's terminal.
func TestWhatACredentialProcessWrote(t *testing.T) {
	c := newCloud(t)
	home := isolate(t, "")
	script := filepath.Join(home, "print")
	write(t, os.Getenv("AWS_CONFIG_FILE"), "[profile tool]\ncredential_process = sh "+script+"\n")
	write(t, script, `printf '\033[31mBearer SECRETTOKEN\033[0m\r\nno session: password=hunter2 \a\n' >&2; exit 3`)
	terminal, err := os.Create(filepath.Join(home, "terminal"))
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	own := os.Stderr
	os.Stderr = terminal
	defer func() { os.Stderr = own }()
	c.fail(Settings{Profile: "tool"}, []string{`: error in credential_process: exit status 3; it wrote: Bearer *** / no session: password=*** \x07`}, []string{"by hand"})
	if text, err := os.ReadFile(terminal.Name()); err != nil || len(text) > 0 {
		t.Errorf("on the terminal: %q, %v", text, err)
	}
}

// TestACredentialProcessThatFailsLeavesNothing, and one that succeeds may.
func TestACredentialProcessThatFailsLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc")
	}
	c := newCloud(t)
	home := isolate(t, "")
	script, left := filepath.Join(home, "print"), filepath.Join(home, "left")
	write(t, os.Getenv("AWS_CONFIG_FILE"), "[profile tool]\ncredential_process = sh "+script+"\n")
	write(t, script+".json", printed(c.session("first")))
	start := "trap '' TERM HUP\nsleep 36 &\necho $! > " + left + "\n"
	for text, do := range map[string]string{"exit 3": "exit status 3", "echo bad": "not the JSON", "exit 0": "not the JSON", "head -c 2000000 /dev/zero": "1 MiB"} {
		write(t, script, start+text+"\n")
		c.fail(Settings{Profile: "tool"}, []string{do}, []string{"by hand"})
		for until := time.Now().Add(10 * time.Second); alive(left); time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%s: what it started goes on", text)
			}
		}
	}
	write(t, script, start+"cat "+script+".json\n")
	c.be(Settings{Profile: "tool"}, "assumed-role/first/other")
	if !alive(left) {
		t.Error("it succeeded, and what it started was ended")
	}
	text, _ := os.ReadFile(left)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
}

// TestTheProgramIsNamed, and nothing else of its line.
func TestTheProgramIsNamed(t *testing.T) {
	for line, want := range map[string]string{
		`helper --token s3`:                             "helper",
		`"/opt/my tools/helper" --token s3`:             "/opt/my tools/helper",
		`'/opt/my tools/helper' "s 3"`:                  "/opt/my tools/helper",
		`/opt/my\ tools/helper s3`:                      "/opt/my tools/helper",
		`/opt/"my tools"/helper`:                        "/opt/my tools/helper",
		`TOKEN=s3 KEY="s 3" helper`:                     "helper",
		`env TOKEN=s3 curl https://example.com/?key=s3`: "curl",
		`/usr/bin/env TOKEN='s 3' helper`:               "helper",
		`exec helper`:                                   "helper",
		`env -i helper`:                                 "helper",
		`"helper`:                                       "helper",
		`TOKEN=s3`:                                      "",
		``:                                              "",
	} {
		if got := program(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
