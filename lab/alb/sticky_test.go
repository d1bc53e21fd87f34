package alb

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"
)

func stickyListener(groups []TargetGroup, d time.Duration, weights ...int) Config {
	c := oneListener(groups, weights...)
	c.Listeners[0].Default.Stickiness = Stickiness{Enabled: true, Duration: d}
	return c
}

func (r *rig) withJar() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.Fatal(err)
	}
	r.client.Jar = jar
}

// TestStickyClientKeepsItsGroupAgainstWeights is the trap of group
// stickiness: weights move new clients only.
func TestStickyClientKeepsItsGroupAgainstWeights(t *testing.T) {
	groups := twoSides(t)
	r := newHealthyRig(t, stickyListener(groups, time.Hour, 1, 0))
	r.withJar()
	if _, body := r.get("/"); body != "source" {
		t.Fatalf("first request reached %s", body)
	}
	r.apply(stickyListener(groups, time.Hour, 0, 1))
	for range 20 {
		if _, body := r.get("/"); body != "source" {
			t.Fatalf("a stuck client reached %s although its cookie says source", body)
		}
	}
	r.client.Jar = nil
	if _, body := r.get("/"); body != "target" {
		t.Errorf("a new client reached %s, want target", body)
	}
}

func TestStickyClientOfAnEmptyGroupGets503(t *testing.T) {
	groups := twoSides(t)
	r := newHealthyRig(t, stickyListener(groups, time.Hour, 1, 0))
	r.withJar()
	r.get("/")
	r.apply(stickyListener([]TargetGroup{source(), groups[1]}, time.Hour, 0, 1))
	if code, _ := r.get("/"); code != http.StatusServiceUnavailable {
		t.Errorf("HTTP %d, want 503: the cookie names a group without targets", code)
	}
	// When the rule does not name the group any more, the cookie means nothing.
	only := stickyListener(groups[1:], time.Hour, 1)
	r.applyHealthy(only)
	if _, body := r.get("/"); body != "target" {
		t.Errorf("reached %s, want target", body)
	}
}

func TestStickinessOffIgnoresTheCookie(t *testing.T) {
	groups := twoSides(t)
	r := newHealthyRig(t, stickyListener(groups, time.Hour, 1, 0))
	r.withJar()
	r.get("/")
	r.apply(oneListener(groups, 0, 1))
	if _, body := r.get("/"); body != "target" {
		t.Errorf("reached %s, want target: the rule is not sticky any more", body)
	}
}

func TestStickyCookies(t *testing.T) {
	groups := twoSides(t)
	r := newHealthyRig(t, stickyListener(groups, 20*time.Minute, 1, 1))
	resp, err := r.client.Get(r.url())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if len(cookies) != 2 || cookies[0].Name != "AWSALBTG" || cookies[1].Name != "AWSALBTGCORS" {
		t.Fatalf("cookies %v, want AWSALBTG and AWSALBTGCORS", cookies)
	}
	if cookies[1].SameSite != http.SameSiteNoneMode || !cookies[1].Secure || cookies[0].Secure {
		t.Errorf("only the CORS cookie is SameSite=None; Secure: %v", cookies)
	}
	if d := time.Until(cookies[0].Expires); d < 19*time.Minute || d > 20*time.Minute {
		t.Errorf("expires in %s, want 20m", d)
	}
	for _, secret := range []string{"source", "target", "arn"} {
		if strings.Contains(cookies[0].Value, secret) {
			t.Errorf("the cookie says %q in clear", secret)
		}
	}
}

func TestSealedCookie(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := newSealer(7)
	v := s.seal(sourceARN, now.Add(time.Second))
	if got := s.open(v, now); got != sourceARN {
		t.Errorf("opened %q", got)
	}
	if got := newSealer(7).open(v, now); got != sourceARN {
		t.Errorf("after a restart with the same seed: %q", got)
	}
	forged := "A" + v[1:]
	if v[0] == 'A' {
		forged = "B" + v[1:]
	}
	for name, got := range map[string]string{
		"expired":     s.open(v, now.Add(time.Second)),
		"other key":   newSealer(8).open(v, now),
		"forged":      s.open(forged, now),
		"url encoded": s.open(strings.ReplaceAll(v, "=", "%3D")+"%3D", now),
		"empty":       s.open("", now),
	} {
		if got != "" {
			t.Errorf("%s: opened %q, want nothing", name, got)
		}
	}
}
