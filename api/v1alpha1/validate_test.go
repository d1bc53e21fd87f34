package v1alpha1

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Objects that come from a cluster have no file: what is wrong is said by field.
func TestValidateTypedObjects(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*MigrationSpec)
		want []string
	}{
		"nothing":           {func(*MigrationSpec) {}, nil},
		"a share too large": {func(s *MigrationSpec) { s.Steps[1].Share = 10001 }, []string{"spec.steps[1].share: 100.01 % is above 100 %: the last step is 100%"}},
		"a ratio too large": {
			func(s *MigrationSpec) { r := wholeRatio + 1; s.Gate.Thresholds.MaxErrorRatio = &r },
			[]string{"spec.gate.thresholds.maxErrorRatio: 100.0001 % is not between 0 % and 100 %"},
		},
		"a route without a name": {func(s *MigrationSpec) { s.Routes[0].Name = "" }, []string{"spec.routes[0].name: is missing: give the route a name, such as public"}},
		"an alias without a name": {
			func(s *MigrationSpec) {
				s.Routes = []Route{{Name: "dns", Route53: &Route53Route{
					HostedZoneID: "Z1", Names: []string{"a.example.com"}, Source: Route53Source{"a"},
					Target: Route53Target{SetIdentifier: "b", Alias: &AliasTarget{HostedZoneID: "Z2"}},
				}}}
			},
			[]string{"spec.routes[0].route53.target.alias.dnsName: is missing: write the DNS name of the resource, such as the load balancer's"},
		},
		"a URL with a fragment": {
			func(s *MigrationSpec) {
				s.Signals[0].Prometheus.URL.Source += "/#graph"
				s.Signals[0].Prometheus.URL.Target += "/#graph"
			},
			[]string{"spec.signals[0].prometheus.url: the URL ends in a #fragment, which servers never see: remove it"},
		},
		"too many names": {
			func(s *MigrationSpec) {
				r := &Route53Route{HostedZoneID: "Z1", Source: Route53Source{"a"}, Target: Route53Target{SetIdentifier: "b"}}
				for i := range 1001 {
					r.Names = append(r.Names, fmt.Sprintf("n%d.example.com", i))
				}
				s.Routes = []Route{{Name: "dns", Route53: r}}
			},
			[]string{"spec.routes[0].route53.names: has 1001 names, the most is 1000: split them"},
		},
		"too many signals": {
			func(s *MigrationSpec) { s.Signals = slices.Repeat(s.Signals, 21) },
			[]string{"spec.signals: has 21 signals, the most is 20: split them"},
		},
	} {
		m := parsed(t, "valid-minimal.yaml").Migrations[0]
		test.edit(&m.Spec)
		var got []string
		if mistakes, ok := m.Validate().(Mistakes); ok {
			for _, mistake := range mistakes {
				got = append(got, mistake.String())
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestValidateEnvironment(t *testing.T) {
	e := parsed(t, "valid-minimal.yaml").Environments[0]
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	e.Spec.Kubernetes = nil
	if err := e.Validate(); err == nil || err.Error() != "1 mistake\n  spec: is missing: name one of kubernetes" {
		t.Error("got", err)
	}
}
