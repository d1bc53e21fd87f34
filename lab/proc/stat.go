package proc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of start times in /proc/PID/stat. The kernel has
// given it to user space as 100 on every architecture Go supports (proc(5),
// USER_HZ).
const ticksPerSecond = 100

// stat is the part of /proc/PID/stat that tells processes apart.
type stat struct {
	comm   string
	state  byte
	parent int
	flags  uint64
	start  uint64 // ticks after boot
}

var errStat = errors.New("not in the form of proc(5)")

// parseStat reads the content of /proc/PID/stat. The command stands in
// parentheses and may itself hold parentheses and blanks, so the fields are
// counted from the last closing one.
func parseStat(content string) (stat, error) {
	open, end := strings.IndexByte(content, '('), strings.LastIndexByte(content, ')')
	if open < 0 || end < open {
		return stat{}, errStat
	}
	fields := strings.Fields(content[end+1:])
	const flagsField, startField = 6, 19 // fields 9 and 22 of the line; the first after the command is field 3
	if len(fields) <= startField || len(fields[0]) != 1 {
		return stat{}, errStat
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return stat{}, fmt.Errorf("parent: %w", errStat)
	}
	flags, err := strconv.ParseUint(fields[flagsField], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("flags: %w", errStat)
	}
	start, err := strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("start time: %w", errStat)
	}
	return stat{comm: content[open+1 : end], state: fields[0][0], parent: parent, flags: flags, start: start}, nil
}

// ended reports whether the process is dead and only waits for its parent.
func (s stat) ended() bool { return s.state == 'Z' || s.state == 'X' }

// kernelThread reports whether it has no program (PF_KTHREAD of linux/sched.h).
func (s stat) kernelThread() bool { return s.flags&0x00200000 != 0 }

// parseBootTime reads the moment of boot from the content of /proc/stat.
func parseBootTime(content string) (time.Time, error) {
	for line := range strings.Lines(content) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "btime ")
		if !ok {
			continue
		}
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("btime: %w", errStat)
		}
		return time.Unix(seconds, 0), nil
	}
	return time.Time{}, fmt.Errorf("no btime: %w", errStat)
}

// startedAt turns ticks after boot into a time.
func startedAt(boot time.Time, ticks uint64) time.Time {
	return boot.Add(time.Duration(ticks) * (time.Second / ticksPerSecond))
}
