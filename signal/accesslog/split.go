package accesslog

import "bytes"

// maxLine bounds the memory of one line. The request line and the headers that are
// logged have 64 KB at most ("Quotas for your Application Load Balancers", HTTP
// headers), and escapes make four bytes of one.
const maxLine = 256 << 10

// splitter cuts what is read in pieces into lines.
type splitter struct {
	rest    []byte // of a line whose end has not been read
	tooLong bool   // its beginning has been given up
}

// feed calls use with each line that piece completes, without its newline; of a line
// that is too long with its beginning, which is longer than a line may be. What it is
// called with is valid until it returns.
func (s *splitter) feed(piece []byte, use func([]byte)) {
	for {
		end := bytes.IndexByte(piece, '\n')
		if end < 0 {
			s.keep(piece)
			return
		}
		if len(s.rest) > 0 || end > maxLine {
			s.keep(piece[:end])
			use(s.rest)
		} else {
			use(piece[:end])
		}
		s.rest, s.tooLong = s.rest[:0], false
		piece = piece[end+1:]
	}
}

// keep adds to the rest. Of a line that is too long one byte more than a line may have
// remains, which tells it from the others; what follows is passed over.
func (s *splitter) keep(piece []byte) {
	if s.tooLong {
		return
	}
	if room := maxLine + 1 - len(s.rest); len(piece) >= room {
		piece, s.tooLong = piece[:room], true
	}
	s.rest = append(s.rest, piece...)
}

// end calls use with what is left, because nothing more comes.
func (s *splitter) end(use func([]byte)) {
	if len(s.rest) > 0 {
		use(s.rest)
	}
	s.rest, s.tooLong = nil, false
}
