package all

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/router/metered"
	"watari.dev/signal"
	"watari.dev/traffic"
)

func newMeter(t *testing.T) *metered.Meter {
	t.Helper()
	m, err := metered.NewMeter(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestALeverThatCannotBeConnectedKeepsNoOther: its profile does not exist when the
// levers are connected, and does later.
func TestALeverThatCannotBeConnectedKeepsNoOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": file, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "",
		"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
	} {
		t.Setenv(name, value)
	}
	write("[default]\nregion = eu-central-1\n")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>No hosted zone found with ID: Z1</Message></Error></ErrorResponse>")
	}))
	t.Cleanup(server.Close)
	lever := func(name, profile string) plan.Lever {
		return plan.Lever{Ref: router.Ref{Name: name, Driver: "route53", ID: "Z1", Names: []string{"a.example.com"}, Type: "A"}, AWS: plan.AWS{Profile: profile, EndpointURL: server.URL}}
	}
	levers := []plan.Lever{lever("public", ""), lever("partners", "shop")}
	if _, err := Routes(t.Context(), levers, newMeter(t)); err == nil {
		t.Fatal("before a migration has begun that is an error")
	}
	routes := RoutesLater(t.Context(), levers, newMeter(t))
	later := routes["partners"].Driver.(*laterDriver)
	ask := func(name string) error {
		_, err := routes[name].Driver.Write(t.Context(), router.Change{Route: routes[name].Ref})
		return err
	}
	if err := ask("public"); errors.Is(err, router.ErrSignedOut) || !errors.Is(err, router.ErrNotFound) {
		t.Errorf("the lever that can be connected: %v", err)
	}
	err := ask("partners")
	if !errors.Is(err, router.ErrSignedOut) || router.EffectOf(err) != router.EffectNothing || !strings.Contains(err.Error(), "profile shop") {
		t.Errorf("the other one: %v", err)
	}
	write("[default]\nregion = eu-central-1\n[profile shop]\nregion = eu-central-1\naws_access_key_id = AKID\naws_secret_access_key = secret\n")
	if err := ask("partners"); !errors.Is(err, router.ErrSignedOut) {
		t.Errorf("it is connected at every question: %v", err)
	}
	later.at = later.at.Add(-connectAgain)
	if err := ask("partners"); errors.Is(err, router.ErrSignedOut) || !errors.Is(err, router.ErrNotFound) {
		t.Errorf("once it can be connected: %v", err)
	}
}

// TestASignalThatCannotBeConnectedIsOneThatCannotBeRead until it can be, and is asked
// about the sides that are wanted then.
func TestASignalThatCannotBeConnectedIsOneThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := (signal.Source)(nil)
		fake := &asked{}
		query := signal.Query{Name: "web", Requests: traffic.BySide[string]{Source: "source as the source reads it", Target: "target as the source reads it"}}
		s := &laterSource{connect: func() (signal.Source, signal.Query, error) {
			if made == nil {
				return nil, signal.Query{}, errors.New("no credentials")
			}
			return made, query, nil
		}}
		wanted := signal.Query{Name: "web", Requests: traffic.BySide[string]{Source: "a", Target: "b"}}
		counts, err := s.Counts(t.Context(), wanted.Only(traffic.Source), time.Now(), time.Now())
		if err != nil || counts.Source.State != traffic.Failed || counts.Target.State != traffic.Failed || !strings.Contains(counts.Source.Err, "connect web: no credentials") {
			t.Fatalf("%+v, %v", counts, err)
		}
		made = fake
		if counts, _ = s.Counts(t.Context(), wanted, time.Now(), time.Now()); counts.Source.State != traffic.Failed {
			t.Error("it is connected at every question")
		}
		time.Sleep(connectAgain)
		for side, want := range map[traffic.Side]string{traffic.Source: "source as the source reads it", traffic.Target: "target as the source reads it"} {
			if _, err := s.Counts(t.Context(), wanted.Only(side), time.Now(), time.Now()); err != nil {
				t.Fatal(err)
			}
			if got := fake.last.Requests.Source + fake.last.Requests.Target; got != want {
				t.Errorf("asked for the %s it asks for %q", side, got)
			}
		}
	})
}

// asked remembers what it was asked.
type asked struct {
	signal.Source
	last signal.Query
}

func (a *asked) Counts(_ context.Context, q signal.Query, _, _ time.Time) (signal.Counts, error) {
	a.last = q
	return signal.Counts{}, nil
}
