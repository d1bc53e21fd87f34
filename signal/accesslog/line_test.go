package accesslog

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

const shopARN = "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067"

// documented are the example entries of "Access logs for your Application Load
// Balancer", with the fields that entries have today, and what must be read of them.
var documented = []struct {
	name, text string
	status     int
	took       time.Duration
	at         string
	trace      string
}{
	{
		"HTTP", `http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - ` + shopARN + ` "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"`,
		200, time.Millisecond, "2018-07-02T22:23:00.186641Z", "Root=1-58337262-36d228ad5d99923122bbe354",
	},
	{
		"HTTPS", `https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 ` + shopARN + ` "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" 1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90 "m.example.com" "-" "TransformSuccess"`,
		200, 48 * time.Millisecond, "2018-07-02T22:23:00.186641Z", "Root=1-58337281-1d84f3d73c47ec4e58577259",
	},
	{
		"HTTP/2", `h2 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 10.0.1.252:48160 10.0.0.66:9000 0.000 0.002 0.000 200 200 5 257 "GET https://10.0.2.105:773/ HTTP/2.0" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 ` + shopARN + ` "Root=1-58337327-72bd00b0343d75b906739c42" "-" "-" 1 2018-07-02T22:22:48.364000Z "redirect" "https://example.com:80/" "-" "10.0.0.66:9000" "200" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"`,
		200, 2 * time.Millisecond, "2018-07-02T22:23:00.186641Z", "Root=1-58337327-72bd00b0343d75b906739c42",
	},
	{
		"WebSockets", `ws 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 10.0.0.140:40914 10.0.1.192:8010 0.001 0.003 0.000 101 101 218 587 "GET http://10.0.0.30:80/ HTTP/1.1" "-" - - ` + shopARN + ` "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 1 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.1.192:8010" "101" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"`,
		101, 3 * time.Millisecond, "2018-07-02T22:23:00.186641Z", "Root=1-58337364-23a8c76965a2ef7629b185e3",
	},
	{
		"secured WebSockets, without newer fields", `wss 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 10.0.0.140:44244 10.0.0.171:8010 0.000 0.001 0.000 101 101 218 786 "GET https://10.0.0.30:443/ HTTP/1.1" "-" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 ` + shopARN + ` "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 1 2018-07-02T22:22:48.364000Z "forward" "-" "-"`,
		101, time.Millisecond, "2018-07-02T22:23:00.186641Z", "Root=1-58337364-23a8c76965a2ef7629b185e3",
	},
	{
		"Lambda function that succeeded", `http 2018-11-30T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - ` + shopARN + ` "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 0 2018-11-30T22:22:48.364000Z "forward" "-" "-" "-" "-" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"`,
		200, time.Millisecond, "2018-11-30T22:23:00.186641Z", "Root=1-58337364-23a8c76965a2ef7629b185e3",
	},
	{
		"Lambda function that failed", `http 2018-11-30T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - 0.000 0.001 0.000 502 - 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - ` + shopARN + ` "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 0 2018-11-30T22:22:48.364000Z "forward" "-" "LambdaInvalidResponse" "-" "-" "-" "-" TID_1234abcd5678ef90 "-" "-" "-"`,
		502, time.Millisecond, "2018-11-30T22:23:00.186641Z", "Root=1-58337364-23a8c76965a2ef7629b185e3",
	},
}

func TestDocumentedLines(t *testing.T) {
	for _, c := range documented {
		t.Run(c.name, func(t *testing.T) {
			for _, text := range []string{c.text, c.text + ` "-" 10.0.0.9 "a field of tomorrow`, c.text + "\r"} {
				l, err := parseLine([]byte(text))
				if err != nil {
					t.Fatalf("%v: %s", err, text)
				}
				at, _ := time.Parse(time.RFC3339Nano, c.at)
				if !l.known || l.status != c.status || l.took != c.took || l.at != at.UnixNano() || string(l.group) != shopARN || string(l.trace) != c.trace {
					t.Errorf("read %+v (%s, %s) of %s", l, l.group, l.trace, text)
				}
				if before := time.Duration(l.at - l.created); before < 11*time.Second || before > 12*time.Second {
					t.Errorf("created %s before, of %s", before, text)
				}
			}
		})
	}
}

// changed replaces field number n, from 0 on, of the first documented line. Its
// fields before the request have no spaces.
func changed(n int, to string) string {
	fields := strings.Split(documented[0].text, " ")
	fields[n] = to
	return strings.Join(fields, " ")
}

func TestUnusualLines(t *testing.T) {
	request := func(text string) string {
		return strings.Replace(documented[0].text, `GET http://www.example.com:80/ HTTP/1.1`, text, 1)
	}
	agent := func(text string) string { return strings.Replace(documented[0].text, `curl/7.46.0`, text, 1) }
	malformed := `http 2026-09-29T09:00:00.000000Z app/lb/1 198.18.9.9:40000 - -1 -1 -1 400 - 0 272 "- http://10.0.0.1:80- -" "-" - - - "-" "-" "-" - 2026-09-29T09:00:00.000000Z "-" "-" "-" "-" "-" "-" "-" TID_00 "-" "-" "-"`
	for _, c := range []struct {
		name, text string
		check      func(line) bool
	}{
		{"malformed request", malformed, func(l line) bool { return l.status == 400 && l.group == nil && l.took < 0 }},
		{"no status", changed(8, "-"), func(l line) bool { return l.status == 0 }},
		{"-1", changed(6, "-1"), func(l line) bool { return l.took < 0 }},
		{"type of tomorrow", changed(0, "h3"), func(l line) bool { return !l.known && l.status == 200 }},
		{"IPv6 client", changed(3, "2001:db8::5:52000"), func(l line) bool { return l.status == 200 }},
		{"hexadecimal escape", agent(`curl (\x22quoted\x22)`), func(l line) bool { return string(l.group) == shopARN }},
		{"escaped quote before a space", agent(`curl (\"quoted\" agent)`), func(l line) bool { return string(l.group) == shopARN }},
		{"escaped backslash at the end", agent(`C:\\dir\\`), func(l line) bool { return string(l.group) == shopARN }},
		{"backslash that escapes nothing at the end", agent(`C:\dir\`), func(l line) bool { return string(l.group) == shopARN }},
		{"bare quotes", agent(`curl "quoted"agent`), func(l line) bool { return string(l.group) == shopARN }},
		{"spaces in the URL", request(`GET http://a:80/a b c HTTP/1.1`), func(l line) bool { return string(l.request) == `GET http://a:80/a b c HTTP/1.1` }},
		{"quote in the URL", request(`GET http://a:80/?q=\x22a\x22 HTTP/1.1`), func(l line) bool { return string(l.group) == shopARN }},
	} {
		if l, err := parseLine([]byte(c.text)); err != nil || !c.check(l) {
			t.Errorf("%s: %+v, %v", c.name, l, err)
		}
	}
}

func TestDamagedLines(t *testing.T) {
	good := documented[0].text
	for _, c := range []struct{ text, wanted string }{
		{"", "it has 0 fields"},
		{"Enable AccessLog for ELB", "it has 4 fields"},
		{good[:150], "the quote of field 13 is not closed"},
		{good[:strings.Index(good, ` "Root`)], "it has 17 fields"},
		{changed(1, "yesterday"), "field 2 is not a time"},
		{changed(1, "0001-01-01T00:00:00Z"), "field 2 is not a time"},
		{changed(6, "soon"), "field 7"},
		{changed(6, "NaN"), "field 7"},
		{changed(6, "1e300"), "field 7"},
		{changed(8, "2OO"), "field 9"},
		{changed(8, "20000"), "field 9"},
		{strings.Replace(good, shopARN, "TLSv1.2", 1), "field 17"},
	} {
		if l, err := parseLine([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.wanted) {
			t.Errorf("%q: %+v, %v; want %q", c.text, l, err, c.wanted)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	for _, c := range documented {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(changed(8, "-")))
	f.Add([]byte(`http "\" "" " - - - -1`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLine(text)
		if err != nil {
			return
		}
		if l.status < 0 || l.status > 999 || l.group != nil && !bytes.Contains(l.group, []byte(":targetgroup/")) {
			t.Errorf("%+v of %q", l, text)
		}
		var fields [fieldsRead][]byte
		if n, err := split(text, &fields, true); err != nil || n < fieldsRead || bytes.HasSuffix(text, []byte(`\`)) || bytes.HasSuffix(text, []byte("\r")) {
			return
		}
		more, err := parseLine(append(bytes.Clone(text), ` "new" 7`...))
		if err != nil || more.at != l.at || more.status != l.status || more.took != l.took || !bytes.Equal(more.group, l.group) || !bytes.Equal(more.trace, l.trace) {
			t.Errorf("with a field more %+v, %v; without %+v; of %q", more, err, l, text)
		}
	})
}

func TestSplitterAnyPieces(t *testing.T) {
	long := strings.Repeat("x", maxLine+10)
	text := "one\n\ntwo\r\n" + long + "\nthree\nfo"
	for _, size := range []int{1, 2, 3, 7, 1000, len(text)} {
		var s splitter
		var got []string
		use := func(line []byte) { got = append(got, string(line)) }
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			s.feed([]byte(rest[:n]), use)
			rest = rest[n:]
		}
		if want := []string{"one", "", "two\r", long, "three"}; len(got) != 5 || got[0] != want[0] || got[2] != want[2] || len(got[3]) < maxLine || got[4] != want[4] {
			t.Errorf("pieces of %d: %d lines", size, len(got))
		}
		s.feed([]byte("ur"), use)
		s.end(use)
		if got[len(got)-1] != "four" {
			t.Errorf("pieces of %d: the end is %q", size, got[len(got)-1])
		}
	}
}

// bulk is a log of n lines as a load balancer writes them.
func bulk(n int, at time.Time) []byte {
	var out bytes.Buffer
	for i := range n {
		fmt.Fprintf(&out, "https %s app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:%d 10.0.0.1:80 0.000 0.%03d 0.000 %d 200 34 366 \"GET https://www.example.com:443/api/v1/things/%d?x=1 HTTP/2.0\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 %s \"Root=1-58337262-%024x\" \"www.example.com\" \"-\" 0 %s \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\" TID_1234abcd5678ef90 \"-\" \"-\" \"-\"\n",
			at.Add(time.Duration(i)*time.Millisecond).UTC().Format("2006-01-02T15:04:05.000000Z"), 1024+i%60000, i%900, 200+i%2*300, i, shopARN, i, at.UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	return out.Bytes()
}

// BenchmarkLines counts lines, and compares with only finding their ends: the metric
// is how many times as long it takes.
func BenchmarkLines(b *testing.B) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	text := bulk(10_000, start)
	b.SetBytes(int64(len(text)))
	scan := scanTime(b, text)
	for b.Loop() {
		s := &Source{now: func() time.Time { return start.Add(15 * time.Second) }, attempts: newAttempts("Attempt"), history: history{settle: 2 * time.Second, late: time.Hour, keep: time.Hour, start: start.Add(-time.Second), groups: map[string]*group{}}}
		var lines splitter
		s.read(func(count func([]byte)) { lines.feed(text, count) })
		if r := s.Report(); r.Lines != 10_000 || r.Damaged != 0 || r.Retries != 0 {
			b.Fatalf("%+v", r)
		}
	}
	per := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(10_000/per.Seconds(), "lines/s")
	b.ReportMetric(float64(per)/float64(scan), "x-Scanner")
}

// scanTime returns how long bufio.Scanner needs for text.
func scanTime(b *testing.B, text []byte) time.Duration {
	const rounds = 20
	began := time.Now()
	for range rounds {
		lines := 0
		for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
			lines++
		}
		if lines != 10_000 {
			b.Fatalf("%d lines", lines)
		}
	}
	return time.Since(began) / rounds
}
