package engine

import (
	"errors"
	"testing"
	"time"

	"watari.dev/traffic"
)

func TestSeveralServicesAddUp(t *testing.T) {
	at := time.Unix(100, 0)
	known := func(n int64) traffic.Reading[traffic.Counts] {
		return traffic.KnownAt(traffic.Counts{Requests: n}, at)
	}
	failed := traffic.FailedAt[traffic.Counts](errors.New("refused"), at)
	var unknown traffic.Reading[traffic.Counts]
	for _, c := range []struct {
		a, b traffic.Reading[traffic.Counts]
		want traffic.State
		n    int64
	}{
		{known(1), known(2), traffic.Known, 3},
		{known(1), unknown, traffic.Unknown, 0}, {unknown, known(1), traffic.Unknown, 0},
		{known(1), failed, traffic.Failed, 0}, {failed, known(1), traffic.Failed, 0},
		{unknown, failed, traffic.Failed, 0}, {failed, unknown, traffic.Failed, 0}, {unknown, unknown, traffic.Unknown, 0},
	} {
		if got := bothOf(c.a, c.b); got.State != c.want || got.Value.Requests != c.n {
			t.Errorf("%v + %v = %v", c.a.State, c.b.State, got)
		}
	}
}
