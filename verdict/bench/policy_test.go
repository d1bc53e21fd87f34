package bench

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// part is a span of seconds of one migration, each with the same numbers.
type part struct {
	seconds        int
	source, target Tally
}

// firstRollback feeds the parts one after the other and returns the second after
// which the policy rolled back; 0 if it did not.
func firstRollback(p Policy, parts ...part) int {
	at := 0
	for _, part := range parts {
		for range part.seconds {
			if p.Second(Second{At: at, Share: 0.05, Step: 1, Source: part.source, Target: part.target}) {
				return at + 1
			}
			at++
		}
	}
	return 0
}

// second is one second with numbers of the target, to be followed by empty ones.
func second(requests, errors int64) part {
	return part{seconds: 1, target: Tally{requests, errors}}
}

func empty(seconds int) part { return part{seconds: seconds} }

type policyCase struct {
	name  string
	parts []part
	want  int
}

func check(t *testing.T, create func() Policy, cases []policyCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := firstRollback(create(), c.parts...); got != c.want {
				t.Errorf("rolled back after %d s, not %d", got, c.want)
			}
		})
	}
}

func TestArgoByTheCode(t *testing.T) {
	check(t, func() Policy { return NewArgo(ArgoCode) }, []policyCase{
		{"exactly 95 % succeed", []part{second(600, 30), empty(59)}, 0},
		{"one less", []part{second(600, 31), empty(59)}, 60},
		{"in the last second of the minute", []part{second(569, 0), empty(58), second(31, 31)}, 60},
		{"divided between two minutes", []part{second(600, 0), empty(58), second(31, 31), second(569, 0), empty(59)}, 0},
		{"in the third minute", []part{{seconds: 120, target: Tally{10, 0}}, {seconds: 60, target: Tally{10, 1}}}, 180},
		{"no request at all", []part{empty(60)}, 60},
		{"the source does not matter", []part{{seconds: 600, source: Tally{190, 190}, target: Tally{10, 0}}}, 0},
	})
}

func TestArgoByItsExample(t *testing.T) {
	bad, good := part{seconds: 300, target: Tally{10, 1}}, part{seconds: 300, target: Tally{10, 0}}
	check(t, func() Policy { return NewArgo(ArgoExample) }, []policyCase{
		{"three failed measurements are allowed", []part{bad, bad, bad, good}, 0},
		{"the fourth is not", []part{bad, bad, bad, bad}, 1200},
		{"nor if others lie between", []part{bad, good, bad, good, bad, good, bad}, 2100},
	})
}

func TestFlaggerByTheCode(t *testing.T) {
	check(t, func() Policy { return NewFlagger(FlaggerCode) }, []policyCase{
		{"exactly 99 % succeed", []part{second(600, 6), empty(59), {seconds: 60, target: Tally{10, 0}}}, 0},
		{"one less, and the next tick", []part{second(600, 7), empty(59), {seconds: 60, target: Tally{10, 0}}}, 120},
		{"no value is a failed check", []part{empty(120)}, 120},
		{"in the second minute", []part{{seconds: 60, target: Tally{10, 0}}, {seconds: 120, target: Tally{10, 1}}}, 180},
	})
}

func TestFlaggerByItsExample(t *testing.T) {
	bad, good := part{seconds: 60, target: Tally{10, 1}}, part{seconds: 60, target: Tally{10, 0}}
	ten := []part{bad, good, bad, bad, bad, bad, bad, bad, bad, bad, bad}
	check(t, func() Policy { return NewFlagger(FlaggerExample) }, []policyCase{
		{"ten failed checks", ten, 0},
		{"and the next tick", append(ten, good), 720},
	})
}

func TestThreshold(t *testing.T) {
	check(t, func() Policy { return NewThreshold() }, []policyCase{
		{"three errors need no more requests", []part{second(3, 3)}, 1},
		{"two errors of 49", []part{second(49, 2)}, 0},
		{"two errors of 50", []part{second(49, 2), second(1, 0)}, 2},
		{"one of 100 is allowed", []part{second(100, 1)}, 0},
		{"one of 99 is not", []part{second(99, 1)}, 1},
		{"3 of 300", []part{second(100, 0), second(200, 3)}, 0},
		{"4 of 300", []part{second(100, 0), second(200, 4)}, 2},
		{"two errors 29 s apart", []part{second(100, 1), empty(28), second(0, 1)}, 30},
		{"two errors 30 s apart", []part{second(100, 1), empty(29), second(100, 1)}, 0},
	})
}

// minute is a minute of a source with 10000 requests and a target with 1000.
func minute(source, target int64) []part {
	return []part{{1, Tally{10000, source}, Tally{1000, target}}, empty(59)}
}

func minutesOf(source, target [10]int64) (out []part) {
	for i := range source {
		out = append(out, minute(source[i], target[i])...)
	}
	return out
}

func TestKayenta(t *testing.T) {
	few := [10]int64{10, 11, 12, 13, 14, 15, 16, 17, 18, 19}             // of 10000
	bad := [10]int64{50, 51, 52, 53, 54, 55, 56, 57, 58, 59}             // of 1000
	equal := [10]int64{1, 2, 1, 2, 1, 2, 1, 2, 1, 2}                     // of 1000: around the source's ratio
	nothing, one := [10]int64{}, [10]int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1} // constants
	late := append(minutesOf(few, equal), minutesOf(few, bad)...)
	cases := []policyCase{
		{"every sample is worse", minutesOf(few, bad), 600},
		{"nine minutes are not enough", minutesOf(few, bad)[:18], 0},
		{"as good", minutesOf(few, equal), 0},
		{"better", minutesOf([10]int64{500, 510, 520, 530, 540, 550, 560, 570, 580, 590}, equal), 0},
		{"no error on either side", minutesOf(nothing, nothing), 0},
		{"a constant above a constant", minutesOf(nothing, one), 600},
		{"no traffic on the target", []part{{seconds: 600, source: Tally{190, 1}}}, 0},
	}
	for _, cfg := range []KayentaConfig{KayentaGrowing, KayentaSliding} {
		check(t, func() Policy { return NewKayenta(cfg) }, cases)
	}
	check(t, func() Policy { return NewKayenta(KayentaSliding) }, []policyCase{{"late", late, 1200}})
}

func TestOursFindsWhatIsBadAndLeavesWhatIsNot(t *testing.T) {
	usual := part{seconds: 600, source: Tally{190, 0}, target: Tally{10, 0}}
	both := part{seconds: 600, source: Tally{190, 95}, target: Tally{10, 5}}
	target := part{seconds: 600, source: Tally{190, 0}, target: Tally{10, 5}}
	for _, setting := range []Setting{Product1s, Unit1s, Unit30s, Hybrid} {
		create := oursOf(setting)
		if got := firstRollback(create(), usual, both); got != 0 {
			t.Errorf("%s: rolled back after %d s although both sides are alike", setting.Label, got)
		}
		got := firstRollback(create(), usual, target)
		if got <= 600 || got > 600+300 {
			t.Errorf("%s: a target that fails half from second 600 on was taken back after %d s", setting.Label, got)
		}
		if again := firstRollback(create(), usual, target); again != got {
			t.Errorf("%s: %d s, and %d s in a second migration", setting.Label, got, again)
		}
	}
}

func TestContendersAreNew(t *testing.T) {
	names := map[string]bool{}
	for _, p := range newPolicies() {
		if names[p.Name()] || p.Name() == "" {
			t.Errorf("%q twice", p.Name())
		}
		names[p.Name()] = true
	}
	bad := Regression(0.9)
	first := Simulate(bad.Stream(seeded("x", 1)), newPolicies(), patience)
	second := Simulate(bad.Stream(seeded("x", 1)), newPolicies(), patience)
	for i := range first {
		if first[i] != second[i] || !first[i].Decided {
			t.Errorf("policy %d: %+v, then %+v", i, first[i], second[i])
		}
	}
}
