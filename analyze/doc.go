// Package analyze asks what the verdict would have said of counts that were
// recorded: by a migration's journal, in a table, or by a Prometheus server. It
// replays them through the same tests as a live migration, measures with the
// source alone how often these would cry wolf, and writes both as words and as a
// drawing. It is pure: readers and numbers in, data and lines out; it asks no
// server, reads no clock, and whoever wants chance hands it in. It never decides
// anything about a migration that runs.
package analyze
