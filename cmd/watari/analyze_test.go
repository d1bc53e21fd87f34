package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"watari.dev/api/v1alpha1"
)

// yesterday is a Prometheus server that remembers a morning: both sides fail one
// of a thousand requests, the target from the thousandth second on many more.
func yesterday(t *testing.T) string {
	t.Helper()
	before := goleak.IgnoreCurrent()
	begun := time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.Header.Get("X-Scope-OrgID") != "shop" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/metadata") {
			_, _ = io.WriteString(w, `{"status":"success","data":{}}`)
			return
		}
		result := []any{}
		query := r.Form.Get("query")
		if ranged := regexp.MustCompile(`^\{.*__name__="requests".*\}\[(\d+)ms\]$`).FindStringSubmatch(query); ranged != nil {
			end, length := seconds(t, r, "time"), 0
			if _, err := fmt.Sscan(ranged[1], &length); err != nil {
				t.Error(err)
			}
			var values []any
			for at := max(float64(begun.Unix()), math.Ceil((end-float64(length)/1000)/5)*5); at <= end; at += 5 {
				n := at - float64(begun.Unix())
				values = append(values, []any{at, fmt.Sprint(shown(query, n))})
			}
			if len(values) > 0 {
				result = append(result, map[string]any{"metric": map[string]string{"__name__": "requests", "job": "web", "instance": "1"}, "values": values})
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
	}))
	t.Cleanup(func() {
		server.Close()
		goleak.VerifyNone(t, before)
	})
	return server.URL
}

func seconds(t *testing.T, r *http.Request, name string) float64 {
	v, err := strconv.ParseFloat(r.Form.Get(name), 64)
	if err != nil {
		t.Error(err)
	}
	return v
}

// shown is what a counter shows n seconds after the beginning.
func shown(query string, n float64) float64 {
	target, failed := strings.Contains(query, "new"), strings.Contains(query, "5..")
	switch {
	case strings.Contains(query, "paid") && target && n > 1000:
		return 8000 // nothing is paid any more
	case strings.Contains(query, "paid"):
		return shown(strings.ReplaceAll(query, "paid", ""), n) * .8
	case target && failed && n > 1000:
		return 10 + (n-1000)*4
	case target && failed:
		return n / 100
	case target:
		return n * 10
	case failed:
		return n * .19
	default:
		return n * 190
	}
}

// analysed runs the command in this process.
func analysed(args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(append([]string{"analyze"}, args...))
	err = root.Execute()
	return out.String(), errs.String(), err
}

func TestAnalyzePrometheus(t *testing.T) {
	url := yesterday(t)
	morning := []string{
		"--from", "2026-05-04T14:00:00Z", "--to", "2026-05-04T15:00:00Z", "--header", "X-Scope-OrgID=shop", "--every", "5s",
		"--requests", `requests{side="${environment}"}`, "--errors", `requests{side="${environment}",code=~"5.."}`, "--source", "old", "--target", "new",
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"both sides":  {[]string{"--prometheus", url}, exitRolledBack, `720 intervals\n  requests: source 684,000, target 36,000\n\n  would have rolled back at `},
		"two servers": {[]string{"--prometheus", "source=" + url, "--prometheus", "target=" + url + "/"}, exitRolledBack, "target fails [0-9.]+ % of requests"},
		"events and rises": {
			[]string{"--prometheus", url, "--event", `paid=requests{side="${environment}",event="paid"}`, "--share-at", "2026-05-04T14:05:00Z=5%", "--share-at", "2026-05-04T14:20:00Z=0%", "--ratio", "1000"},
			exitOK, `share                     at         evidence before   strongest until the next\n  0 % -> 5 %                14:05:00   nothing           (.*)\n  5 % -> 0 %, rolled back   14:20:00   (.*\n)+  1      paid     80 % `,
		},
		"against self": {[]string{"--prometheus", url, "--against-itself", "--horizon", "20m"}, exitOK, `684,000 requests and [0-9]+ errors\n(.*\n)+  hybrid   30s    0 of 3 `},
		"halves":       {[]string{"--prometheus", url, "--against-itself", "--halves", "--horizon", "20m"}, exitOK, `two halves of it side by side; 5 % of the requests(.*\n)+  No unit up to 5m keeps the promise`},
	} {
		out, errs, err := analysed(append(c.args, morning...)...)
		code := exitOK
		var end *ended
		if errors.As(err, &end) {
			code = end.code
		} else if err != nil {
			code = codeOf(err)
		}
		if code != c.code || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("%s: code %d, %v\n%s%s", name, code, err, out, errs)
		}
	}
	if _, _, err := analysed(append([]string{"--prometheus", url, "--header", "X-Scope-OrgID=other"}, morning...)...); err != nil {
		if codeOf(err) == exitUsage {
			t.Errorf("a refusal is no mistake of the command line: %v", err)
		}
	}
}

// TestAnalyzeTheSignalsOfAFile asks the servers that a migration names.
func TestAnalyzeTheSignalsOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.yaml")
	text := strings.ReplaceAll(fileWithPrometheus, "URL", yesterday(t))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, err := analysed("-f", file, "--from", "2026-05-04T14:00:00Z", "--to", "2026-05-04T15:00:00Z", "--header", "X-Scope-OrgID=shop")
	var end *ended
	if !errors.As(err, &end) || end.code != exitRolledBack || !strings.Contains(out, "120 intervals") || !strings.Contains(out, "unit 1m, alpha 0.02") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = analysed("-f", file, "--last", "30m", "--to", "2026-05-04T14:30:00Z", "--header", "X-Scope-OrgID=shop", "--against-itself")
	if err != nil || !strings.Contains(out, "4 % of the requests in the target's place") || !strings.Contains(out, "The data are shorter than one migration of 24h") {
		t.Errorf("%v\n%s", err, out)
	}
	// What it says to write into the file can be written there.
	line := regexp.MustCompile(`(?m)^    gate: .*$`).FindString(out)
	text = regexp.MustCompile(`(?m)^  gate: .*$`).ReplaceAllLiteralString(text, strings.TrimPrefix(line, "  "))
	bundle, err := v1alpha1.Parse(file, []byte(text))
	if err != nil || line == "" || bundle.Migrations[0].Spec.Gate.Analysis.Dispersion == nil {
		t.Errorf("%q cannot be written into a file: %v", line, err)
	}
}

const fileWithPrometheus = `
apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: old}
spec: {kubernetes: {context: old}}
---
apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: new}
spec: {kubernetes: {context: new}}
---
apiVersion: watari.dev/v1alpha1
kind: Migration
metadata: {name: shop}
spec:
  source: old
  target: new
  routes:
  - name: public
    alb:
      listenerRuleARN: arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee
      source: {targetGroupARN: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-1-33/73e2d6bc24d8a067"}
      target: {targetGroupARN: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-1-36/73e2d6bc24d8a067"}
  signals:
  - prometheus:
      url: URL
      requests: 'requests{side="${environment}"}'
      errors: 'requests{side="${environment}",code=~"5.."}'
  steps:
  - {share: 4%, hold: 1h}
  - {share: 100%, hold: 1h}
  gate: {analysis: {errors: {unit: 60s}, alpha: 2%}}
`
