package alb

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"/img/*", "/img/", true},
		{"/img/*", "/img/a/b", true},
		{"/img/*", "/img", false},
		{"*.example.com", "shop.example.com", true},
		{"*.example.com", "example.com", false},
		{"/v?/x", "/v1/x", true},
		{"/v?/x", "/v/x", false},
		{"*a*b", "xaxxbxb", true},
		{"", "", true},
		{"*", "", true},
	} {
		if got := matches(c.pattern, c.s); got != c.want {
			t.Errorf("matches(%q, %q) = %v, want %v", c.pattern, c.s, got, c.want)
		}
	}
}

// TestMatchesIsTheExpression compares with the obvious slow way.
func TestMatchesIsTheExpression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?/")), 0, 8, -1).Draw(t, "pattern")
		s := rapid.StringOfN(rapid.SampledFrom([]rune("ab/")), 0, 8, -1).Draw(t, "s")
		expr := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile("^(?s:" + expr + ")$").MatchString(s)
		if got := matches(pattern, s); got != want {
			t.Fatalf("matches(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}

func TestRules(t *testing.T) {
	fixed := func(body string) Action { return Action{Fixed: &FixedResponse{Status: 200, Body: body}} }
	r := compileRouting(Listener{
		Rules: []Rule{
			{Priority: 1, Hosts: []string{"API.example.com"}, Paths: []string{"/v1/*", "/v2/*"}, Action: fixed("api")},
			{Priority: 5, Paths: []string{"/V1/*"}, Action: fixed("upper")},
			{Priority: 9, Hosts: []string{"*.example.com"}, Action: fixed("any")},
		},
		Default: fixed("default"),
	}, nil)
	for _, c := range []struct{ host, path, want, priority string }{
		{"api.example.com", "/v1/x", "api", "1"},
		{"API.EXAMPLE.COM:8080", "/v2/x?y=/z", "api", "1"},
		{"api.example.com", "/v3/x", "any", "9"},
		{"x", "/V1/", "upper", "5"},
		{"x", "/v1/", "default", "0"}, // paths are case-sensitive, hosts are not
		{"example.com", "/", "default", "0"},
	} {
		req := httptest.NewRequest("GET", "http://"+c.host+c.path, nil)
		if act, priority := r.match(req); act.fixed.Body != c.want || priority != c.priority {
			t.Errorf("%s%s: %s by rule %s, want %s by %s", c.host, c.path, act.fixed.Body, priority, c.want, c.priority)
		}
	}
}

// TestDecideGroupSharesExactly walks through every roll: each group gets
// exactly its weight.
func TestDecideGroupSharesExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, maxWeight), 1, 5).Draw(t, "weights")
		var act action
		for _, w := range weights {
			act.groups = append(act.groups, weighted{new(group), w})
			act.total += w
		}
		got := make(map[*group]int)
		for roll := range act.total {
			got[act.decideGroup(roll)]++
		}
		for i, w := range act.groups {
			if got[w.group] != weights[i] {
				t.Fatalf("group %d got %d of %d rolls, want its weight %d", i, got[w.group], act.total, weights[i])
			}
		}
	})
}

func TestFixedResponse(t *testing.T) {
	c := Config{Listeners: []Listener{{ARN: listenerARN, LoadBalancer: "shop", Bind: "127.0.0.1:0",
		Default: Action{Fixed: &FixedResponse{Status: 418, ContentType: "application/json", Body: `{"closed":true}`}}}}}
	r := newRig(t, c)
	resp, err := r.client.Post(r.url(), "text/plain", strings.NewReader("dropped"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 418 || resp.Header.Get("Content-Type") != "application/json" || resp.ContentLength != 15 {
		t.Errorf("answer %v", resp)
	}
	if got := parseLine(t, r.lines(1)[0]); got["actions_executed"] != "fixed-response" || got["target_group_arn"] != "-" {
		t.Errorf("log %v", got)
	}
}
