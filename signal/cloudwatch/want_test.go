package cloudwatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

func TestEdges(t *testing.T) {
	ms := time.Millisecond
	for text, want := range map[string][]time.Duration{
		"":                    nil,
		"100ms":               {100 * ms},
		" 50ms,100ms , 1.5s ": {50 * ms, 100 * ms, 1500 * ms},
	} {
		if got, err := parseEdges(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"0s": "above 0", "-1s": "above 0", "100": "above 0", "1s,,2s": "above 0", "1s,1s": "not ascending", "2s,1s": "not ascending",
		"1ms" + more(50): "more metric to pay for", "fast": "is not a duration",
	} {
		if got, err := parseEdges(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
}

func more(n int) (text string) {
	for i := range n {
		text += "," + (time.Duration(i+2) * time.Millisecond).String()
	}
	return text
}

func TestBucketsAreTrimmedCounts(t *testing.T) {
	w := want{edges: []time.Duration{50 * time.Millisecond, time.Second, 90 * time.Second}}
	var got []string
	for i := range w.buckets() {
		got = append(got, w.bucket(i).stat)
	}
	if want := []string{"TC(:0.05)", "TC(0.05:1)", "TC(1:90)", "TC(90:)"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestQueriesAreRefusedWithTheReason(t *testing.T) {
	good := balancerID + " " + oldGroup
	for words, q := range map[string]signal.Query{
		"neither side":               {},
		"requests of the target":     {Requests: traffic.BySide[string]{Source: good, Target: "http_requests_total"}},
		"latency of the source":      {Requests: traffic.BySide[string]{Source: good}, Latency: traffic.BySide[string]{Source: "slow"}},
		"event late of the source":   {Requests: traffic.BySide[string]{Source: good}, Events: []signal.Event{{Name: "late", Count: traffic.BySide[string]{Source: "HTTPCode_ELB_5XX_Count"}}}},
		"HTTPCode_Target_4XX_Count,": {Requests: traffic.BySide[string]{Source: good}, Events: []signal.Event{{Name: "late", Count: traffic.BySide[string]{Source: "x"}}}},
	} {
		if _, err := New(Config{Client: newTown(t).api, Queries: []signal.Query{q}}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v; want %s", err, words)
		}
	}
	for words, c := range map[string]Config{"no region": {}, "negative": {Delay: -1, Client: newTown(t).api}} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v; want %s", err, words)
		}
	}
}
