package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/internal/outlet"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/store/filestore"
	"watari.dev/traffic"
	"watari.dev/verdict"
	"watari.dev/view"
)

// forged is the line that nobody but watari may write.
const forged = "14:30:32   complete"

// hostileText moves the cursor, ends lines, turns the direction of writing and hides.
const hostileText = "x\x1b[2J\x1b[1;1H\n" + forged + "\r" + forged + "\u009b31m\u0085\u202e\u2028" + forged + "\x7f\x08\u200b"

// outside has the same without what a format does not permit.
func outside(not ...string) string {
	text := hostileText
	for _, n := range not {
		text = strings.ReplaceAll(text, n, "")
	}
	return text
}

// said is what a command has written.
type said struct {
	code      int
	out, errs string
}

// says runs a command line as main does.
func says(t *testing.T, stdin string, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetIn(strings.NewReader(stdin))
	root.SetArgs(args)
	code := execute(t.Context(), root, &out, &errs)
	return said{code, out.String(), errs.String()}
}

// calm fails where a text from outside has done more than stand in a line. Of some
// texts the test knows that they must have been printed at all.
func (s said) calm(t *testing.T, printed bool) {
	t.Helper()
	for _, text := range []string{s.out, s.errs} {
		calm(t, text)
	}
	if printed && !strings.Contains(s.out+s.errs, "14:30:32") {
		t.Errorf("the text from outside was not printed, so this shows nothing:\n%s\n%s", s.out, s.errs)
	}
}

func calm(t *testing.T, text string) {
	t.Helper()
	for i, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			t.Errorf("%U at %d of %q", r, i, text)
			break
		}
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, forged) || strings.HasPrefix(line, "complete") {
			t.Errorf("a line was forged: %q in\n%s", line, text)
		}
	}
}

// quoted is a text in YAML's double quotes.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestFilesCannotForgeLines: what a file holds, and what it is called, is repeated in
// the list of its mistakes.
func TestFilesCannotForgeLines(t *testing.T) {
	dir := t.TempDir()
	bad := quoted(hostileText)
	good := strings.NewReplacer("$NAME", "shop", "$STEPS", "{share: 50%, hold: 2s}", "$ROLLBACK", "automatic", "$DRIFT", "hold", "$METRICS", "http://127.0.0.1:1").Replace(migration)
	for name, text := range map[string]string{
		"a name":          strings.ReplaceAll(good, "{name: shop}", "{name: "+bad+"}"),
		"a key":           strings.ReplaceAll(good, "rollback:", bad+":"),
		"a value":         strings.ReplaceAll(good, "automatic", bad),
		"a kind":          strings.ReplaceAll(good, "kind: Migration", "kind: "+bad),
		"a share":         strings.ReplaceAll(good, "50%", bad),
		"an environment":  strings.ReplaceAll(good, "source: eks-1-33", "source: "+bad),
		"a route":         strings.ReplaceAll(good, "name: public", "name: "+bad),
		"an endpoint":     strings.ReplaceAll(good, "\"http://127.0.0.1:1\"", bad),
		"an ARN":          strings.ReplaceAll(good, "listenerRuleARN: $RULE", "listenerRuleARN: "+bad),
		"an alias":        "a: *" + strings.NewReplacer("\n", "", "\x1b", "").Replace(hostileText),
		"no YAML":         "a: [" + hostileText,
		"no YAML, quoted": "a: {" + bad + ", ]",
	} {
		path := filepath.Join(dir, "shop.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"plan"}, {"run"}, {"run", "-o", "json"}, {"rollback"}, {"analyze", "--last", "1h"}} {
			s := says(t, "", append(args, "-f", path, "--state", dir)...)
			if s.code == exitOK {
				t.Errorf("%s: %v was accepted", name, args)
			}
			s.calm(t, false)
		}
		says(t, text, "plan", "-f", "-").calm(t, false)
	}
	says(t, "", "plan", "-f", filepath.Join(dir, strings.ReplaceAll(hostileText, "/", "")+".yaml")).calm(t, true)
	named := filepath.Join(dir, strings.ReplaceAll(hostileText, "/", "")+".yaml")
	if err := os.WriteFile(named, []byte("kind: nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, "", "plan", "-f", named).calm(t, true)
}

// TestCommandLinesCannotForgeLines: names and flags come from scripts.
func TestCommandLinesCannotForgeLines(t *testing.T) {
	state := t.TempDir()
	for _, args := range [][]string{
		{hostileText}, {"--" + hostileText}, {"status", hostileText}, {"pause", hostileText}, {"resume", hostileText}, {"approve", hostileText}, {"retry", hostileText},
		{"rollback", hostileText}, {"restore", hostileText}, {"analyze", hostileText}, {"schema", hostileText}, {"status", "-o", hostileText},
		{"analyze", "--csv", hostileText}, {"analyze", "--prometheus", hostileText, "--last", "1h", "--requests", "r", "--against-itself"},
		{"analyze", "--prometheus", "http://127.0.0.1:1", "--last", hostileText}, {"plan", "--name", hostileText}, {"version", hostileText}, {"status", "a", hostileText},
	} {
		s := says(t, "", append(args, "--state", state)...)
		if s.code == exitOK {
			t.Errorf("%q was accepted", args)
		}
		s.calm(t, false)
	}
	for _, args := range [][]string{{"schema"}, {"version"}, {"exit-codes"}, {"--help"}, {"run", "--help"}} {
		if s := says(t, "", args...); s.code != exitOK {
			t.Errorf("%v: %d %s", args, s.code, s.errs)
		} else {
			s.calm(t, false)
		}
	}
}

// TestServersCannotForgeLines: reason phrases, error messages, labels, names of contexts
// and tags of levers are other people's texts.
func TestServersCannotForgeLines(t *testing.T) {
	t.Parallel()
	w, err := newTown()
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	dir := t.TempDir()
	path := filepath.Join(dir, "shop.yaml")
	kubeconfig := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "silent.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write := func(settings map[string]string) {
		t.Helper()
		if err := w.write(path, settings); err != nil {
			t.Fatal(err)
		}
	}

	reason := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answerReason(w, outside("\n", "\r")) }))
	defer reason.Close()
	write(map[string]string{"METRICS": reason.URL})
	kubeconfig("apiVersion: v1\nkind: Config\ncontexts:\n- {name: " + quoted(hostileText) + ", context: {cluster: none, user: none}}\n")
	if err := w.tag("elbv2.k8s.aws/cluster", outside("\n", "\x1b", "\x7f", "\x08", "\r")); err != nil {
		t.Log(err) // AWS, and the lab, may refuse such a tag
	}
	ran(t, t.Context(), "plan", "-f", path).calm(t, true)

	for _, output := range []string{"text", "json"} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		ran(t, ctx, "run", "-f", path, "-o", output, "--state", filepath.Join(dir, output)).calm(t, false)
		cancel()
		ran(t, t.Context(), "status", "--state", filepath.Join(dir, output)).calm(t, false)
		ran(t, t.Context(), "status", "-o", "json", "--state", filepath.Join(dir, output)).calm(t, false)
	}

	amazon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>Validation%s</Code><Message>%s</Message></Error></ErrorResponse>", outside("\x1b", "\x7f", "\x08", "\r"), outside("\x1b", "\x08", "\r"))
	}))
	defer amazon.Close()
	write(map[string]string{"AWS": amazon.URL})
	for _, args := range [][]string{{"plan"}, {"run"}, {"run", "-o", "json"}} {
		ran(t, t.Context(), append(args, "-f", path, "--state", filepath.Join(dir, "aws"))...).calm(t, true)
	}

	for name, answer := range map[string]http.HandlerFunc{
		"reason": func(w http.ResponseWriter, _ *http.Request) { answerReason(w, outside("\n", "\r")) },
		"error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":%s}`, quoted(hostileText))
		},
		"warning": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"status":"success","warnings":[%s],"data":{"resultType":"matrix","result":[]}}`, quoted(hostileText))
		},
		"redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://elsewhere/"+outside("\n", "\r", "\x1b", "\x7f", "\x08"))
			w.WriteHeader(http.StatusFound)
		},
	} {
		server := httptest.NewServer(answer)
		s := ran(t, t.Context(), "analyze", "--prometheus", server.URL, "--requests", `r{s="${environment}"}`, "--errors", `e{s="${environment}"}`, "--source", "a", "--target", "b", "--last", "1h")
		s.calm(t, name == "error" || name == "warning")
		if s.code == exitOK {
			t.Errorf("%s was accepted", name)
		}
		server.Close()
	}
}

// answerReason answers with a status line of its own.
func answerReason(w http.ResponseWriter, reason string) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, "HTTP/1.1 503 "+reason+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

// TestStateCannotForgeLines: a state directory may have been written by others, and
// holds what servers have said.
func TestStateCannotForgeLines(t *testing.T) {
	t.Parallel()
	for _, phase := range []engine.Phase{engine.Holding, engine.RolledBack, engine.Phase(hostileText)} {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%.10q held %t", phase, held), func(t *testing.T) {
				t.Parallel()
				stateIsCalm(t, phase, held)
			})
		}
	}
}

// stateIsCalm tries every command that shows what is in a state directory.
func stateIsCalm(t *testing.T, phase engine.Phase, held bool) {
	prepared := func() string {
		state := t.TempDir()
		remember(t, state, phase, held)
		return state
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	for _, order := range []string{"pause", "resume", "approve", "retry"} {
		state := prepared()
		asking.Go(func() { ran(t, t.Context(), order, "shop", "--state", state).calm(t, true) }) // while somebody runs it, for the seconds that he may take to answer
	}
	state := prepared()
	plot := filepath.Join(state, "plot.svg")
	for _, args := range [][]string{
		{"status"}, {"status", "shop"}, {"status", "-o", "json"}, {"analyze", "shop"}, {"analyze", "shop", "-o", "json"},
		{"analyze", "shop", "--plot", plot}, {"restore", "shop"},
	} {
		ran(t, t.Context(), append(args, "--state", state)...).calm(t, args[0] == "status")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // it waits for whoever runs it, or tries for ever
	defer cancel()
	ran(t, ctx, "rollback", "shop", "--state", state).calm(t, false)
	svg, err := os.ReadFile(plot)
	if err != nil {
		t.Error(err)
	}
	calm(t, string(svg))
}

// remember writes a record, a journal, a command and a lease full of other people's
// texts.
func remember(t *testing.T, dir string, phase engine.Phase, held bool) {
	t.Helper()
	s, key, now := filestore.New(dir), store.Key{Name: "shop"}, time.Now()
	service := verdict.Service{Name: hostileText, Metrics: []verdict.Metric{{Name: hostileText, Kind: verdict.Errors}}}
	cfg := verdict.Config{Services: []verdict.Service{service}}.WithDefaults()
	p := plan.Plan{Version: 1, Spec: engine.Spec{
		Name: "shop", Source: hostileText, Target: hostileText, Routes: []engine.RouteSpec{{Name: hostileText}},
		Steps: []engine.StepSpec{{Share: 5000, Hold: time.Second}}, Gate: engine.Gate{Signals: true, Analysis: &cfg},
	}}
	p.Environments.Source.Name, p.Environments.Target.Name = hostileText, hostileText
	record, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	seen := engine.RouteStatus{Name: hostileText, Trouble: hostileText, Written: &engine.Written{Share: 5000, Pending: hostileText}}
	status, err := json.Marshal(engine.Status{
		Phase: phase, Reason: hostileText, Cause: hostileText, Since: now, Started: now, LastTurn: now, Routes: []engine.RouteStatus{seen},
		Verdict: engine.Verdict{State: engine.Degraded, Text: hostileText},
	})
	if err != nil {
		t.Fatal(err)
	}
	entries := []store.Entry{{At: now, Kind: "command", Text: "resume by " + hostileText}, {At: now, Kind: "decision", Text: hostileText}}
	for i := range 3 {
		at := now.Add(time.Duration(i) * time.Second)
		counts := traffic.KnownAt(traffic.Counts{Requests: 100, Errors: 1}, at)
		data, err := json.Marshal(map[string]any{"intervals": []engine.Interval{
			{Service: hostileText, To: at, From: traffic.BySide[time.Time]{Source: at.Add(-time.Second), Target: at.Add(-time.Second)}, Source: counts, Target: counts},
			{Service: "other " + hostileText, To: at, Source: counts, Target: counts},
		}})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, store.Entry{At: at, Kind: store.Counts, Data: data})
	}
	if _, err := s.Save(t.Context(), key, 0, store.Record{Spec: record, Status: status}, entries...); err != nil {
		t.Fatal(err)
	}
	if held {
		who := store.Holder{ID: "1", User: hostileText, Host: hostileText, PID: os.Getpid(), Since: now}
		if _, err := s.Acquire(t.Context(), key, who, time.Minute, false); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.Submit(t.Context(), key, store.Command{ID: "rollback-1", Kind: "rollback", By: hostileText, Note: hostileText, At: now}) // one that is refused shows nothing
}

// TestTablesCannotForgeLines: so can cells of a table not, nor its name.
func TestTablesCannotForgeLines(t *testing.T) {
	cell := `"` + hostileText + `"`
	for name, text := range map[string]string{
		"a column":  "time," + cell + "\n1,2\n",
		"a service": "time,service,source_requests,source_errors,target_requests,target_errors\n1767225600," + cell + ",100,1,100,50\n1767225630," + cell + ",100,1,100,50\n",
		"a time":    "time,source_requests,source_errors,target_requests,target_errors\n" + cell + ",1,0,1,0\n",
		"a number":  "time,source_requests,source_errors,target_requests,target_errors\n1767225600," + cell + ",0,1,0\n",
		"an event":  `time,source_requests,source_errors,target_requests,target_errors,"source_event_` + hostileText + `","target_event_` + hostileText + "\"\n1767225600,9,0,9,0,1,1\n1767225630,9,0,9,0,1,1\n",
	} {
		for _, output := range []string{"text", "json"} {
			says(t, text, "analyze", "--csv", "-", "-o", output).calm(t, false)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, strings.ReplaceAll(hostileText, "/", "")+".csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, "", "analyze", "--csv", path, "--plot", filepath.Join(dir, "plot.svg")).calm(t, true)
		if svg, err := os.ReadFile(filepath.Join(dir, "plot.svg")); err == nil {
			calm(t, string(svg))
			if !strings.HasPrefix(string(svg), "<svg") {
				t.Errorf("%s: %.100q", name, svg)
			}
		}
	}
}

// TestTurnsCannotForgeLines shows turns full of other people's texts in every way. Of
// what a live frame writes only our own sequences are taken out before it is looked at.
func TestTurnsCannotForgeLines(t *testing.T) {
	spec := engine.Spec{Name: hostileText, Source: hostileText, Target: hostileText, Steps: []engine.StepSpec{{Share: 5000}}, Gate: engine.Gate{Signals: true}}
	route := engine.RouteStatus{Name: hostileText, Trouble: hostileText, Written: &engine.Written{Share: 5000, Pending: hostileText}}
	counts := traffic.FailedAt[traffic.Counts](fmt.Errorf("%s", hostileText), time.Now())
	turn := runner.Turn{
		At: time.Now(),
		Status: engine.Status{
			Phase: engine.Holding, Started: time.Now(), Reason: hostileText, Routes: []engine.RouteStatus{route},
			Verdict: engine.Verdict{State: engine.NotKnown, Why: engine.Why(hostileText), Text: hostileText},
		},
		Notes: []engine.Note{{Kind: "phase", Text: "Holding: " + hostileText}, {Kind: hostileText, Route: hostileText, Text: hostileText}},
	}
	turn.Seen.Counts = []engine.Interval{{Service: hostileText, Source: counts, Target: counts}}
	for _, name := range []string{"text", "json", "live"} {
		var out bytes.Buffer
		s := &screen{out: printable.NewWriter(&out), spec: spec, watch: view.NewWatch(spec), file: hostileText}
		s.json, s.live = name == "json", name == "live"
		s.draw = func(f outlet.Frame) { out.Write(f(true)) } // as it is: a frame is ours
		s.frame.size = func() (int, int) { return 300, 50 }
		s.turn(turn)
		turn.At = turn.At.Add(2 * beatEvery)
		s.turn(turn)
		err := s.end(turn.Status, fmt.Errorf("save %s", hostileText))
		calm(t, printable.Error(err))
		_ = s.end(turn.Status, context.Canceled)
		_ = s.end(turn.Status, nil)
		text := out.String()
		if name == "live" {
			text = strings.ReplaceAll(text, "\x1b[J", "")
			for n := range 30 {
				text = strings.ReplaceAll(text, fmt.Sprintf("\x1b[%dA", n), "")
			}
		}
		calm(t, text)
		if !strings.Contains(text, "14:30:32") {
			t.Errorf("%s: nothing was printed: %q", name, text)
		}
	}
}

// TestMistakesKeepTheirLines: what watari itself writes in several lines still has them.
func TestMistakesKeepTheirLines(t *testing.T) {
	_, err := v1alpha1.Parse("shop.yaml", []byte("kind: a\n---\nkind: b\n"))
	if text := printable.Error(usage{err}); strings.Count(text, "\n") < 3 || strings.Contains(text, `\n`) {
		t.Errorf("%q", text)
	}
}
