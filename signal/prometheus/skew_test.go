package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
)

func dated(at time.Time) http.Header {
	return http.Header{"Date": {at.UTC().Format(http.TimeFormat)}}
}

func TestSkew(t *testing.T) {
	sent := at(0)
	type answer struct {
		ahead, took time.Duration // of our clock; from sending to receiving
		header      http.Header   // instead of a date
	}
	for name, c := range map[string]struct {
		answers []answer
		want    time.Duration
	}{
		"no answer":                    {},
		"the same time":                {[]answer{{took: 10 * time.Millisecond}}, 0},
		"less than dates tell":         {[]answer{{ahead: time.Second}}, 0},
		"less than dates tell, behind": {[]answer{{ahead: -time.Second}}, 0},
		"ahead":                        {[]answer{{ahead: 7 * time.Second}}, 7 * time.Second},
		"behind":                       {[]answer{{ahead: -90 * time.Second, took: 20 * time.Millisecond}}, -90 * time.Second},
		"middle of the request":        {[]answer{{ahead: 9 * time.Second, took: 4 * time.Second}}, 7 * time.Second},
		"dated at its end":             {[]answer{{ahead: 6 * time.Second, took: 6 * time.Second}}, 0},
		"the quickest is believed":     {[]answer{{ahead: 12 * time.Second, took: 8 * time.Second}, {ahead: 5 * time.Second}, {ahead: 30 * time.Second, took: time.Second}}, 5 * time.Second},
		"no date":                      {[]answer{{header: http.Header{}}}, 0},
		"no readable date":             {[]answer{{header: http.Header{"Date": {"yesterday"}}}, {ahead: 5 * time.Second, took: time.Millisecond}}, 5 * time.Second},
		"from a cache":                 {[]answer{{header: http.Header{"Date": dated(at(-300))["Date"], "Age": {"300"}}}}, 0},
	} {
		d := &dates{}
		for _, a := range c.answers {
			header := a.header
			if header == nil {
				header = dated(sent.Add(a.ahead))
			}
			d.add(sent, sent.Add(a.took), header)
		}
		if got := d.skew(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestReadingsSayTheSkew lets the server's clock be wrong: what is known says so, and
// nothing is of the future.
func TestReadingsSayTheSkew(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Minute, -time.Minute} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Date"] = dated(time.Now().Add(ahead))["Date"]
			if strings.Contains(r.FormValue("query"), `s="t"`) {
				_, _ = fmt.Fprint(w, empty(r))
				return
			}
			now := float64(time.Now().UnixMilli()) / 1000
			_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"j","instance":"a"},"values":[[%.3f,"5"],[%.3f,"7"],[%.3f,"900"]]}]}}`,
				now-20, now-4, now+50) // the last one by a clock that is ahead
		}))
		now := time.Now()
		got, err := mustNew(t, Config{URL: server.URL}).Counts(t.Context(), query(), now.Add(-10*time.Second), now)
		server.Close()
		if err != nil || got.Source.State != traffic.Known || got.Source.Value.Requests != 2 || got.Source.At.After(now) {
			t.Errorf("%s ahead: %+v, %v; want 2 requests, not of the future", ahead, got.Source, err)
		}
		if off := got.Source.Value.Skew - ahead; off.Abs() > time.Second {
			t.Errorf("the server is %s ahead, the reading says %s", ahead, got.Source.Value.Skew)
		}
		if got.Target.State != traffic.Unknown || got.Target.Value.Skew != 0 {
			t.Errorf("%s ahead: %+v, want unknown without a value", ahead, got.Target)
		}
	}
}
