package bench

import (
	"strings"
	"testing"
	"time"
)

// TestMeasure measures an hour of a small migration without the program.
func TestMeasure(t *testing.T) {
	size := Size{Services: 1, Routes: 1, Lasts: time.Hour}
	r, err := Measure(Options{Dir: t.TempDir(), Saves: 3, Segment: 256 << 10}, size)
	if err != nil {
		t.Fatal(err)
	}
	if r.Before == 0 || r.After >= r.Before || r.Lines < 4*r.Before || r.Saves > 3600/4 || r.Alone.Most == 0 {
		t.Errorf("%+v, simulated in %s", r, r.Took)
	}
	var out strings.Builder
	if err := Write(&out, []Result{r}); err != nil || !strings.Contains(out.String(), "| 1 service, 1 route, 1 hour |") {
		t.Errorf("%v in\n%s", err, out.String())
	}
}
