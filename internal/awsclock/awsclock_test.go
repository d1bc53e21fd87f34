package awsclock

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

var noon = time.Date(2027, time.March, 4, 12, 0, 0, 0, time.UTC)

// at are the times of a call that was signed at noon and served so much later.
func at(served time.Duration) answered {
	return answered{status: 403, signed: noon, sent: noon, received: noon, served: noon.Add(served)}
}

// dateless is a call whose answer has no Date that can be believed.
func dateless() answered { return answered{status: 403, signed: noon, sent: noon, received: noon} }

// temporary is a call that was signed with a session's keys.
func temporary(a answered) answered {
	a.session = true
	return a
}

const expired = "Signature expired: 20270304T120000Z is now earlier than 20270304T120503Z (20270304T121003Z - 5 min.)"

func TestWhatIsAboutTheClock(t *testing.T) {
	for _, c := range []struct {
		code, message string
		times         answered
		is            bool
		says          string // in the advice
		correctable   bool
	}{
		{"SignatureDoesNotMatch", "does not match", at(10 * time.Minute), true, "10m0s behind AWS's (its answer's Date)", true},
		{"SignatureDoesNotMatch", "does not match", at(-10 * time.Minute), true, "10m0s ahead of AWS's (its answer's Date)", true},
		{"SignatureDoesNotMatch", "does not match", at(3 * time.Minute), false, "", false},
		{"SignatureDoesNotMatch", "does not match", dateless(), false, "", false},
		{"SignatureDoesNotMatch", expired, dateless(), true, "10m3s behind AWS's (its answer's text)", false},
		{"SignatureDoesNotMatch", expired, at(0), true, "10m3s behind AWS's (its answer's text)", false}, // a proxy's Date
		{"SignatureDoesNotMatch", "Signature expired: look at the time", dateless(), true, "not by how much", false},
		{"SignatureDoesNotMatch", "Signature not yet current: 20270304T120000Z is still later than 20270304T115500Z (20270304T115000Z + 5 min.)", dateless(), true, "10m0s ahead", false},
		{"SignatureDoesNotMatch", "Signature expired: ... (99999999T999999Z - 5 min.)", dateless(), true, "not by how much", false},
		{"InvalidSignatureException", "does not match", at(time.Hour), true, "1h0m0s behind", true},
		{"InvalidSignatureException", "does not match", at(0), false, "", false},
		{"AuthFailure", "not able to validate", at(-6 * time.Minute), true, "6m0s ahead", true},
		{"AuthFailure", "not able to validate", at(0), false, "", false},
		{"AccessDeniedException", "no policy", at(20 * time.Minute), true, "20m0s behind", true},
		{"AccessDenied", "no policy", at(20 * time.Minute), false, "", false},
		{"RequestTimeTooSkewed", "too large", at(16 * time.Minute), true, "16m0s behind", true},
		{"RequestTimeTooSkewed", "too large", dateless(), true, "not by how much", false},
		{"RequestInTheFuture", "", at(-16 * time.Minute), true, "16m0s ahead", true},
		{"RequestExpired", "Request has expired.", at(16 * time.Minute), true, "16m0s behind", true},
		{"RequestExpired", "Request has expired.", at(0), false, "", false}, // expired credentials
		{"RequestExpired", "Request has expired.", dateless(), true, "not by how much", false},
		{"RequestExpired", "Request has expired.", temporary(dateless()), false, "", false},
		{"RequestExpired", "Request has expired.", temporary(at(16 * time.Minute)), true, "16m0s behind", true},
		{"RequestExpired", expired, temporary(dateless()), true, "10m3s behind", false},
		{"ExpiredToken", "expired", at(10 * time.Minute), false, "", false},
		{"InvalidClientTokenId", "invalid", at(10 * time.Minute), false, "", false},
		{"Throttling", "Rate exceeded", at(10 * time.Minute), false, "", false},
	} {
		r := refusal(&smithy.GenericAPIError{Code: c.code, Message: c.message}, c.times)
		if (r != nil) != c.is {
			t.Errorf("%s, %q, served %s: %+v", c.code, c.message, c.times.served, r)
			continue
		}
		if r != nil && (!strings.Contains(r.Advice(), c.says) || r.Correctable != c.correctable || r.RetryableError() != c.correctable) {
			t.Errorf("%s, %q: %q, correctable %v; want %q, %v", c.code, c.message, r.Advice(), r.Correctable, c.says, c.correctable)
		}
	}
}

func TestAClockThatIsRightIsNotBlamed(t *testing.T) {
	times := at(10 * time.Minute)
	times.received = times.served // the request was on its way that long
	if got := refusal(&smithy.GenericAPIError{Code: "SignatureDoesNotMatch"}, times).Advice(); !strings.Contains(got, "agrees with AWS's") || strings.Contains(got, "chronyc") {
		t.Error(got)
	}
}

func TestWhoseDateIsBelieved(t *testing.T) {
	date := noon.Format(http.TimeFormat)
	for name, c := range map[string]struct {
		header http.Header
		want   time.Time
	}{
		"AWS's":                  {http.Header{"Date": {date}, "X-Amzn-Requestid": {"1"}}, noon},
		"S3's":                   {http.Header{"Date": {date}, "X-Amz-Request-Id": {"1"}}, noon},
		"in another form":        {http.Header{"Date": {noon.Format(time.RFC850)}, "X-Amzn-Requestid": {"1"}}, noon},
		"nobody's":               {http.Header{"Date": {date}}, time.Time{}},
		"a cache's":              {http.Header{"Date": {date}, "X-Amzn-Requestid": {"1"}, "Age": {"0"}}, time.Time{}},
		"two":                    {http.Header{"Date": {date, date}, "X-Amzn-Requestid": {"1"}}, time.Time{}},
		"none":                   {http.Header{"X-Amzn-Requestid": {"1"}}, time.Time{}},
		"nonsense":               {http.Header{"Date": {"12 o'clock"}, "X-Amzn-Requestid": {"1"}}, time.Time{}},
		"of a clock that began":  {http.Header{"Date": {time.Unix(90, 0).UTC().Format(http.TimeFormat)}, "X-Amzn-Requestid": {"1"}}, time.Time{}},
		"with its number signed": {http.Header{"Date": {"-1"}, "X-Amzn-Requestid": {"1"}}, time.Time{}},
	} {
		if got := dateOf(c.header); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestWhichDateTheSDKSees, and so what it corrects its next signatures by.
func TestWhichDateTheSDKSees(t *testing.T) {
	with := func(a answered, change func(*answered)) answered { change(&a); return a }
	served := noon.Add(10 * time.Minute)
	for name, c := range map[string]struct {
		times answered
		want  time.Time
	}{
		"refused, far":         {at(10 * time.Minute), served},
		"refused, near":        {at(time.Minute), time.Time{}},
		"accepted, far":        {with(at(10*time.Minute), func(a *answered) { a.status = 200 }), time.Time{}},
		"a fault of AWS's":     {with(at(10*time.Minute), func(a *answered) { a.status = 503 }), time.Time{}},
		"a proxy's redirect":   {with(at(10*time.Minute), func(a *answered) { a.status = 302 }), time.Time{}},
		"not signed":           {with(at(10*time.Minute), func(a *answered) { a.signed = time.Time{} }), time.Time{}},
		"no Date":              {dateless(), time.Time{}},
		"it took ten minutes":  {with(at(10*time.Minute), func(a *answered) { a.received = served }), time.Time{}},
		"the clock was set":    {with(at(10*time.Minute), func(a *answered) { a.received = noon.Add(-time.Hour) }), time.Time{}},
		"corrected, refused":   {with(at(10*time.Minute), func(a *answered) { a.signed = served }), noon},
		"corrected, throttled": {with(at(10*time.Minute), func(a *answered) { a.signed, a.status = served, 400 }), time.Time{}},
		"corrected, accepted":  {with(at(10*time.Minute), func(a *answered) { a.signed, a.status = served, 200 }), time.Time{}},
		"corrected to nothing": {with(at(0), func(a *answered) { a.signed = served }), noon},
	} {
		if got := c.times.shown(); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWhoWatchesTwiceWatchesOnce(t *testing.T) {
	stack := middleware.NewStack("call", func() any { return nil })
	for range 2 {
		if err := Watch(stack); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(stack.Deserialize.List()); n != 2 {
		t.Errorf("%d steps", n)
	}
}

func TestOtherFailuresAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, err := range []error{nil, errors.New("EOF"), &smithy.GenericAPIError{Code: "SignatureDoesNotMatch"}} {
			if r, off := Of(err); off {
				t.Errorf("%v: %+v", err, r)
			}
		}
	})
}
