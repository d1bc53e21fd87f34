package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"watari.dev/lab"
	"watari.dev/lab/database"
)

// Options say what to play and how.
type Options struct {
	Name   string    // of the scenario; empty is TargetGroupBinding
	Rate   float64   // requests per second; 0 is 200
	Seed   uint64    // decides which user sends when, and which requests the bad target fails
	Keep   bool      // leave the lab up at the end
	LabDir string    // empty is lab.DefaultDir
	Watari string    // path of the watari command; empty is this program
	Out    io.Writer // what people read
	Kills  int       // how often "watari run" is killed with kill -9 at random moments of each attempt
	Chaos  uint64    // seed of a schedule of faults for TargetGroupBinding; 0 is none

	Gate    string        // of the migration, as YAML in flow style; empty is the scenario's own
	Trouble time.Duration // how long the trouble of SharedOutage or MetricsLost lasts, at most maxTrouble; 0 is what each says
}

// The scenarios.
const (
	// TargetGroupBinding is the cutover of a cluster by the weights of a listener,
	// without a DNS change.
	TargetGroupBinding = "target-group-binding"
	// SharedOutage is that cutover while the database behind both sides fails half
	// of its requests for five minutes.
	SharedOutage = "shared-outage"
	// MetricsLost is that cutover while nobody can read the metrics for 90 seconds.
	MetricsLost = "metrics-lost"
)

// Gates for a demo that is quick: a minute has to show what a day does, so one
// second is one observation, and windows are short. There are no bursts in the lab
// but those of a busy machine, which make requests slow and not fail.
const (
	defaultGate = `{analysis: {errors: {form: unit, unit: 1s}, latency: {p50: "off", p99: "off"}}, thresholds: {window: 8s}}`
	// comparingGate has no limits: what both sides share, a database or a machine that
	// is busy, would be blamed on the target.
	comparingGate = `{analysis: {minRequests: 50}, thresholds: {window: 8s}}`
)

// maxTrouble leaves the migration a minute and a half of its deadline for itself.
const maxTrouble = 8*time.Minute + 30*time.Second

// piece is a scenario: what happens, and what must have come true.
type piece struct {
	name string
	act  func(*stage, context.Context) (Summary, error)
	met  func(Summary) error
	show string // what was seen if it did
	gate string
}

func pieces() []piece {
	return []piece{
		{TargetGroupBinding, (*stage).targetGroupBinding, Summary.cutoverMet, "The bad attempt was taken back, the good one lost no request.", defaultGate},
		{SharedOutage, (*stage).sharedOutage, Summary.sharedOutageMet, "Both sides failed, nothing was taken back, nothing rose, and it went on afterwards.", comparingGate},
		{MetricsLost, (*stage).metricsLost, Summary.metricsLostMet, "Nobody could see, nothing rose, nothing was taken back, and no request was lost.", comparingGate},
	}
}

func pieceOf(name string) (piece, bool) {
	all := pieces()
	i := slices.IndexFunc(all, func(p piece) bool { return p.name == name })
	if i < 0 {
		return piece{}, false
	}
	return all[i], true
}

// Names lists the scenarios.
func Names() []string {
	var names []string
	for _, p := range pieces() {
		names = append(names, p.name)
	}
	return names
}

// chaotic is TargetGroupBinding under a schedule of faults.
func chaotic() piece {
	return piece{
		TargetGroupBinding, (*stage).chaos, Summary.chaosMet,
		"Whatever failed, the bad attempt was taken back in time, and the good one lost no request.", defaultGate,
	}
}

// ErrNotMet is wrapped by the error of a scenario that was played to its end and
// did not show what it should.
var ErrNotMet = errors.New("the scenario did not show what it should")

// Run plays a scenario. The summary is complete even when the error is
// ErrNotMet.
func Run(ctx context.Context, o Options) (Summary, error) {
	if o.Name == "" {
		o.Name = TargetGroupBinding
	}
	p, known := pieceOf(o.Name)
	if !known {
		return Summary{}, fmt.Errorf("there is no scenario %q; there are: %s", o.Name, strings.Join(Names(), ", "))
	}
	if err := o.check(); err != nil {
		return Summary{}, err
	}
	if o.Chaos > 0 {
		p = chaotic()
	}
	if o.Rate == 0 {
		o.Rate = 200
	}
	if o.Gate == "" {
		o.Gate = p.gate
	}
	s, err := prepare(ctx, o)
	if err != nil {
		return Summary{}, err
	}
	defer s.close(ctx)
	summary, err := p.act(s, ctx)
	if err != nil {
		return summary, err
	}
	summary.Took = time.Since(s.began)
	fmt.Fprintln(s.Out)
	summary.Write(s.Out)
	return summary, p.met(summary)
}

// check reports what cannot be played.
func (o Options) check() error {
	if o.Trouble < 0 || o.Trouble > maxTrouble {
		return fmt.Errorf("scenario %s: trouble of %s: give 0 to %s, the migration has a deadline", o.Name, o.Trouble, maxTrouble)
	}
	if o.Keep && o.Name != TargetGroupBinding {
		return fmt.Errorf("scenario %s: the lab cannot be kept: what it breaks, the database and the way to the metrics, ends with the scenario", o.Name)
	}
	return o.checkChaos()
}

// checkChaos reports what a schedule cannot be played with.
func (o Options) checkChaos() error {
	switch {
	case o.Chaos == 0:
		return nil
	case o.Name != TargetGroupBinding:
		return fmt.Errorf("scenario %s: chaos is for %s; the others have trouble of their own", o.Name, TargetGroupBinding)
	case o.Kills > 0:
		return errors.New("chaos kills watari run by its own schedule: leave kills out")
	case o.Keep:
		return errors.New("chaos cannot keep the lab: what it breaks, such as the way to the metrics, ends with the demo")
	}
	return nil
}

// stage is the lab with everything on it.
type stage struct {
	Options
	began  time.Time
	info   lab.Info
	cloud  *cloud
	source *cluster
	target *cluster
	watari *watari
	dir    string // holds the demo's file and state

	director *director // nil without a schedule

	database *database.Database // behind both sides; nil in a lab that is kept
	metrics  *relay             // before the balancer's metrics; nil in a lab that is kept
}

// prepare brings the lab up, empty, and connects to it.
func prepare(ctx context.Context, o Options) (*stage, error) {
	s := &stage{Options: o, began: time.Now()}
	s.Out = &together{to: o.Out}
	if s.LabDir == "" {
		dir, err := lab.DefaultDir()
		if err != nil {
			return nil, err
		}
		s.LabDir = dir
	}
	if s.Watari == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		s.Watari = self
	}
	s.dir = s.LabDir + "-demo"
	if err := os.RemoveAll(s.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	cfg := lab.Config{Dir: s.LabDir, Executable: s.Watari, Seed: s.Seed, Progress: func(e lab.Event) { s.say("%s", e) }}
	if err := s.emptyLab(ctx, cfg); err != nil {
		return nil, err
	}
	info, err := lab.Up(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s.info = info
	if err := s.connect(); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

// emptyLab stops a lab of an earlier demo: its target groups and pods would be
// counted in.
func (s *stage) emptyLab(ctx context.Context, cfg lab.Config) error {
	if info, err := lab.Status(s.LabDir); err != nil || info.State != lab.Ready && info.State != lab.Starting {
		return nil //nolint:nilerr // a lab that cannot be read is cleaned up by Up
	}
	s.say("stopping the lab that runs in %s: the demo begins with an empty one", s.LabDir)
	_, err := lab.Down(ctx, cfg)
	return err
}

func (s *stage) connect() error {
	s.cloud = connectCloud(s.info.AWS)
	var err error
	if s.source, err = connectCluster(s.info.Clusters[0]); err != nil {
		return err
	}
	if s.target, err = connectCluster(s.info.Clusters[1]); err != nil {
		return err
	}
	s.watari = &watari{
		path: s.Watari, file: filepath.Join(s.dir, "shop.yaml"), state: filepath.Join(s.dir, "state"),
		env: append(os.Environ(),
			"AWS_ACCESS_KEY_ID="+s.info.AWS.AccessKey, "AWS_SECRET_ACCESS_KEY="+s.info.AWS.SecretKey,
			"AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_EC2_METADATA_DISABLED=true",
			"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"), // the endpoint of the migration is the lab's
		rewritten: s.cloud.rewritten,
	}
	return nil
}

// close takes the lab down, unless it is to be kept.
func (s *stage) close(ctx context.Context) {
	defer s.closeOwn()
	if s.Keep {
		s.say("the lab stays up: watari lab status   stop it: watari lab down")
		s.say("its migration: watari status shop --state %s", s.watari.state)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if _, err := lab.Down(ctx, lab.Config{Dir: s.LabDir, Executable: s.Watari}); err != nil {
		s.say("%v", err)
		return
	}
	s.say("the lab is down")
}

// together lets several say something at once, each a whole line.
type together struct {
	mu sync.Mutex
	to io.Writer
}

// Write implements io.Writer.
func (t *together) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.to.Write(p)
}

// say prints one line with the time since the beginning.
func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.Out, "%7.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// title announces a part.
func (s *stage) title(format string, args ...any) {
	fmt.Fprintf(s.Out, "\n"+format+"\n", args...)
}

// openOwn starts what belongs to no cluster and to no AWS. A lab that is kept must
// go on without this process, and gets none of it.
func (s *stage) openOwn(ctx context.Context) (err error) {
	if s.Keep {
		return nil
	}
	s.database, err = database.Start(ctx, database.Config{Bind: labHost, Seed: s.Seed})
	if err != nil {
		return err
	}
	s.metrics, err = startRelay(ctx, s.cloud.metrics)
	return err
}

// closeOwn ends it, after everybody who asks it.
func (s *stage) closeOwn() {
	if s.metrics != nil {
		if err := s.metrics.close(); err != nil {
			s.say("%v", err)
		}
	}
	if s.database != nil {
		if err := s.database.Close(); err != nil {
			s.say("%v", err)
		}
	}
}

// databaseURL is what the shop asks; empty: nothing.
func (s *stage) databaseURL() string {
	if s.database == nil {
		return ""
	}
	return s.database.URL()
}

// metricsURL is what watari scrapes.
func (s *stage) metricsURL() string {
	if s.metrics == nil {
		return s.cloud.metrics
	}
	return s.metrics.url()
}
