// Package cloudwatch is the lab's CloudWatch: GetMetricData, GetMetricStatistics
// and ListMetrics over Smithy RPC v2 CBOR, for the numbers that Application Load
// Balancers report, one data point a minute.
//
// It promises the documented dimensions, statistics, rounding, paging, limits and
// errors, no data point where AWS reports none, and none before its delay has
// passed. It never computes metric math, and forgets its numbers when it ends.
package cloudwatch
