package verdict

// priorSplit is the weight of the prior of the sample-ratio test, in requests.
const priorSplit = 100

// SplitEvidence is the sample-ratio test: ln E against the claim that requests
// were split with the share intended (0..1) for the target, give or take
// tolerance of the smaller part (0..1). It is a Dirichlet-multinomial mixture
// (Lindon and Malek, Anytime-valid inference for multinomial count data, NeurIPS
// 2022); with a tolerance the least of all claims within it.
func SplitEvidence(source, target int64, intended, tolerance float64) float64 {
	n := float64(source + target)
	if n == 0 || intended <= 0 || intended >= 1 {
		return 0
	}
	give := tolerance * min(intended, 1-intended)
	low, high := intended-give, intended+give
	claim := min(max(float64(target)/n, low), high)
	if (claim <= 0 && target > 0) || (claim >= 1 && source > 0) {
		return -leastLog
	}
	a, b := priorSplit*intended, priorSplit*(1-intended)
	return logBeta(a+float64(target), b+float64(source)) - logBeta(a, b) -
		xlogy(float64(target), claim) - xlogy(float64(source), 1-claim)
}
