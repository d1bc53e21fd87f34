package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestConfigFromEnv(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		want Config
	}{
		{"nothing set", nil, Config{
			Bind: "127.0.0.1", Port: 8080, Side: Source, Version: "dev", LatencyBase: 5 * time.Millisecond,
			LatencyJitter: 2 * time.Millisecond, Seed: 1, LameDuck: 2 * time.Second, DrainTimeout: 10 * time.Second,
			DatabaseTimeout: time.Second,
		}},
		{"as a pod of the lab", map[string]string{
			"WATARI_POD_BIND": "127.231.36.4", "HOSTNAME": "shop-1", "WATARI_IMAGE_TAG": "1.2", "SIDE": "target", "PORT": "9090",
			"LATENCY_BASE": "10ms", "LATENCY_JITTER": "0s", "SEED": "7", "LAME_DUCK": "1s", "DRAIN_TIMEOUT": "3s", "BAD_SHUTDOWN": "1",
			"DATABASE": "http://127.231.0.1:5432", "DATABASE_TIMEOUT": "300ms",
			"FAULTS": `{"errorRatio":0.05,"statusCode":503,"extraLatency":"250ms","crashAfter":"1m","leakRate":1024,"hangRatio":0.01,"resetRatio":0.02}`,
		}, Config{
			Bind: "127.231.36.4", Port: 9090, Side: Target, Version: "1.2", Pod: "shop-1", LatencyBase: 10 * time.Millisecond,
			Seed: 7, LameDuck: time.Second, DrainTimeout: 3 * time.Second, BadShutdown: true,
			Database: "http://127.231.0.1:5432", DatabaseTimeout: 300 * time.Millisecond,
			Faults: Faults{
				ErrorRatio: 0.05, StatusCode: 503, ExtraLatency: Duration(250 * time.Millisecond), CrashAfter: Duration(time.Minute),
				LeakRate: 1024, HangRatio: 0.01, ResetRatio: 0.02,
			},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ConfigFromEnv(env(c.env))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigFromEnvNamesEveryMistake(t *testing.T) {
	_, err := ConfigFromEnv(env(map[string]string{
		"WATARI_POD_BIND": "0.0.0.0", "PORT": "70000", "SIDE": "green", "LATENCY_BASE": "soon", "LAME_DUCK": "-1s", "SEED": "-4",
		"BAD_SHUTDOWN": "perhaps", "DATABASE": "http://10.0.0.1:5432", "DATABASE_TIMEOUT": "often", "FAULTS": `{"errorRate":1}`,
	}))
	if err == nil {
		t.Fatal("no error, want one for each variable")
	}
	for _, want := range []string{"0.0.0.0", "PORT", "green", "LATENCY_BASE", "lame duck", "SEED", "BAD_SHUTDOWN", "DATABASE_TIMEOUT", "errorRate"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s:\n%v", want, err)
		}
	}
}

func TestDatabaseIsOnLoopbackAndHasABound(t *testing.T) {
	for _, c := range []struct {
		url     string
		timeout time.Duration
		want    string // of the error; empty: none
	}{
		{"", 0, ""},
		{"http://127.0.0.1:5432", time.Second, ""},
		{"http://[::1]:5432/", time.Second, ""},
		{"http://127.0.0.1:5432", 0, "timeout"},
		{"http://10.231.0.1:5432", time.Second, "loopback"},
		{"http://database:5432", time.Second, "loopback"},
		{"127.0.0.1:5432", time.Second, "loopback"},
		{"https://127.0.0.1:5432", time.Second, "loopback"},
	} {
		err := Config{Bind: "127.0.0.1", Side: Source, Database: c.url, DatabaseTimeout: c.timeout}.check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("database %q within %s: %v, want an error with %q", c.url, c.timeout, err, c.want)
		}
	}
}
