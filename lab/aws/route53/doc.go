// Package route53 is the control plane of the lab's hosted zones: the Route 53
// API of 2013-04-01 over REST/XML.
//
// It promises that a change batch happens entirely or not at all, AWS's limits
// and error texts, and that a change is INSYNC only once the DNS data plane has
// it. Listing shows a change at once; the data plane sees it later. It never
// answers DNS itself.
package route53
