package cloudwatch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"watari.dev/internal/awsclock"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// API is the part of the SDK's client that a source uses. It must be safe for
// several goroutines, as the SDK's is.
type API interface {
	GetMetricData(context.Context, *sdk.GetMetricDataInput, ...func(*sdk.Options)) (*sdk.GetMetricDataOutput, error)
}

// Config says whom to ask, and how.
type Config struct {
	// AWS is the SDK's configuration, with the region of the load balancers. The
	// role needs cloudwatch:GetMetricData.
	AWS    aws.Config
	Client API // asked instead of a client made from AWS, if given; its API options have awsclock.Watch

	// Queries are asked for from the first call on, before anybody needs them, so
	// that one call serves all. Others are learnt when they are asked.
	Queries []signal.Query

	// Delay is how long after its end a minute is taken, up to 5 s early. CloudWatch shows a
	// balancer's minute after one to three minutes and may change it meanwhile; AWS
	// publishes no number. 0 is 2 min (as Netflix/atlas#1300 found enough).
	Delay time.Duration
	// Timeout is of one round of calls, with all retries of the SDK; 0 is 20 s.
	Timeout time.Duration
	// Retry is how long after a failure CloudWatch is asked again; 0 is 10 s.
	Retry time.Duration

	Now func() time.Time // nil is time.Now
}

// longestLead is how much earlier than due a minute is asked for if somebody
// asks for anything then: the answer is there when windows need it, and callers
// that wait a second for it do not miss it.
const longestLead = 5 * time.Second

// oldest is how long CloudWatch keeps minutes (GetMetricData API reference).
const oldest = 15 * 24 * time.Hour

// Source asks CloudWatch in one region.
type Source struct {
	api                   API
	region                string
	delay, timeout, retry time.Duration
	lead                  time.Duration // by which a minute is asked for before it is due
	now                   func() time.Time

	life    context.Context // of all calls; ends with Close
	end     context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	book   *book
	round  *round // under way; nil: none
	closed bool
}

var _ signal.Source = (*Source)(nil)

// New returns a source. It asks CloudWatch nothing yet.
func New(c Config) (*Source, error) {
	if c.Delay < 0 || c.Timeout < 0 || c.Retry < 0 {
		return nil, fmt.Errorf("cloudwatch: delay %s, timeout %s, retry %s: none may be negative", c.Delay, c.Timeout, c.Retry)
	}
	if c.Client == nil && c.AWS.Region == "" {
		return nil, errors.New("cloudwatch: no region is given: name the one of the load balancers")
	}
	s := &Source{
		api: c.Client, region: c.AWS.Region, now: c.Now, book: newBook(),
		delay: cmp.Or(c.Delay, 2*time.Minute), timeout: cmp.Or(c.Timeout, 20*time.Second), retry: cmp.Or(c.Retry, 10*time.Second),
	}
	s.lead = min(longestLead, s.delay/4)
	if s.api == nil {
		watched := c.AWS.Copy()
		watched.APIOptions = append(slices.Clone(watched.APIOptions), awsclock.Watch)
		s.api = sdk.NewFromConfig(watched)
	}
	if s.now == nil {
		s.now = time.Now
	}
	for _, q := range c.Queries {
		sides, err := sidesOf(q)
		if err != nil {
			return nil, fmt.Errorf("cloudwatch: %w", err)
		}
		for _, w := range sides {
			for _, one := range s.book.needs(w) {
				s.book.open(one).pinned = true
			}
		}
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Close ends calls that are under way and waits for them. Afterwards Counts
// knows only what is known already.
func (s *Source) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.running.Wait()
}

// sidesOf reads a query; a side that is not asked for has no element.
func sidesOf(q signal.Query) (map[traffic.Side]want, error) {
	sides := map[traffic.Side]want{}
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		w, asked, err := wantOf(q, side)
		if err != nil {
			return nil, fmt.Errorf("count signal %s: %w", q.Name, err)
		}
		if asked {
			sides[side] = w
		}
	}
	if len(sides) == 0 {
		return nil, fmt.Errorf("count signal %s: neither side says what its requests are", q.Name)
	}
	return sides, nil
}

// Counts implements signal.Source. Its readings' At is the end of the last minute
// of which CloudWatch has anything of the load balancer. Calls serve all callers
// and outlive them: a caller whose ctx ends first gets Unknown and finds the answer
// when it asks again.
func (s *Source) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	if to.Before(from) {
		return signal.Counts{}, fmt.Errorf("count signal %s: the window ends at %s, before it begins at %s", q.Name, to, from)
	}
	sides, err := sidesOf(q)
	if err != nil {
		return signal.Counts{}, err
	}
	minutes, now := spanOf(from, to, s.delay), s.now()
	var why string
	switch next := minutes.first; {
	case minutes.empty():
		newest := s.newest(now)
		s.join(sides, span{min(minutes.first, newest), newest}) // ahead: nobody waits for it
		why = fmt.Sprintf("nothing new: the minute that ends at %s is expected at %s", clock(next.end()), clock(next.end().Add(s.delay)))
	case minutes.last > settled(now, s.delay):
		why = fmt.Sprintf("the window ends at %s, which is in the future", clock(to))
	case minutes.first.start().Before(now.Add(-oldest)):
		why = fmt.Sprintf("the window begins at %s: CloudWatch keeps minutes for 15 days", from.UTC().Format(time.DateTime))
	default:
		s.ensure(ctx, sides, minutes)
	}
	return signal.Counts{Source: s.reading(sides, traffic.Source, minutes, to, why), Target: s.reading(sides, traffic.Target, minutes, to, why)}, nil
}

// newest returns the newest minute that may be asked for.
func (s *Source) newest(now time.Time) minute { return settled(now, s.delay-s.lead) }

func (s *Source) reading(sides map[traffic.Side]want, side traffic.Side, minutes span, to time.Time, why string) traffic.Reading[traffic.Counts] {
	w, asked := sides[side]
	switch {
	case !asked:
		return unknown("nothing says what its requests are")
	case why != "":
		return unknown("%s", why)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return decideReading(s.book, w, minutes, to)
}

// ensure returns once everything that the sides need is known or has failed, or
// ctx ends. Rounds of calls are shared: one asks for everything that is known to
// be needed when it begins.
func (s *Source) ensure(ctx context.Context, sides map[traffic.Side]want, minutes span) {
	for {
		r := s.join(sides, minutes)
		if r == nil {
			return
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return
		}
	}
}

// join returns the round to wait for, and starts one if there is none; nil if
// nothing is left to ask.
func (s *Source) join(sides map[traffic.Side]want, minutes span) *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	var needs []series
	for _, w := range sides {
		needs = append(needs, s.book.needs(w)...)
	}
	now := s.now()
	s.book.want(needs, minutes.first, now)
	if s.closed || s.book.answered(needs, minutes, now) {
		return nil
	}
	if s.round == nil {
		all, asked := s.book.plan(s.newest(now), now)
		if len(all) == 0 {
			return nil
		}
		s.round = &round{series: all, minutes: asked, done: make(chan struct{})}
		r := s.round
		s.running.Go(func() { s.run(r) })
	}
	return s.round
}
