//go:build linux

package lab

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	labaws "watari.dev/lab/aws"
	"watari.dev/lab/fault"
	"watari.dev/lab/link"
	"watari.dev/lab/proc"
)

// far plays what the lab's own processes talk to: the API server and AWS with its
// rules and ways to pods.
type far struct {
	*httptest.Server
	rules *fault.Rules

	mu    sync.Mutex
	pods  link.State
	until time.Duration
}

// upWithFaults starts three fakes with a side that can be cut off.
func upWithFaults(t *testing.T) (*operator, Info, *far) {
	t.Helper()
	f := &far{rules: fault.NewRules(nil), pods: link.Whole}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	faults := fault.Handler("/_lab/faults", fakesToken, f.rules)
	mux.Handle("/_lab/faults", faults)
	mux.Handle("/_lab/faults/", faults)
	mux.Handle("/_lab/links/source", fault.RequireToken(fakesToken, http.HandlerFunc(f.links)))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	t.Setenv(farEnv, f.Listener.Addr().String())
	useFakes(t, three()...)
	o := newLab(t)
	return o, mustUp(t, o), f
}

func (f *far) links(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodPut {
		var s labaws.LinkState
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.pods, f.until = s.State, s.For
	}
	_ = json.NewEncoder(w).Encode(labaws.LinkState{State: f.pods, Met: map[bool]int{true: 0, false: 7}[f.pods == link.Whole]})
}

func (f *far) state() (link.State, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pods, f.until
}

// hello asks the API server's health through the way from outside.
func hello(server string, patience time.Duration) error {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + server + "/hello")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func mustInject(t *testing.T, o *operator, f fault.Fault) fault.Injected {
	t.Helper()
	i, err := Inject(t.Context(), o.layout.dir, f)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func faultOf(t *testing.T, o *operator, id string) fault.Injected {
	t.Helper()
	list, err := Faults(t.Context(), o.layout.dir)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(i fault.Injected) bool { return i.ID == id })
	if i < 0 {
		t.Fatalf("%s is not among %+v", id, list)
	}
	return list[i]
}

// A killed component is started again at once, and that is no failure of it.
func TestKill(t *testing.T) {
	o, before, _ := upWithFaults(t)
	for n := 1; n <= 4; n++ {
		eventually(t, "api is ready", func() bool { return find(t, mustStatus(t, o), "api").State == Ready })
		victim := find(t, mustStatus(t, o), "api").Process
		i := mustInject(t, o, fault.Fault{Kill: &fault.Kill{Component: fault.APIServer, Side: fault.Source}})
		if proc.Alive(o.layout.dir, victim) {
			t.Error("it lives")
		}
		if i.Lasts() || i.Count() != 1 || i.Hits[0].Action != "api" {
			t.Errorf("%+v", i)
		}
	}
	eventually(t, "api is ready again", func() bool { return find(t, mustStatus(t, o), "api").State == Ready })
	if c := find(t, mustStatus(t, o), "api"); c.Restarts != 4 || c.Reason != "" {
		t.Errorf("api: %+v", c)
	}
	if find(t, mustStatus(t, o), "node") != find(t, before, "node") {
		t.Error("the node was touched")
	}
	if got := strings.Count(strings.Join(order(t, o), ","), "stop api"); got != 0 {
		t.Errorf("api was asked to end %d times; kill -9 asks nobody", got)
	}
}

func TestHeldDown(t *testing.T) {
	o, _, _ := upWithFaults(t)
	down := fault.Fault{Kill: &fault.Kill{Component: fault.Node, Side: fault.Source, For: 10 * time.Minute}}
	i := mustInject(t, o, down)
	c := find(t, mustStatus(t, o), "node")
	if c.State != HeldDown || c.Process != (proc.Identity{}) || !strings.Contains(c.Reason, "held down for 10m0s") {
		t.Errorf("%+v", c)
	}
	if mustStatus(t, o).State != Ready {
		t.Error("the lab is not ready because a part of it is held down")
	}
	if _, err := Inject(t.Context(), o.layout.dir, down); !errors.Is(err, fault.ErrBusy) {
		t.Errorf("killed twice: %v", err)
	}
	if got := faultOf(t, o, i.ID); !got.Lasts() || got.Until.Sub(got.Began) != 10*time.Minute {
		t.Errorf("%+v", got)
	}
	healed, err := Heal(t.Context(), o.layout.dir, i.ID)
	if err != nil || healed.End != fault.Healed {
		t.Errorf("heal: %+v, %v", healed, err)
	}
	if c := find(t, mustStatus(t, o), "node"); c.State != Ready || c.Restarts != 1 {
		t.Errorf("healed: %+v", c)
	}
	short := mustInject(t, o, fault.Fault{Kill: &fault.Kill{Component: fault.Node, Side: fault.Source, For: 300 * time.Millisecond}})
	eventually(t, "it is started again by itself", func() bool { return find(t, mustStatus(t, o), "node").State == Ready })
	if got := faultOf(t, o, short.ID); got.End != fault.Over || got.ID != "kill-2" {
		t.Errorf("%+v", got)
	}
}

// down ends whatever is held down or cut off.
func TestDownHeals(t *testing.T) {
	o, _, _ := upWithFaults(t)
	mustInject(t, o, fault.Fault{Kill: &fault.Kill{Component: fault.Node, Side: fault.Source, For: fault.MaxFor}})
	mustInject(t, o, fault.Fault{Partition: &fault.Partition{Side: fault.Source, For: fault.MaxFor}})
	report, err := o.down(t.Context())
	if err != nil || len(report.Stopped) != 3 {
		t.Errorf("stopped %+v, %v", report.Stopped, err)
	}
	checkNothingLeft(t, o)
	if _, err := Faults(t.Context(), o.layout.dir); !errors.Is(err, ErrNoLab) {
		t.Errorf("faults without a lab: %v", err)
	}
}

func TestPartition(t *testing.T) {
	o, info, f := upWithFaults(t)
	server := info.Clusters[0].Server
	if err := hello(server, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	cut := fault.Fault{Partition: &fault.Partition{Side: fault.Source, For: 5 * time.Minute}}
	i := mustInject(t, o, cut)
	var timeout net.Error
	if err := hello(server, 50*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("while it hangs: %v", err)
	}
	if state, d := f.state(); state != link.Hanging || d != 5*time.Minute {
		t.Errorf("the way to the pods is %s for %s", state, d)
	}
	if _, err := Inject(t.Context(), o.layout.dir, cut); !errors.Is(err, fault.ErrBusy) || !strings.Contains(err.Error(), "watari lab fault heal "+i.ID) {
		t.Errorf("cut off twice: %v", err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- hello(server, 10*time.Second) }()
	want := []fault.Hit{{Service: "connection", Action: "api-server", Count: 2}, {Service: "connection", Action: "pods", Count: 7}}
	eventually(t, "both connections are counted", func() bool { return slices.Equal(faultOf(t, o, i.ID).Hits, want) })
	if healed, err := HealAll(t.Context(), o.layout.dir); err != nil || len(healed) != 1 || healed[0].ID != i.ID {
		t.Errorf("heal: %+v, %v", healed, err)
	}
	if err := <-waiting; err != nil {
		t.Errorf("what hung: %v", err)
	}
	if state, _ := f.state(); state != link.Whole {
		t.Errorf("healed, and the way to the pods is %s", state)
	}

	broken := mustInject(t, o, fault.Fault{Partition: &fault.Partition{Side: fault.Source, For: 200 * time.Millisecond, How: fault.Reset}})
	eventually(t, "it is over by itself", func() bool { return faultOf(t, o, broken.ID).End == fault.Over })
	if err := hello(server, 5*time.Second); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if state, _ := f.state(); state != link.Whole {
		t.Errorf("over, and the way to the pods is %s", state)
	}
}

// Rules go to AWS, the rest to the supervisor, and one list shows both.
func TestOneListOfFaults(t *testing.T) {
	o, _, f := upWithFaults(t)
	rule := mustInject(t, o, fault.Fault{AWS: &fault.AWS{Kind: fault.Throttle, Action: "ModifyRule", Times: 2}})
	killed := mustInject(t, o, fault.Fault{Kill: &fault.Kill{Component: fault.Node, Side: fault.Source}})
	if _, bites := f.rules.Bite("elbv2", "ModifyRule"); !bites {
		t.Error("the rule does not bite")
	}
	list, err := Faults(t.Context(), o.layout.dir)
	if err != nil || len(list) != 2 || list[0].ID != rule.ID || list[1].ID != killed.ID || list[0].Count() != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if healed, err := Heal(t.Context(), o.layout.dir, rule.ID); err != nil || healed.End != fault.Healed {
		t.Errorf("%+v, %v", healed, err)
	}
	for _, id := range []string{"aws-9", "kill-9", "x"} {
		if _, err := Heal(t.Context(), o.layout.dir, id); !errors.Is(err, fault.ErrUnknown) {
			t.Errorf("heal %s: %v", id, err)
		}
	}
}

// What cannot be meant is refused with what there is.
func TestInjectRefuses(t *testing.T) {
	o, info, f := upWithFaults(t)
	for want, refused := range map[string]fault.Fault{
		"there is no side":              {Kill: &fault.Kill{Component: fault.Etcd, Side: "left"}},
		"the lab has no target":         {Kill: &fault.Kill{Component: fault.Node, Side: fault.Target}},
		"no node 3; it has 1":           {Kill: &fault.Kill{Component: fault.Node, Side: fault.Source, Node: 3}},
		"a fault is one of aws":         {},
		"the lab has no target to cut ": {Partition: &fault.Partition{Side: fault.Target, For: time.Second}},
	} {
		if _, err := Inject(t.Context(), o.layout.dir, refused); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, " to cut ")) {
			t.Errorf("%s: %v", refused, err)
		}
	}
	// AWS that does not answer: nothing is cut.
	f.Close()
	if _, err := Inject(t.Context(), o.layout.dir, fault.Fault{Partition: &fault.Partition{Side: fault.Source, For: time.Second}}); err == nil || !strings.Contains(err.Error(), "nothing is cut") {
		t.Errorf("without AWS: %v", err)
	}
	stranger := fault.Client{URL: info.Control.Endpoint + faultsPath, Token: "guess"}
	if _, err := stranger.Inject(t.Context(), fault.Fault{Kill: &fault.Kill{Component: fault.Node, Side: fault.Source}}); err == nil {
		t.Error("a stranger may kill")
	}
	if c := find(t, mustStatus(t, o), "node"); c.State != Ready || c.Restarts != 0 {
		t.Errorf("the node: %+v", c)
	}
}
