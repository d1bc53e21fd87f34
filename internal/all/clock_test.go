package all

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"watari.dev/internal/awsconfig"
	"watari.dev/router"
	"watari.dev/router/alb"
)

// TestARoleIsAssumedByTheRightClock: the call that finds credentials is signed as
// well. Where its clock cannot be corrected, that is what is said of the route.
func TestARoleIsAssumedByTheRightClock(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDSHOP", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "eu-central-1",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	const layout = "20060102T150405Z"
	named := regexp.MustCompile(`this machine's clock is (19m59|20m0|20m1)s behind AWS's`) // AWS's text has whole seconds
	for _, by := range []string{"a Date", "the text", "nothing"} {
		var refused, assumed atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			now := time.Now().UTC().Add(20 * time.Minute)
			w.Header().Set("X-Amzn-Requestid", "1")
			w.Header()["Date"] = nil
			switch by {
			case "a Date":
				w.Header().Set("Date", now.Format(http.TimeFormat))
			case "nothing":
				w.Header().Set("Age", "1") // it may be a cache's
			}
			signed, err := time.Parse(layout, r.Header.Get("X-Amz-Date"))
			if err != nil || now.Sub(signed).Abs() > 15*time.Minute {
				refused.Add(1)
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Signature expired: %s is now earlier than %s (%s - 15 min.)</Message></Error><RequestId>1</RequestId></ErrorResponse>",
					signed.Format(layout), now.Add(-15*time.Minute).Format(layout), now.Format(layout))
				return
			}
			if err := r.ParseForm(); err == nil && r.Form.Get("Action") == "AssumeRole" {
				assumed.Add(1)
				fmt.Fprint(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>`+
					`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
				return
			}
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "<ErrorResponse><Error><Type>Sender</Type><Code>RuleNotFound</Code><Message>none</Message></Error><RequestId>1</RequestId></ErrorResponse>")
		}))
		defer server.Close()
		t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
		config, err := awsconfig.Load(t.Context(), awsconfig.Settings{RoleARN: "arn:aws:iam::111122223333:role/watari", EndpointURL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		_, err = alb.New(alb.Options{Config: config}).Read(t.Context(), router.Ref{
			Name: "public", Driver: "alb", ID: "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener-rule/app/shop/1/2/3", Source: "a", Target: "b",
		})
		switch {
		case by != "nothing" && (!errors.Is(err, router.ErrNotFound) || assumed.Load() != 1 || refused.Load() != 2): // once each for STS and for the load balancers
			t.Errorf("by %s: %d refused, %d assumed: %v", by, refused.Load(), assumed.Load(), err)
		case by == "nothing" && (!errors.Is(err, router.ErrClockOff) || router.EffectOf(err) != router.EffectNothing || refused.Load() != 1 || !named.MatchString(err.Error())):
			t.Errorf("by nothing: %d refused: %v", refused.Load(), err)
		}
	}
}
