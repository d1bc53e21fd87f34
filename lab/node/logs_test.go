//go:build linux

package node

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
)

func TestParseLogQuery(t *testing.T) {
	for query, want := range map[string]logQuery{
		"":                                      {tail: -1, limit: -1},
		"follow=true&tailLines=3":               {follow: true, tail: 3, limit: -1},
		"previous=true&limitBytes=10&follow=no": {previous: true, tail: -1, limit: 10},
		"tailLines=0":                           {tail: 0, limit: -1},
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseLogQuery(values); got != want || err != nil {
			t.Errorf("%s: %+v, %v; want %+v", query, got, err, want)
		}
	}
	for _, query := range []string{"timestamps=true", "sinceSeconds=1", "sinceTime=x", "tailLines=-1", "limitBytes=x"} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseLogQuery(values); err == nil {
			t.Errorf("%s is accepted", query)
		}
	}
}

func TestCopyLog(t *testing.T) {
	long := strings.Repeat("0123456789abcdef\n", 5000) // longer than what is read at once
	for _, c := range []struct {
		name, log string
		q         logQuery
		want      string
	}{
		{"all", "a\nb\n", logQuery{tail: -1, limit: -1}, "a\nb\n"},
		{"last line", "a\nb\n", logQuery{tail: 1, limit: -1}, "b\n"},
		{"last line without its end", "a\nb", logQuery{tail: 1, limit: -1}, "b"},
		{"none", "a\nb\n", logQuery{tail: 0, limit: -1}, ""},
		{"more than there are", "a\nb\n", logQuery{tail: 9, limit: -1}, "a\nb\n"},
		{"empty lines", "a\n\n\n", logQuery{tail: 2, limit: -1}, "\n\n"},
		{"nothing", "", logQuery{tail: 2, limit: -1}, ""},
		{"bytes", "a\nb\n", logQuery{tail: -1, limit: 3}, "a\nb"},
		{"long", long, logQuery{tail: 4000, limit: -1}, long[1000*17:]},
	} {
		name := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(name, []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var got bytes.Buffer
		if err := copyLog(t.Context(), &got, f, c.q, func() bool { return false }); err != nil || got.String() != c.want {
			t.Errorf("%s: %d bytes, %v; want %d bytes", c.name, got.Len(), err, len(c.want))
		}
	}
}

func TestLogsAreServed(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	c.create(c.pod("p", "echo one; echo two; until test -e go; do sleep 0.01; done; echo three; exit 0"))
	c.await("p", "ready", ready)

	code, resp, err := c.logs(c.ca, "p", "follow=true&tailLines=5")
	if err != nil || code != http.StatusOK {
		t.Fatalf("follow: %d, %v", code, err)
	}
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); line != "one\n" || err != nil {
		t.Fatalf("first line %q, %v", line, err)
	}
	if err := os.WriteFile(c.root("p")+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(lines); string(rest) != "two\nthree\n" || err != nil {
		t.Errorf("what follows: %q, %v; want the rest, and an end with the container", rest, err)
	}
	c.await("p", "restarted", func(p *v1.Pod) bool { return mainStatus(p).RestartCount >= 1 })

	for _, q := range []struct {
		pod, query string
		code       int
		body       string
	}{
		{"p", "previous=true&limitBytes=4", http.StatusOK, "one\n"},
		{"none", "", http.StatusNotFound, ""},
		{"p", "timestamps=true", http.StatusBadRequest, ""},
	} {
		code, resp, err := c.logs(c.ca, q.pod, q.query)
		if err != nil || code != q.code {
			t.Fatalf("%s?%s: %d, %v; want %d", q.pod, q.query, code, err, q.code)
		}
		if body, err := io.ReadAll(resp.Body); q.body != "" && string(body) != q.body {
			t.Errorf("%s?%s: %q, %v; want %q", q.pod, q.query, body, err, q.body)
		}
	}
	if _, _, err := c.logs(nil, "p", ""); err == nil {
		t.Error("a reader without a certificate gets an answer")
	}
	stranger, _ := newAuthority(t)
	if _, _, err := c.logs(stranger, "p", ""); err == nil {
		t.Error("a reader with a certificate of another authority gets an answer")
	}
}
