// Package proc starts, finds and stops the processes of one lab.
//
// Every process that it starts carries a mark in its environment: the absolute
// directory of the lab. Children inherit the mark, so that everything a lab
// ever started can be found again after any of its parents was killed. A
// signal is sent only to a process whose mark and start time have been checked
// through a handle that cannot pass on to another process: a process that
// merely got the same number is never hit. A started process dies with the
// process that started it.
//
// It needs Linux 5.3 or later (/proc, pidfd_open).
package proc
