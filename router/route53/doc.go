// Package route53 moves traffic between two weighted records of one or many
// names of a hosted zone. All names move in one change batch as long as it fits
// AWS's limits; a batch names the records that it replaces, so that AWS itself
// refuses it when somebody else was faster. The driver keeps everything of a
// record but its weight, keeps other weighted records, converts simple records
// only with permission and converts them back, and never leaves a name without
// weight, which Route 53 would take as an equal split.
package route53
