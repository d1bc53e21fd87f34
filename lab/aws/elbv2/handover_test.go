package elbv2

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"watari.dev/lab/alb"
	"watari.dev/lab/aws/wire"
)

// pickyPlane refuses configurations that use one port, as the real one does
// when the port is taken.
type pickyPlane struct {
	taken   int
	applied []alb.Config
}

func (p *pickyPlane) Apply(c alb.Config) error {
	for _, l := range c.Listeners {
		if strings.HasSuffix(l.Bind, ":"+strconv.Itoa(p.taken)) {
			return errors.New("address already in use")
		}
	}
	p.applied = append(p.applied, c)
	return nil
}

func (p *pickyPlane) Health(string) []alb.Health { return nil }

// TestTakenPort takes the port of a listener between its choice and its use:
// the listener moves, stays moved, and the move is saved.
func TestTakenPort(t *testing.T) {
	plane := &pickyPlane{}
	path := t.TempDir() + "/state.json"
	service, err := New(Options{
		Account: "123456789012", Region: "eu-central-1", Plane: plane, State: wire.StateFile{Path: path}, Logger: slog.New(slog.DiscardHandler),
		FreePort: func(_ []netip.Addr, port int, _ []int) int {
			for port == plane.taken || port < 1024 {
				port += 1000
			}
			return port
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	lbs, failure := service.createLoadBalancer(createLoadBalancerInput{Name: "web", Subnets: []string{"a", "b"}})
	if failure != nil {
		t.Fatal(failure)
	}
	port := 80
	made, failure := service.createListener(createListenerInput{
		LoadBalancerArn: lbs.LoadBalancers[0].LoadBalancerArn, Port: &port, Protocol: "HTTP",
		DefaultActions: []ruleAction{{Type: "fixed-response", FixedResponseConfig: &fixedResponseConfig{StatusCode: "404"}}},
	})
	if failure != nil {
		t.Fatal(failure)
	}
	plane.taken = 1080
	old := service.current()
	service.handOver(old)
	service.handOver(old) // a model that was on its way when the listener moved
	want := []string{"127.230.0.1:2080", "127.230.0.2:2080"}
	for _, c := range plane.applied {
		if got := []string{c.Listeners[0].Bind, c.Listeners[1].Bind}; !slices.Equal(got, want) {
			t.Errorf("applied at %v, want %v", got, want)
		}
	}
	if len(plane.applied) != 2 {
		t.Errorf("applied %d times, want 2", len(plane.applied))
	}
	if got := service.Endpoints()[made.Listeners[0].ListenerArn]; !slices.Equal(got.Addresses, want) || got.Port != 80 {
		t.Errorf("the endpoint is %+v", got)
	}
	again, err := New(Options{Plane: plane, State: wire.StateFile{Path: path}})
	if err != nil {
		t.Fatal(err)
	}
	if got := again.current().Listeners[made.Listeners[0].ListenerArn].LocalPort; got != 2080 {
		t.Errorf("the saved port is %d, want 2080", got)
	}
}

// TestPickPort asks the real kernel.
func TestPickPort(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("127.230.250.1"), netip.MustParseAddr("127.230.250.2")}
	first := pickPort(addrs, 80, nil)
	if first == 0 {
		t.Fatal("no port was found")
	}
	if second := pickPort(addrs, 80, []int{first}); second == first || second == 0 {
		t.Errorf("with %d taken the port is %d", first, second)
	}
}

// TestFreshDataPlaneState checks that nothing is served before a hand-over.
func TestFreshDataPlaneState(t *testing.T) {
	service, err := New(Options{Region: "eu-central-1", Plane: &pickyPlane{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, failure := service.createLoadBalancer(createLoadBalancerInput{Name: "web", Subnets: []string{"a", "b"}}); failure != nil {
		t.Fatal(failure)
	}
	if len(service.Names()) != 0 {
		t.Error("a load balancer has a name before the data plane has it")
	}
	service.handOver(service.current())
	names := service.Names()
	if len(names) != 1 || !names[0].Healthy || !service.HasName("dualstack."+strings.ToUpper(names[0].DNSName)+".") {
		t.Errorf("got %+v", names)
	}
}
