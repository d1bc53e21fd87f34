// Package prometheus counts by asking a Prometheus server (or what speaks its
// HTTP API: Thanos, Mimir, VictoriaMetrics) for the raw samples of counters. It
// takes differences itself, with resets, and never uses rate or increase, whose
// extrapolation makes requests up; so the same window always has the same answer,
// and adjacent windows add up. It only reads, and never makes a zero of what the
// server did not say.
//
// Expressions are plain selectors such as http_requests_total{code=~"5.."}; sums
// and rates are made here, so PromQL expressions are refused. What counts, in
// doubtful cases:
//
//   - What a counter showed at any time is its last sample at or before, if that is
//     not older than the lookback.
//   - A counter without such a sample is new if its instance (labels job and instance;
//     without the latter its pod or host) was scraped before: other samples or its series
//     up tell. Otherwise its first sample is only what later ones are compared with.
//   - What restarts, dips, new labels and series that are new or come back count for is
//     signal.Sum's. Where a new series shows more than a few, all series of its metric
//     and instance are asked for: it may be one that is not selected, under new labels.
//   - Series that only a label of a pair of servers tells apart (prometheus_replica,
//     replica and the like) are one, if they agree, and counted once; the reading notes it.
//   - An instance in whose name several processes answer in turn makes the side Unknown, as
//     does a series whose newest sample is NaN, until it is a number again.
//   - A side none of whose instances was seen at the window's beginning is Unknown for
//     this window, and so is one without a new sample in the window.
//   - An instance that had the side's counters of requests, has no new sample of these,
//     and whose up is 0 makes the side Failed: it may hide errors. One that is no longer
//     scraped at all (its pod is gone) does not.
//   - Without a new sample of requests nothing is asked of errors, latency and events: at
//     a scrape interval of 15 s and a window a second most windows are of this kind.
//   - Errors or an event whose metric exists without matching series are zero; if the
//     metric itself does not exist, the side is Unknown, because the name is probably wrong.
//   - Counters of one instance that began again at the same scrape are one reset; of
//     counters without an instance each is one.
//   - Native histograms are counted at fixed edges: powers of 2^(1/4) between 122 µs and
//     256 s, or those of the coarsest schema among the processes, which are some of them;
//     with custom buckets (schema -53) at the edges that were seen. Edges inside a bucket
//     of any process are left out. A bucket that is not there is empty, not new. Where
//     requests, errors or an event select one, its count counts.
//   - Of a histogram that a selector takes in both forms, classic and native, one counts.
//   - Buckets have the unit that their metric's name says: seconds, or milliseconds.
//   - A latency that is no histogram is empty, and the reading's Note says why: the labels
//     tell (quantile, no le), or the types that targets declare (/api/v1/metadata) and the
//     names of other series, which are asked for once a minute and fail nothing. Requests,
//     errors and events that are gauges, quantiles or several buckets make the side Unknown.
//   - Skew is the header Date of the quickest answer minus our clock in the middle of its
//     request. Date has whole seconds (RFC 9110, section 6.6.1) and may be of any moment
//     of the request: below 2 s and half the request's duration, Skew is 0. What a cache
//     answered (header Age) is not looked at.
//   - An answer with warnings may be partial (Thanos, remote read), and is Failed.
package prometheus
