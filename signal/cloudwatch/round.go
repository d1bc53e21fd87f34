package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"watari.dev/internal/awsclock"
	"watari.dev/signal"
)

// Limits of one GetMetricData (its API reference): metrics, and pages of 100,800
// data points; the second only ends a service that goes round in circles.
const (
	maxQueries = 500
	maxPages   = 1000
)

// round asks once for some minutes of some series, in as few calls as possible.
type round struct {
	series  []series
	minutes span
	done    chan struct{} // closed when the book has the answer
}

// answer is what CloudWatch said of one series.
type answer struct {
	values map[minute]int64
	status types.StatusCode
	said   string // its messages
}

func (s *Source) run(r *round) {
	ctx, cancel := context.WithTimeout(s.life, s.timeout)
	defer cancel()
	answers := map[series]*answer{}
	var skew time.Duration
	var err error
	for chunk := range slices.Chunk(r.series, maxQueries) {
		if skew, err = s.ask(ctx, chunk, r.minutes, answers); err != nil {
			err = s.explained(ctx, err, r)
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	retry := s.now().Add(s.retry)
	if err == nil {
		err = s.elsewhere(skew, r)
	}
	if err == nil {
		s.enter(r, answers, skew, retry)
	} else { // nothing is booked of a round that is not whole: its minutes are asked for again
		for _, one := range r.series {
			s.book.fail(one, err, retry)
		}
	}
	s.round = nil
	close(r.done)
}

// mostSkew is how far our clock may be off: what CloudWatch counted in its minutes
// would be taken for that of others.
const mostSkew = time.Minute

// elsewhere says why answers cannot be used of a CloudWatch whose clock is too far
// from ours. They are asked for again, so that nothing is lost once it is set.
func (s *Source) elsewhere(skew time.Duration, r *round) error {
	if skew.Abs() <= mostSkew {
		return nil
	}
	return fmt.Errorf("CloudWatch in %s: its minutes are not those from %s: %s", s.region, r.minutes, awsclock.Describe(skew, awsclock.ByDate))
}

// enter books the answers.
func (s *Source) enter(r *round, answers map[series]*answer, skew time.Duration, retry time.Time) {
	for m := r.minutes.first; m <= r.minutes.last; m++ {
		if _, known := s.book.skew[m]; !known {
			s.book.skew[m] = skew
		}
	}
	for _, one := range r.series {
		if err := s.whole(one, answers[one], r); err != nil {
			s.book.fail(one, err, retry)
			continue
		}
		s.book.enter(one, r.minutes, answers[one].values)
	}
	s.book.tidy(r.minutes)
}

// whole says why an answer cannot be used.
func (s *Source) whole(one series, a *answer, r *round) error {
	what := fmt.Sprintf("CloudWatch in %s: %s of %s from %s", s.region, one.metric, one.group, r.minutes)
	switch {
	case a == nil:
		return fmt.Errorf("%s is missing in its answer", what)
	case a.status == types.StatusCodeComplete || a.status == "":
		return nil
	case a.status == types.StatusCodePartialData:
		return fmt.Errorf("%s is incomplete (PartialData%s): asked again soon", what, a.said)
	case a.status == types.StatusCodeForbidden:
		return fmt.Errorf("%s may not be read (Forbidden%s): the role needs cloudwatch:GetMetricData, and the account of the load balancer must share its metrics", what, a.said)
	default:
		return fmt.Errorf("%s could not be read (%s%s): asked again soon", what, a.status, a.said)
	}
}

// ask makes one call with all its pages. It returns how far CloudWatch's clock is
// ahead of ours.
func (s *Source) ask(ctx context.Context, chunk []series, minutes span, answers map[series]*answer) (time.Duration, error) {
	in := &sdk.GetMetricDataInput{
		StartTime: aws.Time(minutes.first.start()), EndTime: aws.Time(minutes.last.end()), // exclusive, as is the beginning of the next minute
		ScanBy: types.ScanByTimestampAscending, MetricDataQueries: queriesOf(chunk),
	}
	for range maxPages {
		out, err := s.api.GetMetricData(ctx, in)
		if err != nil {
			return 0, err
		}
		if len(out.Messages) > 0 {
			return 0, fmt.Errorf("it answered in part only%s", said(out.Messages))
		}
		if err := take(out.MetricDataResults, chunk, answers); err != nil {
			return 0, err
		}
		if aws.ToString(out.NextToken) == "" {
			return skewOf(out, s.now()), nil
		}
		in.NextToken = out.NextToken
	}
	return 0, fmt.Errorf("it has more than %d pages of data", maxPages)
}

func queriesOf(chunk []series) []types.MetricDataQuery {
	queries := make([]types.MetricDataQuery, len(chunk))
	for i, one := range chunk {
		dimensions := []types.Dimension{{Name: aws.String("LoadBalancer"), Value: aws.String(one.group.balancer)}}
		if one.group.target != "" {
			dimensions = append(dimensions, types.Dimension{Name: aws.String("TargetGroup"), Value: aws.String(one.group.target)})
		}
		queries[i] = types.MetricDataQuery{Id: aws.String(idOf(i)), MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: aws.String(namespace), MetricName: aws.String(one.metric), Dimensions: dimensions},
			Period: aws.Int32(60), Stat: aws.String(one.stat),
		}}
	}
	return queries
}

// idOf is the name of a query within its call: it must begin with a small letter.
func idOf(i int) string { return "m" + strconv.Itoa(i) }

// take adds one page of results. A later page's status replaces an earlier one's:
// "PartialData means that an incomplete set of data points were returned. You can
// use the NextToken value" (MetricDataResult).
func take(results []types.MetricDataResult, chunk []series, answers map[series]*answer) error {
	for _, r := range results {
		i, err := strconv.Atoi(aws.ToString(r.Id)[min(1, len(aws.ToString(r.Id))):])
		if err != nil || i < 0 || i >= len(chunk) || idOf(i) != aws.ToString(r.Id) || len(r.Timestamps) != len(r.Values) {
			return fmt.Errorf("it answered with a result %q that makes no sense", aws.ToString(r.Id))
		}
		a := answers[chunk[i]]
		if a == nil {
			a = &answer{values: map[minute]int64{}}
			answers[chunk[i]] = a
		}
		a.status, a.said = r.StatusCode, said(r.Messages)
		for n, at := range r.Timestamps {
			v, ok := signal.CounterValue(r.Values[n] + 0.5) // a whole number, written as one with a fraction
			if !ok {
				return fmt.Errorf("it says that %s of %s was %v at %s, which is not a count", chunk[i].metric, chunk[i].group, r.Values[n], clock(at))
			}
			a.values[minuteAt(at)] = v
		}
	}
	return nil
}

func said(messages []types.MessageData) (text string) {
	for _, m := range messages {
		text += ": " + aws.ToString(m.Code) + " " + aws.ToString(m.Value)
	}
	return text
}

// leastSkew is below what a difference says nothing: an answer's Date has whole
// seconds and was written before it came.
const leastSkew = 2 * time.Second

// skewOf compares the Date of an answer with our clock; 0 where there is none that
// can be believed.
func skewOf(out *sdk.GetMetricDataOutput, now time.Time) time.Duration {
	at, ok := awsclock.Served(out.ResultMetadata)
	if skew := at.Sub(now).Round(time.Second); ok && skew.Abs() >= leastSkew {
		return skew
	}
	return 0
}

// explained says why a round failed and what to do.
func (s *Source) explained(ctx context.Context, err error, r *round) error {
	text := fmt.Sprintf("CloudWatch in %s: ask for %d metrics from %s", s.region, len(r.series), r.minutes)
	switch advice := adviceFor(err); {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer within %s: %w", text, s.timeout, err)
	case advice != "":
		return fmt.Errorf("%s: %s: %w", text, advice, err)
	default:
		return fmt.Errorf("%s: %w", text, err)
	}
}
