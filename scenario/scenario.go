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
	"time"

	"watari.dev/lab"
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
}

// TargetGroupBinding is the cutover of a cluster by the weights of a listener,
// without a DNS change.
const TargetGroupBinding = "target-group-binding"

// Names lists the scenarios.
func Names() []string { return []string{TargetGroupBinding} }

// ErrNotMet is wrapped by the error of a scenario that was played to its end and
// did not show what it should.
var ErrNotMet = errors.New("the scenario did not show what it should")

// Run plays a scenario. The summary is complete even when the error is
// ErrNotMet.
func Run(ctx context.Context, o Options) (Summary, error) {
	if o.Name == "" {
		o.Name = TargetGroupBinding
	}
	if !slices.Contains(Names(), o.Name) {
		return Summary{}, fmt.Errorf("there is no scenario %q; there are: %s", o.Name, strings.Join(Names(), ", "))
	}
	if o.Rate == 0 {
		o.Rate = 200
	}
	s, err := prepare(ctx, o)
	if err != nil {
		return Summary{}, err
	}
	defer s.close(ctx)
	summary, err := s.targetGroupBinding(ctx)
	if err != nil {
		return summary, err
	}
	return summary, summary.verdict()
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
}

// prepare brings the lab up, empty, and connects to it.
func prepare(ctx context.Context, o Options) (*stage, error) {
	s := &stage{Options: o, began: time.Now()}
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
			"AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_EC2_METADATA_DISABLED=true"),
	}
	return nil
}

// close takes the lab down, unless it is to be kept.
func (s *stage) close(ctx context.Context) {
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

// say prints one line with the time since the beginning.
func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.Out, "%7.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// title announces a part.
func (s *stage) title(format string, args ...any) {
	fmt.Fprintf(s.Out, "\n"+format+"\n", args...)
}
