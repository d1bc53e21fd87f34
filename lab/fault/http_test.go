package fault

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func serve(t *testing.T, token string, h Holder) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(Handler("/faults", token, h))
	t.Cleanup(s.Close)
	return s
}

// A client sees what the holder itself says.
func TestOverTheWire(t *testing.T) {
	rules, _ := newRules()
	c := Client{URL: serve(t, "secret", rules).URL + "/faults", Token: "secret"}
	ctx := t.Context()
	f := Fault{AWS: &AWS{Kind: Late, Service: "elbv2", Action: "ModifyRule", Times: 3, Delay: time.Second, UpTo: 2 * time.Second, Probability: 0.5, Seed: 1 << 63, After: 1, For: time.Minute}}
	injected, err := c.Inject(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(only(t, rules, "aws-1"), injected); diff != "" {
		t.Error(diff)
	}
	for range 4 {
		rules.Bite("elbv2", "ModifyRule")
	}
	list, err := c.List(ctx)
	if diff := cmp.Diff([]Injected{only(t, rules, "aws-1")}, list); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if healed, err := c.Heal(ctx, "aws-1"); err != nil || healed.End == "" {
		t.Errorf("heal: %+v, %v", healed, err)
	}
	if _, err := c.Heal(ctx, "aws-7"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "aws-7") {
		t.Errorf("heal of nothing: %v", err)
	}
	if _, err := c.Inject(ctx, Fault{AWS: &AWS{Kind: "slow", Times: 1}}); err == nil || !strings.Contains(err.Error(), "there are: throttle") {
		t.Errorf("a fault that makes no sense: %v", err)
	}
	if healed, err := c.HealAll(ctx); err != nil || len(healed) != 0 {
		t.Errorf("heal all: %+v, %v", healed, err)
	}
}

func TestWhoMayInject(t *testing.T) {
	rules, _ := newRules()
	for name, c := range map[string]struct{ token, shown string }{
		"wrong":      {"secret", "guess"},
		"none":       {"secret", ""},
		"no secret":  {"", ""},
		"not at all": {"", "guess"},
	} {
		client := Client{URL: serve(t, c.token, rules).URL + "/faults", Token: c.shown}
		if _, err := client.Inject(t.Context(), Fault{AWS: &AWS{Kind: Error, Times: 1}}); err == nil || !strings.Contains(err.Error(), "token") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := rules.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("injected: %+v, %v", list, err)
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	rules, _ := newRules()
	s := serve(t, "secret", rules)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/faults", bytes.NewBufferString(`{"aws": {"kind": "error", "time": 3}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%s", resp.Status)
	}
}

func TestClientWithoutServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	if _, err := (Client{URL: s.URL}).List(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a stranger: %v", err)
	}
	s.Close()
	if _, err := (Client{URL: s.URL}).List(t.Context()); err == nil {
		t.Error("nobody there, and no error")
	}
}
