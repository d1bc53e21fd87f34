package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"watari.dev/engine"
	"watari.dev/lab/load"
	"watari.dev/traffic"
	"watari.dev/view"
)

// badFaults is what is wrong with the first version that the target gets.
const badFaults = `{"errorRatio":0.05}`

// noFaults is the version that is as it should be.
const noFaults = `{}`

// rollAt is the share at which every pod of both sides is replaced while users
// are there.
const rollAt traffic.Share = 5000

// targetGroupBinding plays the whole cutover: a bad attempt that must take itself
// back, and a good one that must lose no request.
func (s *stage) targetGroupBinding(ctx context.Context) (Summary, error) {
	sum := s.summary()
	if err := s.open(ctx, badFaults); err != nil {
		return sum, err
	}
	users, err := s.startUsers(ctx)
	if err != nil {
		return sum, err
	}
	defer func() { _, _ = users.leave() }() // its account was asked for before, or the error says enough

	s.title("Attempt 1: the new cluster has a version that fails 5 %% of its requests. Nobody knows yet.")
	if err := s.plan(ctx); err != nil {
		return sum, err
	}
	if sum.Bad, err = s.play(ctx, users, 1, nil); err != nil {
		return sum, err
	}

	s.title("Attempt 2: the version is fixed. All pods of both sides are replaced in the middle.")
	if err := s.target.deploy(ctx, s.cloud, version{"v3", noFaults, s.databaseURL()}); err != nil {
		return sum, err
	}
	s.say("%s serves the fixed version; watari retry shop", s.target.Name)
	if err := s.watari.command(ctx, "retry", "shop").Run(); err != nil {
		return sum, fmt.Errorf("watari retry: %w", err)
	}
	if sum.Good, err = s.play(ctx, users, 2, &interlude{at: rollAt, act: s.rollEverything}); err != nil {
		return sum, err
	}
	return sum, s.account(ctx, users, &sum)
}

// summary says what every scenario knows before it begins.
func (s *stage) summary() Summary {
	return Summary{Scenario: s.Name, Rate: s.Rate, Seed: s.Seed, Source: s.info.Clusters[0], Target: s.info.Clusters[1], LabReady: s.info.ReadyAfter}
}

// account lets the users leave and takes down what they met.
func (s *stage) account(ctx context.Context, users *users, sum *Summary) (err error) {
	if sum.Users, err = users.leave(); err != nil {
		return err
	}
	sum.Calls, err = s.cloud.calls(ctx)
	return err
}

// open builds the cloud, deploys the shop on both sides and writes the file.
// faults is what is wrong with the target's version.
func (s *stage) open(ctx context.Context, faults string) error {
	s.title("A shop on Kubernetes %s; the new cluster runs %s. One load balancer stands before both.", s.info.Clusters[0].Version, s.info.Clusters[1].Version)
	if err := s.cloud.build(ctx, s.info.Clusters); err != nil {
		return err
	}
	if err := s.openOwn(ctx); err != nil {
		return err
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	wg.Go(func() { errs[0] = s.source.deploy(ctx, s.cloud, version{"v1", noFaults, s.databaseURL()}) })
	wg.Go(func() { errs[1] = s.target.deploy(ctx, s.cloud, version{"v2", faults, s.databaseURL()}) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.say("3 pods in each cluster are healthy behind their target groups; http://%s is %s", publicName, s.cloud.address)
	text, err := manifest("migration.yaml", map[string]string{
		"KUBECONFIG": s.info.Kubeconfig, "REGION": s.info.AWS.Region, "ENDPOINT": s.info.AWS.Endpoint,
		"LISTENER_ARN": s.cloud.listener, "SOURCE_ARN": s.cloud.groups[s.source.Name], "TARGET_ARN": s.cloud.groups[s.target.Name],
		"METRICS": s.metricsURL(), "GATE": s.Gate,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(s.watari.file, text, 0o600)
}

func (s *stage) plan(ctx context.Context) error {
	fmt.Fprintf(s.Out, "\n$ watari plan -f shop.yaml\n")
	if err := s.watari.print(ctx, s.Out, "plan", "-f", s.watari.file); err != nil {
		return fmt.Errorf("watari plan: %w", err)
	}
	return nil
}

// interlude is what happens in the middle of an attempt, once, from when a share
// is held.
type interlude struct {
	at traffic.Share
	// act may go on after the attempt; ended is closed at its end.
	act func(ctx context.Context, ended <-chan struct{}) error
}

// play runs an attempt, under a schedule if there is one.
func (s *stage) play(ctx context.Context, users *users, n int, middle *interlude) (attempt, error) {
	if s.director != nil {
		return s.endures(ctx, users, n, middle)
	}
	return s.attempt(ctx, users, n, middle)
}

// attempt runs "watari run" to its end, marking in the account of the users where
// each step begins. middle may be nil.
func (s *stage) attempt(ctx context.Context, users *users, n int, middle *interlude) (attempt, error) {
	fmt.Fprintf(s.Out, "\n$ watari run -f shop.yaml\n")
	if err := users.mark(n, "before the first step"); err != nil {
		return attempt{}, err
	}
	striking, stopStriking := context.WithCancel(ctx)
	defer stopStriking()
	var side sync.WaitGroup
	var markErr, sideErr error
	ended := make(chan struct{})
	if err := s.director.begin(ctx, users, n, ended); err != nil {
		return attempt{}, err
	}
	part, begun := "", false
	a, err := s.watari.run(ctx, s.Out, s.strikes(striking, n), func(e view.JSONEvent) {
		if e.Kind != "status" && e.Kind != "effect" {
			fmt.Fprintln(s.Out, "  "+e.Line())
		}
		s.director.heard(ctx, users, n, e, ended)
		// Whoever enters a phase may be killed before he can say so.
		if e.Phase == "" || segmentOf(e) == part {
			return
		}
		part = segmentOf(e)
		markErr = errors.Join(markErr, users.mark(n, part))
		if middle != nil && !begun && e.Phase == engine.Holding && traffic.Share(e.Share) == middle.at {
			begun = true
			side.Go(func() { sideErr = middle.act(ctx, ended) })
		}
	})
	close(ended)
	side.Wait()
	a.Number = n
	return a, errors.Join(err, markErr, sideErr, users.mark(n, "after the end"))
}

// segmentOf names the part of an attempt that begins with a phase.
func segmentOf(e view.JSONEvent) string {
	switch e.Phase {
	case engine.Holding, engine.Soaking:
		return "holding " + traffic.Share(e.Share).String()
	default:
		return string(e.Phase)
	}
}

// rollEverything replaces every pod of both sides.
func (s *stage) rollEverything(ctx context.Context, _ <-chan struct{}) error {
	defer s.director.replacing()()
	s.say("  rolling all pods of both clusters")
	for _, c := range []*cluster{s.source, s.target} {
		if err := c.restart(ctx); err != nil {
			return err
		}
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, c := range []*cluster{s.source, s.target} {
		wg.Go(func() { errs[i] = c.rolledOut(ctx, s.cloud) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.say("  all pods of both clusters are new")
	return nil
}

// strikes sends what strikes "watari run": what the schedule says, or kills at
// random moments over what an attempt takes.
func (s *stage) strikes(ctx context.Context, n int) <-chan strike {
	if s.director != nil {
		return s.director.strikes
	}
	if s.Kills == 0 {
		return nil
	}
	kills := make(chan strike)
	chance := rand.New(rand.NewPCG(s.Seed, uint64(n)))
	go func() {
		for range s.Kills {
			wait := time.Duration(chance.Int64N(int64(killWithin) / int64(s.Kills) * 2))
			if pause(ctx, wait) != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case kills <- strike{blow: killed}:
			}
		}
	}()
	return kills
}

// killWithin is about what an attempt takes.
const killWithin = 40 * time.Second

// users are the people who use the shop, counted one by one.
type users struct {
	generator *load.Generator
	stop      context.CancelFunc
	done      chan error
	once      sync.Once
	err       error

	mu      sync.Mutex
	attempt int    // that was marked last
	part    string // that was marked last
	losing  int    // faults under way that kill pods
}

// startUsers lets them come and waits until every kind of them was served.
func (s *stage) startUsers(ctx context.Context) (*users, error) {
	_, port, err := net.SplitHostPort(s.cloud.address)
	if err != nil {
		return nil, err
	}
	at, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	g, err := load.New(load.Config{
		URL: "http://" + publicName + "/", Resolver: s.cloud.dns, Port: at, Rate: s.Rate, Seed: s.Seed, Arrivals: load.Poisson,
		Clients: load.Mix{Fresh: 50, KeepAlive: 40, Forever: 10},
	})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	u := &users{generator: g, stop: stop, done: make(chan error, 1)}
	go func() { u.done <- g.Run(ctx) }()
	s.say("users come: %.0f requests/s; half of them resolve the name each time, 40 %% keep their connections, 10 %% never ask DNS again", s.Rate)
	err = until(ctx, 15*time.Second, "users of every kind to be served", func(context.Context) (bool, error) {
		c := g.Snapshot().Total.Clients
		return served(c[load.Fresh]) && served(c[load.KeepAlive]) && served(c[load.Forever]), nil
	})
	if err != nil {
		_, _ = u.leave()
		return nil, err
	}
	return u, nil
}

func served(c load.Client) bool { return c.OK[load.Source] > 0 }

// whileDead ends the names of the parts of the account in which pods are dead,
// or coming back, because a fault has killed them.
const whileDead = " while pods are dead"

// mark begins a part of the account.
func (u *users) mark(attempt int, part string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.attempt, u.part = attempt, part
	return u.markLocked()
}

func (u *users) markLocked() error {
	name := fmt.Sprintf("%d: %s", u.attempt, u.part)
	if u.losing > 0 {
		name += whileDead
	}
	return u.generator.Mark(name)
}

// lose begins a part in which pods die, and returns when everything that was sent
// before is answered.
func (u *users) lose(ctx context.Context) error {
	if err := u.change(1); err != nil {
		return err
	}
	return u.answered(ctx)
}

// regain ends it.
func (u *users) regain() error { return u.change(-1) }

func (u *users) change(by int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.losing += by
	return u.markLocked()
}

// leave ends the load, waits for what is under way, and returns the account.
func (u *users) leave() (load.Result, error) {
	u.once.Do(func() {
		u.stop()
		if err := <-u.done; err != nil && !errors.Is(err, context.Canceled) {
			u.err = err
		}
	})
	result := u.generator.Snapshot()
	return result, errors.Join(u.err, result.Check())
}
