package cloudwatch

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"watari.dev/traffic"
)

// onTheWay changes answers on their way.
type onTheWay struct {
	aws.HTTPClient
	way func(http.Header)
}

func (w *onTheWay) Do(r *http.Request) (*http.Response, error) {
	response, err := w.HTTPClient.Do(r)
	if err == nil {
		w.way(response.Header)
	}
	return response, err
}

// impatient is the SDK's own retryer without its pauses.
func impatient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

// TestAClockThatIsOff: the source makes its own client, as it does for users. By its
// clock every window is where it was; only the signatures go by AWS's.
func TestAClockThatIsOff(t *testing.T) {
	for name, c := range map[string]struct {
		ahead time.Duration // AWS's clock, of that of signatures
		way   func(http.Header)
		says  string // empty: it is known
	}{
		"right":              {0, func(http.Header) {}, ""},
		"behind":             {10 * time.Minute, func(http.Header) {}, ""},
		"ahead":              {-3 * time.Hour, func(http.Header) {}, ""},
		"behind, no Date":    {2*time.Hour + time.Second, func(h http.Header) { h.Del("Date") }, ""},
		"behind, a cache's":  {2 * time.Hour, func(h http.Header) { h.Set("Age", "7") }, "behind AWS's (its answer's text): set it: chronyc makestep"},
		"ahead, a proxy's":   {-2 * time.Hour, func(h http.Header) { h.Del("X-Amzn-Requestid") }, "ahead of AWS's"},
		"ahead, 1970's Date": {-2 * time.Hour, func(h http.Header) { h.Set("Date", "Thu, 01 Jan 1970 00:00:09 GMT") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			w.pass(c.ahead)
			w.serve(oldGroup, w.clock(), requests(5, 1))
			from := w.clock()
			to := w.over()
			w.pass(time.Minute)
			config := w.aws.Copy()
			config.APIOptions = nil
			config.Retryer = impatient
			config.HTTPClient = &onTheWay{config.HTTPClient, c.way}
			s := w.source(func(conf *Config) { conf.Client, conf.AWS = nil, config })
			got := w.counts(s, shopQuery(), from, to).Source
			if c.says == "" {
				known(t, "source", got, 5, minuteAt(from).end())
				return
			}
			isNot(t, "source", got, traffic.Failed, c.says)
		})
	}
}

func TestAWrongSecretIsNoClock(t *testing.T) {
	w := newTown(t)
	config := w.aws.Copy()
	config.APIOptions = nil
	config.HTTPClient = &forging{config.HTTPClient}
	s := w.source(func(conf *Config) { conf.Client, conf.AWS = nil, config })
	from := w.clock()
	isNot(t, "source", w.counts(s, shopQuery(), from, w.over()).Source, traffic.Failed, "AWS does not accept the credentials: check profile and keys")
}

// forging spoils signatures, as a wrong secret does.
type forging struct{ aws.HTTPClient }

func (f *forging) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", r.Header.Get("Authorization")+"0")
	return f.HTTPClient.Do(r)
}

// TestMinutesOfAnotherClock: counts of ten minutes ago, or of a time that AWS's clock
// has not reached, are no evidence of now. Once the clock is set nothing is missing.
func TestMinutesOfAnotherClock(t *testing.T) {
	for ahead, says := range map[time.Duration]string{
		10 * time.Minute:  "this machine's clock is 10m0s ahead of AWS's (its answer's Date): set it: chronyc makestep",
		-10 * time.Minute: "this machine's clock is 10m0s behind AWS's (its answer's Date): set it: chronyc makestep",
	} {
		w := newTown(t)
		off := ahead
		s := w.source(func(c *Config) { c.Now = func() time.Time { return w.clock().Add(off) } })
		w.serve(oldGroup, w.clock(), requests(5, 1))
		from := w.clock()
		to := w.over()
		w.pass(time.Minute)
		isNot(t, "source", w.counts(s, shopQuery(), from.Add(off), to.Add(off)).Source, traffic.Failed, says)
		off = 0
		w.pass(11 * time.Minute) // the next try is due by the clock that was wrong
		known(t, "source", w.counts(s, shopQuery(), from, to).Source, 5, minuteAt(from).end())
	}
}
