package analyze

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Units are the spans that Calibrate tries, shortest first.
var Units = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute}

// neighbours is how long the spans of one stream are that are put side by side:
// twice the longest unit, so that a burst falls on one side for as long as it
// lasts; and not longer, because what changes with the hour is no difference
// between sides.
const neighbours = 10 * time.Minute

// Calibration is what the verdict says of a source that is compared with itself:
// whatever it finds is a false alarm.
type Calibration struct {
	Name     string          `json:"name"`
	From     time.Time       `json:"from"`
	To       time.Time       `json:"to"`
	Horizon  time.Duration   `json:"horizon"`         // length of one migration
	Folded   bool            `json:"folded"`          // neighbouring spans of one stream were the two sides
	Share    float64         `json:"share"`           // of the requests that the side in the target's place had
	Requests int64           `json:"requests"`        // of both sides
	Errors   int64           `json:"errors"`          //
	Alpha    float64         `json:"alpha"`           // what is promised
	Trials   []Trial         `json:"trials"`          // by form and unit, shortest first
	Best     *Trial          `json:"best"`            // the shortest unit that holds; null if none does
	Phi      float64         `json:"phi"`             // dispersion of spans as long as the unit
	Bursts   []time.Duration `json:"bursts"`          // how long errors stay together: in half, and in nine of ten of the hours
	Every    time.Duration   `json:"every"`           // length of the intervals: shorter bursts cannot be seen, shorter units not tried
	Proven   bool            `json:"proven"`          // there are enough migrations to claim the guarantee
	Need     int             `json:"need"`            // how many would be, if none fell
	Short    bool            `json:"short,omitempty"` // there is less than one whole migration
}

// Trial is one setting, tried on all migrations.
type Trial struct {
	Form       verdict.Form  `json:"form"`
	Unit       time.Duration `json:"unit"`
	Migrations int           `json:"migrations"`
	Alarms     int           `json:"alarms"`
	Low        float64       `json:"low"` // exact 95 % interval (Clopper-Pearson) of the chance of an alarm
	High       float64       `json:"high"`
	InTen      int           `json:"inTen"`     // migrations in which the evidence reached 1 in 10
	Strongest  float64       `json:"strongest"` // ln E
	Holds      bool          `json:"holds"`     // nothing speaks against the promise
}

// surprise is how improbable a number must be under the promise to speak against
// it.
const surprise = 0.01

// Calibrate compares the two sides of r, which must both be the source, in
// migrations of the length horizon: one after the other, each beginning anew.
func Calibrate(r Recording, cfg verdict.Config, horizon time.Duration) Calibration {
	c := Calibration{Name: r.Name, Horizon: horizon, Alpha: cfg.Alpha}
	migrations := cut(r, horizon)
	if len(migrations) == 0 {
		return c
	}
	c.From, c.To = firstOf(r.Turns[0]), r.Turns[len(r.Turns)-1].At
	c.Short = c.To.Sub(c.From) < horizon*9/10
	c.count(r)
	c.Every = usualLength(r)
	c.Need = int(math.Ceil(math.Log(0.025) / math.Log1p(-cfg.Alpha)))
	cfg.Horizon = horizon
	forms := []verdict.Form{cfg.Form}
	if cfg.Form == verdict.Hybrid {
		forms = append(forms, verdict.Unit) // where the objective alone is what cries wolf
	}
	for _, form := range forms {
		for _, unit := range unitsFor(cfg.Unit, c.Every) {
			c.Trials = append(c.Trials, try(migrations, cfg, form, unit))
		}
		if slices.ContainsFunc(c.Trials, func(t Trial) bool { return t.Holds }) {
			break
		}
	}
	if at := slices.IndexFunc(c.Trials, func(t Trial) bool { return t.Holds }); at >= 0 {
		c.Best = &c.Trials[at]
		c.Proven = c.Best.High <= cfg.Alpha
	}
	unit := Units[len(Units)-1]
	if c.Best != nil {
		unit = c.Best.Unit
	}
	c.Phi = verdict.Dispersion(pairs(r, unit))
	return c
}

// unitsFor are the units to try: those of the list, and what is set; none shorter
// than the intervals that were counted.
func unitsFor(set, every time.Duration) []time.Duration {
	out := append(slices.Clone(Units), set)
	for i := range out {
		out[i] = max(out[i], every)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// usualLength is the median length of the intervals.
func usualLength(r Recording) time.Duration {
	var all []time.Duration
	for _, t := range r.Turns {
		all = append(all, t.At.Sub(firstOf(t)))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// cut makes migrations of a recording. What is left at the end is one as well if
// it is most of a horizon, or all that there is.
func cut(r Recording, horizon time.Duration) (out [][]Turn) {
	if len(r.Turns) == 0 {
		return nil
	}
	begin, start := 0, firstOf(r.Turns[0])
	for i, t := range r.Turns {
		if t.At.After(start.Add(horizon)) {
			out = append(out, r.Turns[begin:i])
			begin, start = i, firstOf(t)
		}
	}
	if rest := r.Turns[len(r.Turns)-1].At.Sub(start); rest >= horizon*9/10 || len(out) == 0 {
		out = append(out, r.Turns[begin:])
	}
	return out
}

func (c *Calibration) count(r Recording) {
	var target int64
	for _, t := range r.Turns {
		for _, in := range t.Intervals {
			source, _ := in.Source.Get()
			other, _ := in.Target.Get()
			c.Requests += source.Requests + other.Requests
			c.Errors += source.Errors + other.Errors
			target += other.Requests
		}
	}
	c.Share = float64(target) / float64(max(1, c.Requests))
}

// try replays all migrations with one setting. The unit is not lengthened by
// bursts, so that it is the unit that is tried.
func try(migrations [][]Turn, cfg verdict.Config, form verdict.Form, unit time.Duration) Trial {
	cfg.Form, cfg.Unit, cfg.LongestUnit = form, unit, unit
	t := verdict.Prepare(cfg)
	out := Trial{Form: form, Unit: unit, Migrations: len(migrations), Strongest: math.Inf(-1)}
	for _, turns := range migrations {
		s := t.New()
		t.Start(&s, firstOf(turns[0]))
		for i := range turns {
			feed(t, &s, &turns[i])
		}
		out.Strongest = max(out.Strongest, s.Peak)
		if s.Peak >= math.Log(10) {
			out.InTen++
		}
		if s.Fired != nil {
			out.Alarms++
		}
	}
	out.Low, out.High = ClopperPearson(out.Alarms, out.Migrations, 0.05)
	out.Holds = float64(out.Alarms) <= cfg.Alpha*float64(out.Migrations) &&
		atLeast(out.InTen, out.Migrations, 0.1) >= surprise
	return out
}

// pairs adds up the sides over spans as long as unit.
func pairs(r Recording, unit time.Duration) (out []verdict.Pair) {
	var open verdict.Pair
	var since time.Time
	for _, t := range r.Turns {
		if since.IsZero() {
			since = firstOf(t)
		}
		for _, in := range t.Intervals {
			source, ok := in.Source.Get()
			target, also := in.Target.Get()
			if ok && also {
				open = open.Plus(verdict.Pair{Source: tally(source), Target: tally(target)})
			}
		}
		if t.At.Sub(since) >= unit {
			out, open, since = append(out, open), verdict.Pair{}, t.At
		}
	}
	return out
}

func tally(c traffic.Counts) verdict.Tally {
	return verdict.Tally{N: c.Requests, Bad: min(c.Errors, c.Requests)}
}

// Span is what the source answered in one span of time, all services together.
type Span struct {
	From, To time.Time
	verdict.Tally
}

// SourceOf returns what the source of a recording answered, where it is known.
func SourceOf(r Recording) (out []Span) {
	for t := range r.all() {
		one := Span{To: t.At}
		for _, in := range t.Intervals {
			if c, known := in.Source.Get(); known {
				one.Tally = one.Plus(tally(c))
				one.From = in.From.Source
			}
		}
		if !one.From.IsZero() && one.From.Before(one.To) {
			out = append(out, one)
		}
	}
	return out
}

// lookEvery is how often the length of bursts is taken down: verdict.Bursts
// forgets half of what it saw within two hours.
const lookEvery = time.Hour

// Bursts says how long the errors of one side stay together: in half of the hours
// no longer than usual, and in nine of ten no longer than long. The very worst
// hour of a week would be chance.
func Bursts(spans []Span) (usual, long time.Duration) {
	if len(spans) == 0 {
		return 0, 0
	}
	var all []time.Duration
	var b verdict.Bursts
	since := spans[0].From
	for i, s := range spans {
		b.Add(s.To.Sub(s.From), s.Tally)
		if s.To.Sub(since) >= lookEvery || i == len(spans)-1 {
			all, since = append(all, together(&b)), s.To
		}
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*9/10]
}

// together is the longest span beyond which errors are hardly more uneven, and
// below which they are. Short spans may not show it: two neighbouring seconds of
// a long burst are alike.
func together(b *verdict.Bursts) time.Duration {
	const most = 256 * time.Second
	longest := time.Second
	for least := time.Second; least < most; least *= 2 {
		if unit := b.Unit(least, most); unit > least {
			longest = unit
		}
	}
	return longest
}

// Fold makes two sides of one stream: of two neighbouring spans of ten minutes
// the one is the source and the other the target, and then the other way round.
// Each side has only the part of its requests that a migration at the share (in
// 0..1) would send there, drawn without putting back (hypergeometric); chance is
// where the draws come from.
func Fold(name string, spans []Span, share float64, chance *rand.Rand) Recording {
	out := Recording{Name: name, Services: []Service{{}}}
	if len(spans) == 0 {
		return out
	}
	source, target := thinner{part: 1 - share, chance: chance}, thinner{part: share, chance: chance}
	blocks := blocksOf(spans)
	for i := 0; i+1 < len(blocks); i += 2 {
		a, b := blocks[i], blocks[i+1]
		n := min(len(a), len(b))
		// The clock is that of the spans in turn, so that it never stands still.
		for k := range n {
			out.Turns = append(out.Turns, side(a[k], source.thin(a[k].Tally), target.thin(b[k].Tally)))
		}
		for k := range n {
			out.Turns = append(out.Turns, side(b[k], source.thin(b[k].Tally), target.thin(a[k].Tally)))
		}
	}
	return out
}

// side puts two tallies side by side at the time of clock.
func side(clock Span, source, target verdict.Tally) Turn {
	counts := func(t verdict.Tally) traffic.Reading[traffic.Counts] {
		return traffic.KnownAt(traffic.Counts{Requests: t.N, Errors: t.Bad}, clock.To)
	}
	return Turn{At: clock.To, Intervals: []verdict.Interval{{
		To: clock.To, From: traffic.BySide[time.Time]{Source: clock.From, Target: clock.From}, Source: counts(source), Target: counts(target),
	}}}
}

// blocksOf cuts a stream at full ten minutes since its beginning. Spans that
// nothing is known of leave a block short or empty.
func blocksOf(spans []Span) [][]Span {
	start := spans[0].From
	last := int(spans[len(spans)-1].To.Add(-1).Sub(start) / neighbours)
	out := make([][]Span, last+1)
	for _, s := range spans {
		at := int(s.To.Add(-1).Sub(start) / neighbours)
		out[at] = append(out[at], s)
	}
	return out
}
