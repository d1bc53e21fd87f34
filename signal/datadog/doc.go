// Package datadog counts by asking Datadog for the points of COUNT and RATE metrics on
// a fixed grid of cells, which it adds up itself; so adjacent windows add up. It only
// reads. It never fills, smooths or estimates, and never makes a zero of a point that
// may be missing. Its keys come from files or the environment, and never stand in an
// error. Latency is not available from it.
//
// Expressions are plain sums, sum:trace.http.request.hits{env:prod,cluster:a}.as_count(),
// to which it adds .rollup(sum, N). as_count() "disables any interpolation" and "sets the
// time aggregator to SUM" (docs.datadoghq.com/metrics/type_modifiers), and rollup cells
// are "aligned to UNIX time" (docs.datadoghq.com/dashboards/functions/rollup).
// What counts, in doubtful cases:
//
//   - A cell is taken once Delay has passed since its end. A window holds the cells that
//     were taken after its beginning and up to its end; while there are none it is Unknown.
//   - A cell without a point is zero if the metric has a point before and a point after
//     it, and both are at most Alive apart. DogStatsD sends zeros for that long; APM's
//     metrics have no point where there was no request.
//   - Cells without a point at the end of a window may be late: the window is Unknown, and
//     they are read again until a later point comes, or until Alive has passed.
//   - Errors and events without a point are zero wherever the requests are known, if
//     Datadog knows a metric of their name; otherwise the side is Unknown.
//   - A metric that Datadog calls a gauge or a distribution is refused: as_count() does
//     nothing to a gauge, and the sum of a distribution adds up values.
//   - A metric whose points come further apart than the cells is not counted: its points
//     come later than Delay says.
//   - An answer with errors, or on another grid than was asked for, is Failed.
//
// Points come with POST /api/v2/query/timeseries
// (docs.datadoghq.com/api/latest/metrics/query-timeseries-data-across-multiple-products):
// many queries in one request, which are told apart by their index; the beginning
// inclusive, the end exclusive, and the interval, all in milliseconds. The older
// GET /api/v1/query promises neither end, and names the unit of its interval differently
// from page to page.
//
// Latency: Datadog's pages describe queries that count a distribution's values below a
// threshold in the web interface only (docs.datadoghq.com/metrics/distributions). How
// they are written, and what as_count and rollup make of them, they do not say.
package datadog
