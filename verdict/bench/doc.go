// Package bench measures how soon a rule finds a regression of the target, how
// many requests that costs, and how often the rule rolls back a target that is
// not worse. It makes up traffic second by second and shows the same seconds to
// our policies and to those of other tools, which are written from their public
// sources at the defaults named there. The same seeds give the same figures on
// any number of cores. It measures decisions only: no network, no clock, no
// scraping delay, which would be added to each of them.
package bench
