//go:build linux

package proc

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const tail = " S 7 42 42 0 -1 4194560 105 0 0 0 0 0 0 0 20 0 1 0 8086 2703360 221 18446744073709551615"

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		name, content string
		want          stat
		bad           bool
	}{
		{name: "plain", content: "42 (etcd)" + tail, want: stat{comm: "etcd", state: 'S', parent: 7, flags: 4194560, start: 8086}},
		{name: "blanks and parentheses", content: "42 (a) R 1 (b)" + tail, want: stat{comm: "a) R 1 (b", state: 'S', parent: 7, flags: 4194560, start: 8086}},
		{name: "dead", content: "42 (etcd)" + strings.Replace(tail, " S ", " Z ", 1), want: stat{comm: "etcd", state: 'Z', parent: 7, flags: 4194560, start: 8086}},
		{name: "empty", bad: true},
		{name: "cut", content: "42 (etcd) S 7 42", bad: true},
		{name: "no command", content: "42 etcd" + tail, bad: true},
		{name: "no number", content: "42 (etcd)" + strings.Replace(tail, "8086", "x", 1), bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseStat(c.content)
			if (err != nil) != c.bad || got != c.want {
				t.Errorf("parseStat = %+v, %v; want %+v, error %t", got, err, c.want, c.bad)
			}
		})
	}
}

func TestEnded(t *testing.T) {
	for state, want := range map[byte]bool{'S': false, 'R': false, 'D': false, 'T': false, 'Z': true, 'X': true} {
		if got := (stat{state: state}).ended(); got != want {
			t.Errorf("state %c: ended = %t, want %t", state, got, want)
		}
	}
}

func TestKernelThread(t *testing.T) {
	for flags, want := range map[uint64]bool{4194560: false, 2129984: true, 0: false} {
		if got := (stat{flags: flags}).kernelThread(); got != want {
			t.Errorf("flags %d: kernelThread = %t, want %t", flags, got, want)
		}
	}
}

func TestStartedAt(t *testing.T) {
	boot, err := parseBootTime("cpu  1 2 3\nbtime 1700000000\nprocesses 9\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := startedAt(boot, 250), time.Unix(1700000002, 5e8); !got.Equal(want) {
		t.Errorf("startedAt = %s, want %s", got, want)
	}
	for _, content := range []string{"", "cpu 1\n", "btime soon\n"} {
		if _, err := parseBootTime(content); err == nil {
			t.Errorf("parseBootTime(%q): no error", content)
		}
	}
}

func TestMark(t *testing.T) {
	inherited := []string{"PATH=/bin", MarkEnv + "=/other", "EMPTY=", NameEnv + "=node", MarkEnv + "X=1"}
	env := markedEnv(inherited, "/lab=1", "etcd")
	want := []string{"PATH=/bin", "EMPTY=", MarkEnv + "X=1", MarkEnv + "=/lab=1", NameEnv + "=etcd"}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("markedEnv (-want +got):\n%s", diff)
	}
	lab, name := readMark([]byte(strings.Join(env, "\x00") + "\x00"))
	if lab != "/lab=1" || name != "etcd" {
		t.Errorf("readMark = %q, %q", lab, name)
	}
	if lab, name := readMark(nil); lab != "" || name != "" {
		t.Errorf("readMark of nothing = %q, %q", lab, name)
	}
}

func TestKeptEnv(t *testing.T) {
	env := []string{"PATH=/bin", "AWS_PROFILE=prod", "X=a=b"}
	if diff := cmp.Diff(env, keptEnv(env, nil)); diff != "" {
		t.Errorf("nil keeps all (-want +got):\n%s", diff)
	}
	got := keptEnv(env, func(variable string) bool { return variable != "AWS_PROFILE" })
	if diff := cmp.Diff([]string{"PATH=/bin", "X=a=b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFoundString(t *testing.T) {
	for want, f := range map[string]Found{
		"node (pid 7)":    {Identity: Identity{PID: 7}, Component: "node", Command: "watari"},
		"sleep (pid 7)":   {Identity: Identity{PID: 7}, Command: "sleep"},
		"process (pid 7)": {Identity: Identity{PID: 7}},
	} {
		if got := f.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
