package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"watari.dev/internal/bounded"
)

// line is what is needed of one entry. Its texts point into the line that was parsed.
type line struct {
	known   bool          // the type is one of those that AWS documents; others are to be ignored
	grpc    bool          // it is a call of gRPC, whose outcome the entry does not have
	at      int64         // Unix nanoseconds: when the balancer answered
	created int64         // when it received the request; at if the entry does not say
	elb     []byte        // the load balancer, such as app/shop/50dc6c495c0c9188
	group   []byte        // ARN; empty for none
	status  int           // that the client got; 0 for none
	took    time.Duration // until the target began to answer; negative if it did not
	request []byte        // method, URL and version
	trace   []byte        // X-Amzn-Trace-Id
}

// Places of the fields, from "Access logs for your Application Load Balancer", Syntax.
const (
	fieldType    = 0
	fieldTime    = 1
	fieldELB     = 2
	fieldTook    = 6
	fieldStatus  = 8
	fieldRequest = 12
	fieldAgent   = 13
	fieldGroup   = 16
	fieldTrace   = 17
	fieldCreated = 21

	maxARN = 2048 // of a target group; AWS's own are far shorter
	maxELB = 256  // of a load balancer's name

	fieldsNeeded = fieldTrace + 1
	fieldsRead   = fieldCreated + 1
)

// parseLine reads one entry without its newline. AWS does not say how quotes inside of
// a field are written; a backslash is taken as an escape first, and where the entry
// makes no sense so, as a backslash.
func parseLine(text []byte) (line, error) {
	if len(text) > maxLine {
		return line{}, fmt.Errorf("it is longer than %s", bounded.Size(maxLine))
	}
	text = bytes.TrimSuffix(text, []byte("\r"))
	l, err := parseFields(text, true)
	if err != nil && bytes.IndexByte(text, '\\') >= 0 {
		if again, otherwise := parseFields(text, false); otherwise == nil {
			return again, nil
		}
	}
	return l, err
}

func parseFields(text []byte, escapes bool) (line, error) {
	var fields [fieldsRead][]byte
	n, err := split(text, &fields, escapes)
	switch {
	case err != nil:
		return line{}, err
	case n < fieldsNeeded:
		return line{}, fmt.Errorf("it has %d fields, an entry has %d or more", n, fieldsNeeded)
	}
	l := line{known: isKnown(fields[fieldType]), elb: fields[fieldELB], request: fields[fieldRequest], trace: fields[fieldTrace]}
	l.grpc = isGRPC(fields[fieldType], fields[fieldAgent])
	if len(l.elb) > maxELB {
		return line{}, errors.New("field 3, elb, is not the name of a load balancer")
	}
	var ok bool
	if l.at, ok = parseTime(fields[fieldTime]); !ok {
		return line{}, errors.New("field 2 is not a time")
	}
	if l.created, ok = parseTime(fields[fieldCreated]); !ok {
		l.created = l.at
	}
	if l.took, ok = parseSeconds(fields[fieldTook]); !ok {
		return line{}, errors.New("field 7, target_processing_time, is not a number of seconds")
	}
	if l.status, ok = parseStatus(fields[fieldStatus]); !ok {
		return line{}, errors.New("field 9, elb_status_code, is not a status code")
	}
	if l.group = fields[fieldGroup]; isNone(l.group) {
		l.group = nil
	} else if len(l.group) > maxARN || !bytes.Contains(l.group, []byte(":targetgroup/")) {
		return line{}, errors.New("field 17, target_group_arn, is not the ARN of a target group")
	}
	return l, nil
}

// split cuts text into its first fields and returns how many it has, up to their number.
func split(text []byte, fields *[fieldsRead][]byte, escapes bool) (n int, err error) {
	for n < len(fields) && len(text) > 0 {
		var field []byte
		if text[0] == '"' {
			end := closingQuote(text, escapes)
			if end < 0 {
				return n, fmt.Errorf("the quote of field %d is not closed", n+1)
			}
			field, text = text[1:end], text[end+1:]
		} else if end := bytes.IndexByte(text, ' '); end >= 0 {
			field, text = text[:end], text[end:]
		} else {
			field, text = text, nil
		}
		if len(text) > 0 {
			text = text[1:] // the space
		}
		fields[n], n = field, n+1
	}
	return n, nil
}

// closingQuote returns the place of the quote that ends the field that text begins
// with: one that the field's end or the line's follows. It is negative if there is none.
func closingQuote(text []byte, escapes bool) int {
	for i := 0; ; {
		next := bytes.IndexByte(text[i+1:], '"')
		if next < 0 {
			return -1
		}
		i += 1 + next
		atEnd := i+1 == len(text) || text[i+1] == ' '
		if atEnd && !(escapes && isEscaped(text, i)) {
			return i
		}
	}
}

// isEscaped reports whether an odd number of backslashes stands before place i of a
// field that begins with a quote.
func isEscaped(text []byte, i int) bool {
	before := i
	for before > 1 && text[before-1] == '\\' {
		before--
	}
	return (i-before)%2 == 1
}

func isNone(field []byte) bool { return len(field) == 0 || len(field) == 1 && field[0] == '-' }

func isKnown(kind []byte) bool {
	switch string(kind) {
	case "http", "https", "h2", "grpcs", "ws", "wss":
		return true
	}
	return false
}

// isGRPC reports whether an entry is of gRPC: by its type, or because an HTTP/2 client
// calls itself so ("gRPC over HTTP2", User-Agent), which is what is left of it where the
// target group's protocol version is HTTP2.
func isGRPC(kind, agent []byte) bool {
	return string(kind) == "grpcs" || string(kind) == "h2" && bytes.Contains(agent, []byte("grpc-"))
}

// parseTime reads ISO 8601 and returns Unix nanoseconds.
func parseTime(field []byte) (int64, bool) {
	at, err := time.Parse(time.RFC3339Nano, string(field))
	if err != nil || at.Year() < 1970 || at.Year() > 2200 { // what fits nanoseconds
		return 0, false
	}
	return at.UnixNano(), true
}

// parseSeconds reads a number such as 0.048; -1 and - are negative.
func parseSeconds(field []byte) (time.Duration, bool) {
	if isNone(field) {
		return -1, true
	}
	seconds, err := strconv.ParseFloat(string(field), 64)
	switch {
	case err != nil || math.IsNaN(seconds) || seconds > math.MaxInt64/1e9/2:
		return 0, false
	case seconds < 0:
		return -1, true
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), true
}

// parseStatus reads a status code; 0 if there is none.
func parseStatus(field []byte) (int, bool) {
	if isNone(field) {
		return 0, true
	}
	if len(field) != 3 {
		return 0, false
	}
	code := 0
	for _, c := range field {
		if c < '0' || c > '9' {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	return code, true
}
