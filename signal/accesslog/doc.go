// Package accesslog counts by reading the access log of an Application Load Balancer:
// a file that grows, a directory that S3's files are synced to, or a stream. It keeps
// counts per second and target group, never lines, and writes nothing. No line is
// counted twice; one that comes late is counted in the next window; and what the log
// cannot show is never made a zero.
//
// The format is AWS's (Elastic Load Balancing, "Access logs for your Application Load
// Balancer", Syntax): fields after those that are needed are ignored, since new ones
// are added at the end. AWS logs "on a best-effort basis", so counts may be too low.
//
// Expressions:
//
//   - Requests are target groups, separated by commas: an ARN, or targetgroup/name or
//     targetgroup/name/id, which begin the last part of it. A line without a target
//     group (a fixed response, a redirect, a malformed request) belongs to no side.
//     What the balancer answered for a group (502, 503, 504) belongs to the group's side.
//   - Errors and events are status codes that clients got (elb_status_code), separated by
//     commas: 5xx, 4xx, 429. Clients that left before the answer (460, and 499 as other
//     proxies write it) are not part of 4xx. Paths are not kept, so they cannot be asked for.
//   - Latency is target_processing_time, or those of its edges that are wanted: 100ms,1s.
//     Edges says which there are. A request without that time is in the last bucket if it
//     timed out (504), and otherwise in none.
//
// What counts, in doubtful cases:
//
//   - A line belongs to the moment when the answer was sent (field time). A window holds
//     the lines from Settle before its beginning up to Settle before its end, in whole
//     seconds; the reading's At says so. A line that is read later than that belongs to
//     the moment of its reading, and one that is older than Late is only said in Report.
//   - Lines up to the start are not counted. So a window may begin Settle after the start.
//   - A side is zero if the log has shown it before and its load balancer's log is alive:
//     it has a line of the window, of whatever side, or an access log file for its period.
//     Otherwise the side is Unknown. What another load balancer logs proves nothing.
//   - A file that is missing or cannot be read is Failed. So is a stream that has ended,
//     and a file that is an access log by its name and has no entry.
//   - Other files of a directory prove nothing, are not counted as damaged and are named
//     once, by kind: connection logs, health check logs, logs of other load balancers and
//     services by their names, whatever has another format by its first 256 KiB. A name
//     that begins with a period, and a second file with a name that AWS gives once, are
//     passed over: they are copies, or still being written.
//   - A call of gRPC counts as what it was over HTTP: 200, also when it has failed, because
//     entries do not have grpc-status. The reading's Note says so. HTTP/2 is no gRPC.
//   - Retries are told apart by the header X-Amzn-Trace-Id, which the balancer logs and
//     whose own fields it preserves ("Request tracing for your Application Load Balancer"):
//     Attempt=2 is a retry. Without such a field, one is whatever has the Root and the
//     request line of a request that came before it within the last five minutes; the
//     request line, because services pass a Root on with calls of their own. If the earlier
//     one is read later, it counts as well, since it may have failed. Balancers give each
//     request without a Root a new one: such retries cannot be told apart. Nor can those
//     that say it in headers which entries do not have: x-envoy-attempt-count, and
//     grpc-previous-rpc-attempts of gRPC (proposal A6). Write the number into the trace.
//   - A damaged line is counted in Report and ends nothing. A half-written last line waits
//     for its rest.
//   - A file that was truncated and has grown beyond its old size between two looks looks
//     as if it had only grown. Rotation by rename loses nothing, once between two looks.
//
// Memory: 200 target groups at most, each with about 200 bytes for each second of
// History and Settle that had requests (mostly below 1 MB, and 40 MB if all of them
// always have); 10 MB for retries; 200 bytes for each file in a directory.
package accesslog
