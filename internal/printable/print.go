package printable

import (
	"fmt"
	"io"
)

// Sprintf is fmt.Sprintf with each argument made one line. The format is ours and may
// hold line ends.
func Sprintf(format string, args ...any) string { return fmt.Sprintf(format, lines(args)...) }

// Fprintf is fmt.Fprintf with each argument made one line.
func Fprintf(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format, lines(args)...)
}

// Fprintln writes each argument as one line, apart by spaces.
func Fprintln(w io.Writer, args ...any) {
	fmt.Fprintln(w, lines(args)...)
}

// lines makes everything that becomes text a line.
func lines(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
			out[i] = a
		case string:
			out[i] = Line(a)
		default:
			out[i] = text{a}
		}
	}
	return out
}

// text formats what it holds as fmt does, and makes that a line.
type text struct{ of any }

// Format implements fmt.Formatter.
func (t text) Format(s fmt.State, verb rune) {
	_, _ = io.WriteString(s, Line(fmt.Sprintf(fmt.FormatString(s, verb), t.of)))
}

// Lined is an error whose text has several lines, each of which is made safe by itself.
type Lined interface{ Words() []string }

// Error returns what an error says: one line, or, where it is made of several errors or
// says so itself, a line for each.
func Error(err error) string {
	for e := err; e != nil; {
		if lined, is := e.(Lined); is {
			return joined(lined.Words())
		}
		switch wrapped := e.(type) { //nolint:errorlint // each wrapper is looked at by itself
		case interface{ Unwrap() []error }:
			return several(e, wrapped.Unwrap())
		case interface{ Unwrap() error }:
			if inner := wrapped.Unwrap(); inner != nil && inner.Error() == e.Error() { // it adds no words
				e = inner
				continue
			}
		}
		return Line(e.Error())
	}
	return ""
}

// several writes errors that were joined by line ends, as errors.Join does.
func several(whole error, parts []error) string {
	plain, safe := "", ""
	for i, part := range parts {
		if i > 0 {
			plain, safe = plain+"\n", safe+"\n"
		}
		plain, safe = plain+part.Error(), safe+Error(part)
	}
	if plain != whole.Error() {
		return Line(whole.Error())
	}
	return safe
}

func joined(lines []string) (text string) {
	for i, l := range lines {
		if i > 0 {
			text += "\n"
		}
		text += Line(l)
	}
	return text
}

// Advised is an error with lines below it that say what can be done.
type Advised struct {
	Err    error
	Advice []string
}

// Advise adds lines to an error.
func Advise(err error, advice ...string) error { return &Advised{Err: err, Advice: advice} }

// Error returns the error and the advice, a line each.
func (a *Advised) Error() string {
	text := a.Err.Error()
	for _, line := range a.Advice {
		text += "\n" + line
	}
	return text
}

// Unwrap returns the error.
func (a *Advised) Unwrap() error { return a.Err }

// Words implements Lined.
func (a *Advised) Words() []string {
	own := []string{a.Err.Error()}
	for e := a.Err; e != nil; {
		if lined, is := e.(Lined); is {
			own = lined.Words()
			break
		}
		wrapped, is := e.(interface{ Unwrap() error })
		if !is || wrapped.Unwrap() == nil || wrapped.Unwrap().Error() != e.Error() {
			break
		}
		e = wrapped.Unwrap()
	}
	return append(own, a.Advice...)
}
