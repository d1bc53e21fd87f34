package accesslog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// Standard is the path of the standard input.
const Standard = "-"

// Config says which log to read, and how. Either Path or Stream is given.
type Config struct {
	// Path is a file that grows, which may be rotated by rename or by truncation and
	// need not be there yet; or a directory, of which every *.log and *.log.gz in it
	// and below is read: *.log as they grow, *.log.gz once they are whole, and neither
	// is renamed there nor a link. Times in their names end the period that they are
	// for. "-" is the standard input.
	Path string
	// Stream is read until Run ends. It is closed then if it is an io.Closer, because
	// that is what ends a reading that waits.
	Stream io.Reader

	Interval time.Duration // between two looks; 0 is 500 ms, for a directory 10 s
	// Settle is how long a line may take from the answer until it can be read. 0 is
	// 2 s, for a directory 6 min: AWS publishes a file every 5 min, and somebody must
	// fetch it.
	Settle  time.Duration
	Late    time.Duration // how old a line may be when it is read; older ones are not counted; 0 is 1 h
	History time.Duration // how far back windows may begin; 0 is 10 min

	Attempts     Attempts // which attempts count; empty is FirstAttempts
	AttemptField string   // of X-Amzn-Trace-Id with the attempt's number, from 1 on; empty is Attempt
}

// Report is what was read since the start, in lines.
type Report struct {
	Lines   int64  // all of them
	Retries int64  // not counted because the first attempt is
	Before  int64  // not counted because they are from before the start
	Late    int64  // not counted because they came too late
	Ignored int64  // not counted because AWS does not document their type
	GRPC    int64  // counted as they were answered over HTTP, which does not say whether a call failed
	Damaged int64  // not readable
	Example string // the first damaged line and what is wrong with it, shortened

	Foreign []Foreign // files that are no access log, by what they are; they were not counted and prove nothing
}

// Notes says in words what was left out; nothing if every line was counted.
func (r Report) Notes() (out []string) {
	for _, n := range []struct {
		count int64
		what  string
	}{
		{r.Retries, "retries, not counted"},
		{r.Late, "lines that came too late, not counted"},
		{r.GRPC, "calls of gRPC, whose failures are not seen"},
		{r.Ignored, "lines of a type that AWS does not document, not counted"},
		{r.Damaged, "damaged lines, not counted (the first: " + r.Example + ")"},
	} {
		if n.count > 0 {
			out = append(out, fmt.Sprintf("%s: %d", n.what, n.count))
		}
	}
	for _, f := range r.Foreign {
		out = append(out, fmt.Sprintf("%s, not read: %d", f, f.Files))
	}
	return out
}

// remarks says what was left out as Notes does, without numbers: a text that stays the
// same is said once.
func (r Report) remarks() (out []string) {
	if r.Damaged > 0 {
		out = append(out, "lines that cannot be read are not counted (the first: "+r.Example+")")
	}
	if r.Late > 0 {
		out = append(out, "lines that came too late are not counted")
	}
	var kinds []string
	for _, f := range r.Foreign {
		kinds = append(kinds, f.String())
	}
	if len(kinds) > 0 {
		out = append(out, "files that are no access logs are not read: "+strings.Join(kinds, ", "))
	}
	return out
}

// input is one of the kinds of log.
type input interface {
	// open begins to read; look reads what is there now and gives it to the source.
	open(s *Source)
	look(ctx context.Context, s *Source) error
	close()
}

// Source reads while Run runs and answers from what it has seen.
type Source struct {
	name     string // of the log, for messages
	interval time.Duration
	all      bool // attempts count
	input    input
	now      func() time.Time
	ran      atomic.Bool

	mu       sync.Mutex
	history  history
	attempts *attempts
	trouble  error // that does not go away
}

var _ signal.Source = (*Source)(nil)

// New returns a source that has not read anything yet.
func New(c Config) (*Source, error) {
	if c.Interval < 0 || c.Settle < 0 || c.Late < 0 || c.History < 0 {
		return nil, fmt.Errorf("access log: interval %s, settle %s, late %s, history %s: none may be negative", c.Interval, c.Settle, c.Late, c.History)
	}
	if c.Attempts != "" && c.Attempts != FirstAttempts && c.Attempts != AllAttempts {
		return nil, fmt.Errorf("access log: attempts %q is neither %s nor %s", c.Attempts, FirstAttempts, AllAttempts)
	}
	if strings.ContainsAny(c.AttemptField, "=; ") {
		return nil, fmt.Errorf("access log: %q cannot be the name of a field of X-Amzn-Trace-Id", c.AttemptField)
	}
	in, name, err := inputOf(c)
	if err != nil {
		return nil, err
	}
	interval, settle := 500*time.Millisecond, 2*time.Second
	if _, is := in.(*directory); is {
		interval, settle = 10*time.Second, period+time.Minute
	}
	return &Source{
		name: name, input: in, now: time.Now, all: c.Attempts == AllAttempts,
		interval: cmp.Or(c.Interval, interval),
		attempts: newAttempts(cmp.Or(c.AttemptField, "Attempt")),
		history: history{
			settle: cmp.Or(c.Settle, settle), keep: cmp.Or(c.History, 10*time.Minute), late: cmp.Or(c.Late, time.Hour),
			groups: map[string]*group{}, balancers: map[string]*balancer{},
		},
	}, nil
}

func inputOf(c Config) (in input, name string, err error) {
	switch {
	case (c.Path == "") == (c.Stream == nil):
		return nil, "", errors.New("access log: give either a path or a stream")
	case c.Path == Standard:
		return &stream{from: os.Stdin, name: "the standard input"}, "the standard input", nil
	case c.Stream != nil:
		return &stream{from: c.Stream, name: "the stream"}, "the stream", nil
	}
	info, err := os.Stat(c.Path)
	switch {
	case err == nil && info.IsDir():
		return newDirectory(c.Path), c.Path, nil
	case err == nil && !info.Mode().IsRegular():
		return nil, "", fmt.Errorf("access log: %s is neither a file nor a directory: open it and give it as a stream", c.Path)
	default: // a file that is not there yet may come
		return &file{path: c.Path}, c.Path, nil
	}
}

// Run looks at once and then at each interval, until ctx is done. It returns nil
// then, and may be called once.
func (s *Source) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return fmt.Errorf("access log %s: it was read already: make a new source", s.name)
	}
	s.begin()
	defer s.input.close()
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		s.look(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	return nil
}

// begin sets the start: what was answered up to now is not counted.
func (s *Source) begin() {
	s.mu.Lock()
	s.history.start = s.now()
	s.mu.Unlock()
	s.input.open(s)
}

// look reads what is new and remembers what came of it. A look that its owner ended
// says nothing about the log and is not remembered.
func (s *Source) look(ctx context.Context) {
	err := s.input.look(ctx, s)
	if ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.trouble
	}
	if err != nil {
		err = fmt.Errorf("read access log %s: %w", s.name, err)
	}
	s.history.looked(s.history.moment(s.now()), err)
}

// read counts what came from the log. use gets a function that takes one line.
func (s *Source) read(use func(line func([]byte))) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moment := s.history.moment(s.now())
	use(func(text []byte) { s.count(text, moment) })
}

func (s *Source) count(text []byte, moment time.Time) {
	if len(text) == 0 {
		return
	}
	r := &s.history.report
	r.Lines++
	l, err := parseLine(text)
	if err != nil {
		if r.Damaged++; r.Damaged == 1 {
			r.Example = fmt.Sprintf("%.120q: %v", text, err)
		}
		return
	}
	again := l.known && s.attempts.again(l, moment)
	if err := s.history.add(l, moment, again && !s.all); err != nil && s.trouble == nil {
		s.trouble = err
	}
}

// joined makes one error of several on one line; nil of none.
func joined(errs []error) error {
	var texts []string
	for _, err := range errs {
		if err != nil {
			texts = append(texts, err.Error())
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "; "))
}

// Report returns what was read so far.
func (s *Source) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.history.report
	r.Foreign = slices.Clone(r.Foreign)
	return r
}

// Counts implements signal.Source. It answers at once, from memory.
func (s *Source) Counts(_ context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	if to.Before(from) {
		return signal.Counts{}, fmt.Errorf("count signal %s: the window ends at %s, before it begins at %s", q.Name, to, from)
	}
	if q.Requests.Source == "" && q.Requests.Target == "" {
		return signal.Counts{}, fmt.Errorf("count signal %s: neither side says what its requests are", q.Name)
	}
	source, sourceErr := wantedOf(q, traffic.Source)
	target, targetErr := wantedOf(q, traffic.Target)
	if err := errors.Join(sourceErr, targetErr); err != nil {
		return signal.Counts{}, fmt.Errorf("count signal %s: %w", q.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history.answer(to, s.now())
	w := windowOf(from, to)
	counts := signal.Counts{Source: s.side(source, w), Target: s.side(target, w)}
	if counts.Source.State == traffic.Known { // what is said of the whole log is said at one side
		counts.Source.Note = joinedNotes(append([]string{counts.Source.Note}, s.history.report.remarks()...)...)
	}
	return counts, nil
}

func (s *Source) side(want wanted, w window) traffic.Reading[traffic.Counts] {
	if len(want.groups) == 0 {
		return unknown("nothing says what its requests are")
	}
	return s.history.reading(s.name, want, w)
}
