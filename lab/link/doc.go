// Package link is a way between two parts of the lab that can be cut as a network
// is, without root: connections that go over it stand still or are reset.
//
// It promises that what hangs goes on after the end as if TCP had sent it again,
// that deadlines and closing work meanwhile, and that what is cut stays cut for
// connections of before and after. It cannot do what needs a packet filter: the
// kernel accepts a new connection to a Relay before the cut is noticed, so that its
// client waits for the first answer rather than for the connection; and what hung
// goes on at once after the end, without the pauses of TCP's retransmissions.
package link
