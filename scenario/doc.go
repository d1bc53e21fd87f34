// Package scenario plays the published migrations end to end in the lab, the way
// a team would do them: real clusters, the AWS API, the watari command itself as
// a process of its own, and users who are counted one by one. A scenario says
// before it starts what must come true, and fails if it does not. What it breaks
// belongs to it: the database behind both sides and the way to the metrics. It
// reaches the product only through its command line and its files.
package scenario
