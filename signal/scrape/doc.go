// Package scrape counts by reading metrics endpoints itself, every second or so:
// the Prometheus text format and OpenMetrics, plain or gzipped, no Prometheus
// server needed. Expressions are PromQL vector selectors of counters; several
// endpoints add up. What it has seen of a counter at any time is what the last
// successful scrape at or before that time showed, so windows add up exactly.
// It remembers only the series that its queries select, up to a number and for a
// bounded time, writes nothing, and never makes a zero of what it could not see.
//
// What counts, in doubtful cases:
//
//   - On an endpoint's first scrape counters are only what later scrapes are
//     compared with. What restarts, dips, new labels and series that are new or come
//     back count for is signal.Sum's: the series of one endpoint with the same labels
//     job and instance are one process.
//   - An endpoint behind which several processes answer in turn makes the side Unknown,
//     as does a series that shows NaN, until it shows a number again.
//   - A side whose counters are on an endpoint that did not answer during the
//     window is Failed, even if other endpoints did: the missing one may hide
//     errors. An endpoint that never answered may hide either side and fails both.
//     Endpoints that answered without series of a side do not matter for that side.
//   - Errors or an event whose metric is there without matching series are zero: client
//     libraries create a labelled counter with its first error. If the metric itself
//     is nowhere, the side is Unknown, because the name is probably wrong. (Prometheus,
//     "Instrumentation: avoid missing metrics", asks for counters initialised to 0.)
//   - Latencies that are no histogram, by their labels or TYPE line, are empty, and the
//     reading's Note says why. A native histogram is one of these: text shows no bucket
//     of it but le="+Inf" (Prometheus, "Native histograms: exposition formats"), and
//     protobuf is not asked for. A Prometheus server reads it; use the signal prometheus.
//   - Counters that began again on one scrape of an endpoint are one reset for each
//     process. All is timed by our own clock: Skew is 0.
//   - Gauges and summaries are not counters and match nothing; where one is asked for, the
//     side is Unknown and says so. Timestamps that an endpoint writes are ignored: a value
//     belongs to the scrape that showed it.
package scrape
