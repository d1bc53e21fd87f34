package bench

import "slices"

// What Kayenta's judge NetflixACAJudge-v1.0 is fixed to, and the defaults of a
// metric: "new MannWhitneyClassifier(tolerance = 0.25, confLevel = 0.98, ...)",
// "allowedIncrease ... Defaults to 1".
// https://github.com/spinnaker/kayenta/blob/master/kayenta-judge/src/main/scala/com/netflix/kayenta/judge/NetflixACAJudge.scala
// https://github.com/spinnaker/kayenta/blob/master/docs/canary-config.md
const (
	kayentaTolerance  = 0.25
	kayentaConfidence = 0.98
	kayentaEffect     = 1.0
)

// The score of a canary is the part of its metrics that pass, in percent; below
// "marginal" the canary fails at once. With one metric it is 0 or 100, so any
// threshold is the same one; 75 is that of Kayenta's own example ("pass": 95.0,
// "marginal": 75.0). https://github.com/spinnaker/kayenta and
// https://spinnaker.io/docs/guides/user/canary/judge/
const kayentaMarginal = 75

// How often Kayenta is asked has no default; these are the house's own. A minute
// is the resolution that most of its sources of metrics have.
const (
	kayentaSample = 60 // seconds
	kayentaJudge  = 10 // samples from one judgement to the next
)

// KayentaConfig is how much a judgement looks at.
type KayentaConfig struct {
	Label   string
	Sliding bool // only what came after the last judgement; otherwise all since the begin
}

// A growing lookback is what a canary stage has unless lookbackMins is given
// ("useLookback: false"); a sliding one does not dilute what begins late.
// https://github.com/spinnaker/deck-kayenta/blob/master/src/kayenta/stages/kayentaStage/kayentaStage.controller.ts
var (
	KayentaGrowing = KayentaConfig{"Kayenta-like (Mann-Whitney U every 10 min, all samples)", false}
	KayentaSliding = KayentaConfig{"Kayenta-like (Mann-Whitney U every 10 min, last 10 samples)", true}
)

// Kayenta compares the error ratios of both sides, a sample a minute, by the
// Mann-Whitney U test; direction "increase". Its removal of outliers is left out:
// only samples above the 99th percentile and far from the quartiles as well are
// removed (IQRDetector with reduceSensitivity), which the ranks hardly feel.
type Kayenta struct {
	cfg            KayentaConfig
	source, target span
	sources        []float64 // a ratio a minute, 0..1
	targets        []float64
}

// NewKayenta returns the policy before its first sample.
func NewKayenta(cfg KayentaConfig) *Kayenta {
	return &Kayenta{cfg: cfg, source: span{length: kayentaSample}, target: span{length: kayentaSample}}
}

// Name implements Policy.
func (k *Kayenta) Name() string { return k.cfg.Label }

// Second implements Policy.
func (k *Kayenta) Second(s Second) bool {
	source, _ := k.source.add(s.Source)
	target, due := k.target.add(s.Target)
	if !due {
		return false
	}
	// A minute without requests has no ratio (NaN), and is left out.
	if source.Requests > 0 {
		k.sources = append(k.sources, source.ratio())
	}
	if target.Requests > 0 {
		k.targets = append(k.targets, target.ratio())
	}
	if (s.At+1)%(kayentaSample*kayentaJudge) != 0 {
		return false
	}
	score := 100.0
	if isHigh(k.targets, k.sources) {
		score = 0
	}
	if k.cfg.Sliding {
		k.sources, k.targets = k.sources[:0], k.targets[:0]
	}
	return score < kayentaMarginal
}

// isHigh classifies the experiment as Kayenta's MannWhitneyClassifier does:
// https://github.com/spinnaker/kayenta/blob/master/kayenta-judge/src/main/scala/com/netflix/kayenta/judge/classifiers/metric/MannWhitneyClassifier.scala
func isHigh(experiment, control []float64) bool {
	if len(experiment) == 0 || len(control) == 0 {
		return false
	}
	u := newUTest(experiment, control)
	if slices.Equal(u.x, u.y) {
		return false
	}
	if u.statistic(0) <= quantile(kayentaConfidence) {
		return false // no shift upwards is sure, and the bound below is not negative
	}
	low, _ := u.interval(kayentaConfidence)
	estimate := u.estimate()
	effect := 1.0
	if m := mean(control); m > 0 {
		effect = mean(experiment) / m
	}
	return low > kayentaTolerance*max(estimate, -estimate) && effect >= kayentaEffect
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
