package cloudwatch

import (
	"fmt"
	"time"
)

// minute is one minute of CloudWatch's grid, counted from 1970. Load balancers
// send their metrics in intervals of 60 s.
type minute int64

func (m minute) start() time.Time { return time.Unix(int64(m)*60, 0) }

func (m minute) end() time.Time { return (m + 1).start() }

// minuteAt returns the minute that t lies in.
func minuteAt(t time.Time) minute {
	s := t.Unix()
	if s < 0 {
		s -= 59
	}
	return minute(s / 60)
}

// span is the minutes from first to last; none if last is before first.
type span struct{ first, last minute }

func (s span) empty() bool { return s.last < s.first }

func (s span) String() string {
	return fmt.Sprintf("%s to %s", clock(s.first.start()), clock(s.last.end()))
}

// spanOf returns the minutes that ended after from and not after to, both moved
// back by the delay. Adjacent windows have adjacent spans.
func spanOf(from, to time.Time, delay time.Duration) span {
	return span{minuteAt(from.Add(-delay)), minuteAt(to.Add(-delay)) - 1}
}

// settled returns the newest minute that ended the delay ago.
func settled(now time.Time, delay time.Duration) minute { return minuteAt(now.Add(-delay)) - 1 }

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }
