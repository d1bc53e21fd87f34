// Package cloudwatch counts what an Application Load Balancer says of its target
// groups, by asking CloudWatch: the balancer sees what pods that died cannot
// report any more. All groups that a source knows are asked for together, once a
// minute whoever asks. It only reads, books each request once, and never makes a
// zero of a minute for which CloudWatch has nothing at all.
//
// Expressions. Requests name one target group behind one load balancer, as the
// dimensions do: "app/shop/50dc6c495c0c9188 targetgroup/shop-1-33/73e2d6bc24d8a067";
// Expression makes that text from ARNs. Errors: any text, such as "5xx", switches
// them on. Latency: the edges of the histogram, "50ms, 100ms, 250ms, 1s". An
// event's count is the name of another metric of target groups.
//
// What is counted (Elastic Load Balancing, "CloudWatch metrics for your Application
// Load Balancer"), each with the dimensions LoadBalancer and TargetGroup:
//
//   - Requests: RequestCount, of requests for which a target could be chosen.
//   - Errors: HTTPCode_Target_5XX_Count, TargetConnectionErrorCount and
//     TargetTLSNegotiationErrorCount, together at most the requests of their minute.
//     CloudWatch does not attribute HTTPCode_ELB_5XX_Count to a group: an answer that
//     a target cut short (502), one that took too long (504) and a group without
//     targets (503, not a request of the group at all) are missing here. They cannot be
//     had as a difference either: clients that left (460) and upgraded connections have
//     no answer of a target too.
//   - Latency: TargetResponseTime, of requests that a target answered, with one trimmed
//     count for each bucket: TC(0.1:0.25) counts the values above 0.1 and up to 0.25,
//     which is a bucket's definition. ("CloudWatch statistics definitions", which does not
//     promise that counts of many values are exact.)
//
// What counts, in doubtful cases:
//
//   - CloudWatch has one number a minute, and shows and changes it for a while after
//     the minute ended. So both ends of a window are moved back by the delay, and a
//     window holds the minutes that ended in it: it begins with requests that came up to
//     the delay and one minute before it. Between two such ends there is nothing new:
//     Unknown, with the time at which the next minute is expected.
//   - "If there are no requests flowing through the load balancer or no data for a
//     metric, the metric is not reported." So a group without a number had no requests
//     if the same minute has a number of the balancer itself, of another of its groups,
//     or of the group's healthy hosts, which are reported while health checks are on.
//     A window none of whose minutes has any of these is Unknown.
//   - A group of which CloudWatch has never shown any number, not even its healthy hosts,
//     is Unknown: its name may be wrong.
//   - The last ten minutes are asked for again each time. What has grown since is booked
//     in the newest minute, so that no answer changes and nothing is lost.
//   - Results that are PartialData, InternalError or Forbidden, and calls that fail, make
//     the sides that need them Failed until the next attempt.
//
// Cost. GetMetricData is charged per metric ($0.01 for 1,000, "Amazon CloudWatch
// Pricing"), not per minute of data. Each minute asks, of each group, for 1 metric,
// 3 more with errors, one more than there are edges with latency, and 1 while the group
// has no requests; and for 1 of each balancer.
package cloudwatch
