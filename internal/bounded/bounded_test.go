package bounded

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// endless yields a byte for ever and counts how many were taken.
type endless struct{ taken int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.taken += int64(len(p))
	return len(p), nil
}

func TestReaderIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length, bound := rapid.IntRange(0, 40).Draw(t, "length"), rapid.Int64Range(0, 40).Draw(t, "bound")
		var from io.Reader = strings.NewReader(strings.Repeat("x", length))
		if rapid.Bool().Draw(t, "byte by byte") {
			from = iotest.OneByteReader(from)
		}
		if rapid.Bool().Draw(t, "end with data") {
			from = iotest.DataErrReader(from)
		}
		got, err := All(from, Limit{What: "the file x", Bytes: bound, Do: "split it"})
		var over *Error
		switch {
		case int64(length) <= bound && (err != nil || len(got) != length):
			t.Fatalf("%d of %d: %d, %v", length, bound, len(got), err)
		case int64(length) > bound && (!errors.As(err, &over) || over.Error() != "the file x is longer than "+Size(bound)+" and was not used: split it"):
			t.Fatalf("%d of %d: %v", length, bound, err)
		}
	})
	from := &endless{}
	if _, err := All(from, Limit{Bytes: MiB}); err == nil || from.taken > MiB+1 {
		t.Errorf("%v after %d bytes", err, from.taken)
	}
}

func TestLines(t *testing.T) {
	for text, c := range map[string]struct {
		quoted, fits bool
	}{
		"1234\n1234\n":                    {false, true},
		"12345\n":                         {false, false},
		"1234\n12345":                     {false, false},
		"\"a\nb\"\n1234\n":                {true, false}, // five bytes are one record
		"\"\n\"\n\"\n\"\n":                {true, true},
		"\"\n\"\n\"\n\"\n\"" + "\n\n\n\n": {true, false},
		"\n\n\n\n\n\n\n\n":                {true, true},
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			got, err := io.ReadAll(Lines(r, Limit{What: "a line", Bytes: 4}, c.quoted))
			var over *Error
			if c.fits && (err != nil || string(got) != text) || !c.fits && !errors.As(err, &over) {
				t.Errorf("%q: %q, %v", text, got, err)
			}
		}
	}
	from := &endless{}
	if _, err := io.Copy(io.Discard, Lines(from, Limit{Bytes: KiB}, true)); err == nil || from.taken > 64*KiB {
		t.Errorf("%v after %d bytes", err, from.taken)
	}
}

// TestUntil: a terminal that says nothing holds nobody back who wants to leave.
func TestUntil(t *testing.T) {
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	from := Until(ctx, r)
	go func() { _, _ = io.WriteString(w, "abc") }()
	var got [2]byte
	if _, err := io.ReadFull(from, got[:]); err != nil || string(got[:]) != "ab" {
		t.Fatalf("%q, %v", got, err)
	}
	cancel()
	rest, err := io.ReadAll(from)
	if string(rest) != "c" || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, %v", rest, err)
	}
	_ = w.Close()
	whole, err := io.ReadAll(Until(t.Context(), strings.NewReader("all of it")))
	if string(whole) != "all of it" || err != nil {
		t.Errorf("%q, %v", whole, err)
	}
}

func TestRedirectsOfOneServerAreFollowed(t *testing.T) {
	for steps, ok := range map[int]bool{1: true, 3: true, 4: false} {
		left := steps
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if left--; left >= 0 {
				w.Header().Set("Location", r.URL.Path+"/next")
				w.WriteHeader(http.StatusFound)
				return
			}
			_, _ = io.WriteString(w, "there")
		}))
		response, err := Client(nil, Answer{Bytes: KiB}).Get(server.URL + "/first")
		var led *RedirectError
		switch {
		case ok && err != nil, !ok && !errors.As(err, &led):
			t.Errorf("%d redirects: %v", steps, err)
		case err == nil:
			_ = response.Body.Close()
		}
		server.Close()
	}
}

func TestElsewhere(t *testing.T) {
	for _, c := range []struct {
		from, to string
		why      string
	}{
		{"http://a/x", "http://a/y", ""},
		{"http://a/x", "https://a/x", ""},
		{"https://a/x", "http://a/x", "without encryption"},
		{"https://a/x", "https://b/x", "another server"},
		{"https://a/x", "https://a.b/x", "another server"},
		{"http://a:1/x", "http://a:2/x", "another server"},
		{"http://a:1/x", "https://a/x", "another server"},
		{"http://a/x", "file:///etc/passwd", "another server"},
		{"https://user:secret@a/x", "https://a/x", ""},
	} {
		from, to := httptest.NewRequest(http.MethodGet, c.from, nil).URL, httptest.NewRequest(http.MethodGet, c.to, nil).URL
		err := redirected(from, to)
		if (err == nil) != (c.why == "") || err != nil && (!strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
}

// TestEmptyMembersOfGzip: what unpacks to nothing is bounded as well.
func TestEmptyMembersOfGzip(t *testing.T) {
	var member bytes.Buffer
	if err := gzip.NewWriter(&member).Close(); err != nil {
		t.Fatal(err)
	}
	sent := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		block := bytes.Repeat(member.Bytes(), 1000)
		for sent < 64*MiB {
			if _, err := w.Write(block); err != nil {
				return
			}
			sent += len(block)
		}
	}))
	defer server.Close()
	response, err := Client(nil, Answer{Bytes: KiB}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var over *Error
	if n, err := io.Copy(io.Discard, response.Body); !errors.As(err, &over) || n != 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
}
