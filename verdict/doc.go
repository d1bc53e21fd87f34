// Package verdict says whether the target is worse than the source: at every
// moment, from what both answered in the same moments, with a promise about how
// often it is wrong. It is pure: no clock, no chance, no I/O. Its state is plain
// data and small, and is fed with closed intervals of counts.
//
// # The promise
//
// Over a whole migration a target that is not worse is called degraded with a
// chance of at most alpha (1 %), however often one looks. Not worse means: at
// every moment it fails at most ratio (psi0, 1.5) times as often as the source
// plus difference (eps, 0.05 % of requests). Nothing is assumed about how often
// the source fails, how that changes, or how the share changes.
//
// # How
//
// Think of a gambler who bets on "the target is worse" at fair or unfair odds.
// His money E starts at 1. Each interval multiplies it by a factor e >= 0 with
// E[e | past] <= 1 while the target is not worse; then his money is a
// non-negative supermartingale, and by Ville's inequality the chance that it ever
// reaches 1/alpha is at most alpha (J. Ville, Étude critique de la notion de
// collectif, 1939; A. Ramdas, P. Grünwald, V. Vovk and G. Shafer, Game-theoretic
// statistics and safe anytime-valid inference, Statistical Science 2023). So
// "roll back when E >= 1/alpha" may be asked every second for days.
//
// # The factors
//
// In an interval the source answered Nb requests with b errors, the target Ng
// with g. q = Ng/(Nb+Ng), r = Nb/(psi0 Ng), and for a bet theta > psi0 ("the
// target fails theta times as often") f = q(theta-psi0)/(1-q+q theta), so that
// 0 <= f < 1. q and f use the numbers of requests of the very interval: these
// say nothing about errors, so shares may change as they like.
//
// Product form, every error counts:
//
//	e = (1+fr)^g (1-f)^b exp(-f r eps Ng)
//
// Let requests fail independently, the target's with the mean probability pg, the
// source's with pb. By 1+x <= exp(x), E[(1+fr)^g] <= exp(f r Ng pg) and
// E[(1-f)^b] <= exp(-f Nb pb). Hence ln E[e] <= f (r Ng pg - Nb pb - r eps Ng),
// and with pg <= psi0 pb + eps and r Ng psi0 = Nb that is at most 0.
//
// Unit form, a span of time is one observation (n = b+g, Y = g/n):
//
//	e = [Y(1+fr) + (1-Y)(1-f)] exp(-f r eps Ng / max(1,n)), the bracket 1 for n = 0
//
// The bracket is 1 + f((1+r)Y - 1). With eps = 0, not worse means that an error is
// the target's with a chance of at most psi0 Ng/(psi0 Ng + Nb) = 1/(1+r): then
// E[Y | n] <= 1/(1+r) and E[e] <= 1, however the n errors depend on each other.
// With psi0 = 1 that is nothing but exchangeability. With psi0 > 1 it is a
// statement about odds: for independent requests it holds where the target's odds
// pg/(1-pg) are at most psi0 times the source's, because given n the target's
// errors are noncentral hypergeometric (R. A. Fisher, 1935), and the more of them
// there are the fewer requests are left that could fail. At error ratios of a few
// percent odds and risks are the same to a few percent; where they differ, the
// odds are what is promised. With eps > 0, odds of psi0 pb/(1-pb) + eps raise the
// bracket's mean to about 1 + f r eps Ng/E[n], which the last factor pays for. That
// n stands there in place of its mean is what no inequality here covers: for it
// TestFactorsAreFair adds up the whole distribution.
//
// A unit that is longer than a burst is what makes this form robust: a burst of
// a hundred errors is one observation and multiplies the money by less than 1+fr.
//
// Limit form, against a service level objective: p* is the error ratio that burns
// the budget too fast, and for a bet p1 > p*
//
//	e = (p1/p*)^g ((1-p1)/(1-p*))^(Ng-g)
//
// has E[e] <= 1 for every pg <= p*: it is the likelihood ratio of p1 to p* and
// its mean grows with pg. It alone would roll back when both sides fail together.
// So each factor is the smaller one of it and of the product form. The smaller of
// two has a mean of at most 1 if either of them has: the claim that is refuted
// is "the target keeps the objective, or is no worse than the source". At a share
// of 100 % there is no source with users to compare with, and the objective alone
// decides.
//
// # Mixtures and restarts
//
// Nobody knows theta, so the money is spread over bets: E = sum of M_j. A mixture
// of supermartingales with fixed weights is one. A regression that begins at hour
// six would find most of the money lost on the hours before, or even on the first
// minute: a bet on "half of the requests fail" loses nearly all of it in a second
// in which none does. So a half is bet at the start, a fifth whenever shares begin
// to move again, and the rest with each observation, evenly until the horizon and
// ever less after it: M_j <- (M_j + w_j gamma) e_j, all gammas together at most 1,
// each known before what it is bet on. A schedule that fine costs ln(number of
// observations), 11 for the seconds of a day, which a real outage earns back in
// two seconds; waiting for a rarer restart would cost minutes. That is an
// e-detector with a spending schedule (J. Shin, A. Ramdas and A. Rinaldo,
// E-detectors: a nonparametric framework for sequential change detection, 2024).
//
// # Bursts
//
// Errors come together: a pod dies, a client retries, a connection with many
// streams breaks. The product form takes each for a proof and must not be used
// there. The unit form bears any burst that is shorter than its unit; but one unit
// wins at most 1+r, which at large shares is little, so there it is slow. Between
// the two stands the steady form: the product form, of which no second wins more
// than e, and no interval more than e^5. A burst of five seconds does not win,
// however many requests it hits; what lasts half a minute does, at any share. In
// the limit form one interval wins at most e^8. And of both, what is bet between
// the start and the moves is divided (by 10^6 and 10^12), so that it takes about
// half a minute, or six intervals of an outage, before they alone take the target
// back; right after shares have moved it takes a few seconds. A factor that is
// cut, and money that is not bet, break no promise. For requests that fail
// independently all of this is proven; that bursts do not win is what the
// simulations show (docs/performance.md).
//
// The hybrid form, the default, spreads the money over the three: unit 0.4, steady
// 0.3, limit 0.3 for errors, unit and steady 0.5 each for what else is compared. It
// is unimpressed by what lasts five seconds. What fails a third of the requests for
// twenty seconds is an outage to it; who has such as a habit wants the unit form
// alone.
//
// # Several metrics and services
//
// Each has its own E. The weighted mean of them is again such a bet, whatever
// depends on what, so the whole is compared with 1/alpha once (V. Vovk and R.
// Wang, E-values: calibration, combination and applications, Annals of Statistics
// 2021). It is never weaker than a Bonferroni correction with the same weights.
//
// # Latency
//
// Before the start the edges of the source's histogram at or above its p50 and
// p99 are fixed. A request above the edge is slow, and slow is compared like
// failed, in the unit and the steady form, with an eps of a quarter of what the
// quantile leaves above its edge. A latency that is given to be rare (Slower) is its
// own edge, and its eps is that of errors. For the report there are bands for the
// whole distribution (S. R. Howard and A. Ramdas, Sequential estimation of
// quantiles with applications to A/B testing and best-arm identification,
// Bernoulli 2022).
//
// # Buckets that differ
//
// Where a histogram lacks the edge, the requests of the bucket that the edge lies in
// are on either side of it: slow ones are not a number but a range. Let the truth be b
// and g, and the ranges b- <= b <= b+ and g- <= g <= g+. Evidence against the target
// takes g- and b+, evidence that it is good enough takes g+ and b-. In the product
// form e grows with g and falls with b, because 1+fr >= 1 and 1-f < 1, so e of the
// ranges is at most e of the truth. In the unit form the bracket 1 + f((1+r)Y - 1)
// grows with Y = g/(b+g), and Y of g- and b+ is at most that of the truth; the last
// factor takes g- + b- as its n, which is at most the true one. With n = 0 for g- and
// b+ the bracket is 1, and then b is 0 and the true bracket at least 1. The promotion
// form falls with g and grows with b. So each factor is at most the one that the
// promise is proven for, whatever the true latencies within the ranges, and however
// they depend on the buckets: E[e] <= 1 stays. TestRangesAreConservative tries it.
//
// Bets would be lost for good where the source's buckets hide all that it answers for a
// while, as when a release is rolled out. So nothing is held against the target before a
// whole span has shown that they tell enough; the buckets and the past decide that, and
// not what is counted then.
//
// What that costs is power. Where the ranges hide more than slack, and neither "good
// enough" nor "worse" could follow from them, the verdict says so (Lacking) in place of
// being content: of spans of 15 seconds or three intervals of the source of data, and
// ten requests of each side.
//
// # Good enough to go on
//
// That nothing was found is no proof. The promotion form turns the claim around;
// for a bet 0 < h < 1,
//
//	e = [(1-h)^g (1 + h psi0 Ng/Nb)^b exp(h eps Ng)]^(1/phi)
//
// has E[e] <= 1 while pg >= psi0 pb + eps, by the same two inequalities; phi >= 1
// is the measured dispersion. It begins anew with each step, because more traffic
// may show what little did not, and where buckets have the edge again that they had
// lost: alpha_p is the chance of each begin. Every metric must reach 1/alpha_p by itself. For
// latency eps is half of what the quantile leaves above it, because an edge of a
// histogram may lie above all that the source answers.
//
// # What is not known
//
// Requests without a latency are no evidence about it. If that is most of a side's in
// such a span, and somebody asks for its latency, it is Lacking; without requests
// nothing is.
//
// An interval that is not known of both sides multiplies by 1: it is no evidence.
// The sides are compared only over the same span of time; what one side was not
// known for is added up until it is. That is exact, because counts of adjacent
// intervals add up. A counter that began again loses what it had counted since it
// was last read, and what others had counted of the same requests is not lost with it:
// the errors of five requests may be fifty. So a span in which a counter of either side
// began again is left out. Which spans these are says nothing for the target: what a
// process loses when it dies is no better than the rest.
//
// The extension of the published tests to changing shares with a tolerance is
// this project's own; the published ones are N. Lindon and A. Malek,
// Anytime-valid inference for multinomial count data (NeurIPS 2022), and M.
// Lindon, C. Sanden and V. Shirikian, Rapid regression detection in software
// deployments through sequential testing (KDD 2022).
package verdict
