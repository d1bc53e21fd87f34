package bench

// Tally is what one side answered.
type Tally struct {
	Requests int64
	Errors   int64 // part of Requests
}

func (t *Tally) add(u Tally) {
	t.Requests += u.Requests
	t.Errors += u.Errors
}

// success is requests that did not fail per request, 0..1; 0 without requests.
func (t Tally) success() float64 {
	if t.Requests == 0 {
		return 0
	}
	return float64(t.Requests-t.Errors) / float64(t.Requests)
}

// ratio is errors per request, 0..1; 0 without requests.
func (t Tally) ratio() float64 {
	if t.Requests == 0 {
		return 0
	}
	return float64(t.Errors) / float64(t.Requests)
}

// Second is what both sides answered in one closed second.
type Second struct {
	At     int     // seconds from when the target got its share to the begin of this one; 0 is the first
	Share  float64 // of the requests that is meant for the target, 0..1
	Step   int     // number of the hold, from 1: it grows with each change of Share
	Source Tally
	Target Tally
}

// Policy is a rule that decides about a rollback. It is fed with one second after
// the other of one migration and keeps its own state.
type Policy interface {
	Name() string
	Second(s Second) bool // reports whether to roll back now
}

// Contenders returns the policies that are compared, as constructors: each run
// needs new ones.
func Contenders() []func() Policy {
	return []func() Policy{
		func() Policy { return NewArgo(ArgoCode) },
		func() Policy { return NewArgo(ArgoExample) },
		func() Policy { return NewFlagger(FlaggerCode) },
		func() Policy { return NewFlagger(FlaggerExample) },
		func() Policy { return NewKayenta(KayentaGrowing) },
		func() Policy { return NewKayenta(KayentaSliding) },
		func() Policy { return NewThreshold() },
		oursOf(Product1s),
		oursOf(Unit1s),
		oursOf(Unit30s),
		oursOf(Hybrid),
	}
}

// span adds up the target's answers of whole spans of time.
type span struct {
	length int // seconds
	filled int
	sum    Tally
}

// add takes a second. When it completes a span it returns what that had, and
// true.
func (w *span) add(t Tally) (Tally, bool) {
	w.sum.add(t)
	if w.filled++; w.filled < w.length {
		return Tally{}, false
	}
	sum := w.sum
	w.sum, w.filled = Tally{}, 0
	return sum, true
}
