package cloudwatch

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"time"

	"watari.dev/lab/aws/wire"
)

// Limits of GetMetricData (its API reference).
const (
	maxQueries    = 500
	maxDatapoints = 100_800
)

var idForm = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

type getMetricDataInput struct {
	MetricDataQueries []metricDataQuery
	StartTime         *time.Time
	EndTime           *time.Time
	NextToken         *string
	ScanBy            string
	MaxDatapoints     *int64
}

type metricDataQuery struct {
	Id         string
	AccountId  *string
	Expression *string
	Label      *string
	MetricStat *metricStat
	ReturnData *bool
}

type metricStat struct {
	Metric *metricName
	Period *int64
	Stat   string
	Unit   string
}

type getMetricDataOutput struct {
	MetricDataResults []*metricDataResult
	NextToken         string        `cbor:",omitempty"`
	Messages          []messageData // of the whole request
}

type metricDataResult struct {
	Id         string
	Label      string
	StatusCode string
	Timestamps []time.Time
	Values     []float64
}

type messageData struct{ Code, Value string }

// datum is one value of the answer before it is cut into pages.
type datum struct {
	query int
	at    time.Time
	value float64
}

func (s *Service) getMetricData(in getMetricDataInput) (getMetricDataOutput, *wire.Error) {
	if err := s.checkMetricData(in); err != nil {
		return getMetricDataOutput{}, err
	}
	var data []datum
	out := getMetricDataOutput{MetricDataResults: make([]*metricDataResult, len(in.MetricDataQueries)), Messages: []messageData{}}
	for i, q := range in.MetricDataQueries {
		label := q.MetricStat.Metric.MetricName
		if q.Label != nil {
			label = *q.Label
		}
		out.MetricDataResults[i] = &metricDataResult{Id: q.Id, Label: label, StatusCode: "Complete", Timestamps: []time.Time{}, Values: []float64{}}
		found, err := s.data(i, q, *in.StartTime, *in.EndTime)
		if err != nil {
			return getMetricDataOutput{}, err
		}
		data = append(data, found...)
	}
	slices.SortStableFunc(data, func(a, b datum) int {
		if in.ScanBy == "TimestampAscending" {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.query, b.query))
		}
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.query, b.query))
	})
	if err := page(in, data, &out); err != nil {
		return getMetricDataOutput{}, err
	}
	out.MetricDataResults = slices.DeleteFunc(out.MetricDataResults, func(r *metricDataResult) bool { return r == nil })
	return out, nil
}

// data computes one query.
func (s *Service) data(i int, q metricDataQuery, start, end time.Time) ([]datum, *wire.Error) {
	compute, err := parseStatistic(q.MetricStat.Stat)
	if err != nil {
		return nil, err
	}
	if u := q.MetricStat.Unit; u != "" && u != unitOf(q.MetricStat.Metric.MetricName) {
		return nil, nil // "If you specify a unit that does not match the data collected, the results are null"
	}
	var out []datum
	for _, p := range s.points(*q.MetricStat.Metric, start, end, time.Duration(*q.MetricStat.Period)*time.Second) {
		out = append(out, datum{i, p.at, compute(p.values)})
	}
	return out, nil
}

// page puts into the answer what belongs to the page that is asked for. A result
// whose data go on behind the page is PartialData.
func page(in getMetricDataInput, data []datum, out *getMetricDataOutput) *wire.Error {
	size := maxDatapoints
	if in.MaxDatapoints != nil {
		size = int(*in.MaxDatapoints)
	}
	first, digest := 0, in.digest()
	if in.NextToken != nil {
		var ok bool
		if first, ok = readToken(*in.NextToken, digest); !ok || first > len(data) {
			return wire.Errorf("InvalidNextToken", "The next token specified is invalid.")
		}
	}
	end := min(first+size, len(data))
	for _, d := range data[first:end] {
		r := out.MetricDataResults[d.query]
		r.Timestamps, r.Values = append(r.Timestamps, d.at), append(r.Values, d.value)
	}
	for _, d := range data[end:] {
		out.MetricDataResults[d.query].StatusCode = "PartialData"
	}
	if end < len(data) {
		out.NextToken = writeToken(end, digest)
	}
	for i, q := range in.MetricDataQueries {
		if q.ReturnData != nil && !*q.ReturnData {
			out.MetricDataResults[i] = nil
		}
	}
	return nil
}

// digest tells requests apart, so that a token is taken only by its own.
func (in getMetricDataInput) digest() [8]byte {
	text := fmt.Sprint(in.StartTime.Unix(), in.EndTime.Unix(), in.ScanBy)
	for _, q := range in.MetricDataQueries {
		text += fmt.Sprint(" ", q.Id, *q.MetricStat.Metric, *q.MetricStat.Period, q.MetricStat.Stat)
	}
	sum := sha256.Sum256([]byte(text))
	return [8]byte(sum[:8])
}

func writeToken(next int, digest [8]byte) string {
	return base64.URLEncoding.EncodeToString(binary.BigEndian.AppendUint64(digest[:], uint64(next)))
}

func readToken(token string, digest [8]byte) (int, bool) {
	b, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(b) != 16 || [8]byte(b[:8]) != digest {
		return 0, false
	}
	return int(min(binary.BigEndian.Uint64(b[8:]), 1<<31)), true
}

func (s *Service) checkMetricData(in getMetricDataInput) *wire.Error {
	if err := checkTimes(in.StartTime, in.EndTime); err != nil {
		return err
	}
	switch n := len(in.MetricDataQueries); {
	case n == 0:
		return wire.Errorf("MissingParameter", "The request must contain the parameter MetricDataQueries.")
	case n > maxQueries:
		return wire.Errorf("ValidationError", "The collection MetricDataQueries must not have a size greater than %d.", maxQueries)
	case in.ScanBy != "" && in.ScanBy != "TimestampAscending" && in.ScanBy != "TimestampDescending":
		return wire.Errorf("ValidationError", "The value %s for parameter ScanBy is invalid.", in.ScanBy)
	case in.MaxDatapoints != nil && (*in.MaxDatapoints < 1 || *in.MaxDatapoints > maxDatapoints):
		return wire.Errorf("ValidationError", "The parameter MaxDatapoints must be between 1 and %d.", maxDatapoints)
	}
	ids := make(map[string]bool)
	for i, q := range in.MetricDataQueries {
		if ids[q.Id] {
			return wire.Errorf("ValidationError", "The values for parameter id in MetricDataQueries are not unique: %s.", q.Id)
		}
		ids[q.Id] = true
		if err := s.checkQuery(fmt.Sprintf("MetricDataQueries.member.%d", i+1), q); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkQuery(where string, q metricDataQuery) *wire.Error {
	switch {
	case !idForm.MatchString(q.Id):
		return wire.Errorf("ValidationError", "The value %s for parameter %s.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.", q.Id, where)
	case (q.Expression == nil) == (q.MetricStat == nil):
		return wire.Errorf("ValidationError", "The parameter %s must have either Expression or MetricStat, and not both.", where)
	case q.Expression != nil:
		return wire.Errorf("ValidationError", "The parameter %s.Expression is not supported: this emulator has no metric math, no SEARCH and no Metrics Insights.", where)
	case q.AccountId != nil && *q.AccountId != s.opts.Account:
		return wire.Errorf("ValidationError", "The parameter %s.AccountId is %s; this emulator knows %s only.", where, *q.AccountId, s.opts.Account)
	case q.MetricStat.Metric == nil || q.MetricStat.Period == nil || q.MetricStat.Stat == "":
		return wire.Errorf("ValidationError", "The parameter %s.MetricStat must have Metric, Period and Stat.", where)
	}
	return checkPeriod(*q.MetricStat.Period)
}
