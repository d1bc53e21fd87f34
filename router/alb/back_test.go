package alb

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// TestTakingBackWorksWithWhatIsThere: a rule that has lost one side's target group
// is taken back all the same, and a target group that may be gone is not added for
// nothing, because AWS would refuse it.
func TestTakingBackWorksWithWhatIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		groups []types.TargetGroupTuple
		share  traffic.Share // before
		writes bool
		want   string
	}{
		"the source's group was taken out":           {[]types.TargetGroupTuple{group(newGroup, 40)}, traffic.All, true, "new 0, old 40"},
		"the source's group was taken out, others":   {[]types.TargetGroupTuple{group(newGroup, 40), group(otherGroup, 60)}, traffic.All, true, "new 0, other 60, old 40"},
		"the target's group was taken out":           {[]types.TargetGroupTuple{group(oldGroup, 1)}, 0, false, "old 1"},
		"the target's is 0, the source's is missing": {[]types.TargetGroupTuple{group(newGroup, 0), group(otherGroup, 60)}, 0, false, "new 0, other 60"},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakeWith(forwardTo(c.groups...))
			d := driverOver(f, newClock())
			before, err := d.Read(t.Context(), route(ruleARN))
			if err != nil || before.High() != c.share {
				t.Fatalf("read %s, %v", before.High(), err)
			}
			f.calls = 0
			r, err := d.Write(t.Context(), router.Change{ID: "back", Route: route(ruleARN)})
			if err != nil || r.Share != traffic.None {
				t.Fatalf("%+v, %v", r, err)
			}
			if wrote := f.calls > 1; wrote != c.writes {
				t.Errorf("it took %d calls", f.calls)
			}
			after, err := d.Read(t.Context(), route(ruleARN))
			if err != nil || after.High() != traffic.None || after.Describe() != c.want {
				t.Errorf("it is %s, %v; want %s", after.Describe(), err, c.want)
			}
		})
	}
}
