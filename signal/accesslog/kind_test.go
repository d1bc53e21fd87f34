package accesslog

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
)

func TestNames(t *testing.T) {
	for base, wanted := range map[string]fileName{
		"123456789012_elasticloadbalancing_us-east-2_app.lb.1234567890abcdef_20140215T2340Z_172.160.001.192_20sg8hgm.log.gz":                      {balancer: "app/lb/1234567890abcdef", end: time.Date(2014, 2, 15, 23, 40, 0, 0, time.UTC)},
		"123456789012_elasticloadbalancing_us-gov-west-1_app.my-lb.1234567890abcdef_20140215T2340Z_172.160.001.192_20sg8hgm.log":                  {balancer: "app/my-lb/1234567890abcdef", end: time.Date(2014, 2, 15, 23, 40, 0, 0, time.UTC)},
		"conn_log_123456789012_elasticloadbalancing_us-east-2_app.lb.1234567890abcdef_20140215T2340Z_172.160.001.192_20sg8hgm.log.gz":             {foreign: "connection logs"},
		"conn_log.123456789012_elasticloadbalancing_us-east-2_app.lb.1234567890abcdef_20140215T2340Z_172.160.001.192_20sg8hgm.log.gz":             {foreign: "connection logs"},
		"health_check_log_123456789012_elasticloadbalancing_us-east-2_app.lb.1234567890abcdef_20140215T2340Z_172.160.1.192_20sg8h.log.gz":         {foreign: "health check logs"},
		"123456789012_elasticloadbalancing_us-east-2_net.lb.1234567890abcdef_20140215T2340Z_20sg8hgm.log.gz":                                      {foreign: "access logs of Network Load Balancers"},
		"123456789012_elasticloadbalancing_us-east-2_my-classic-lb_20140215T2340Z_172.160.001.192_20sg8hgm.log":                                   {foreign: "access logs of Classic Load Balancers"},
		"123456789012_waflogs_us-east-1_shop-acl_20240215T2340Z_20sg8hgm.log.gz":                                                                  {foreign: "logs of AWS WAF"},
		"123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz":                                                           {foreign: "VPC flow logs"},
		"123456789012_somethingnew_us-east-1_x_20180620T1620Z_fe123456.log.gz":                                                                    {foreign: "logs of other services"},
		"2022-02-15-123456789012_elasticloadbalancing_eu-central-1_app.lb.1234567890abcdef_20140215T2340Z_172.160.1.192_20sg8hgm.log.gz":          {balancer: "app/lb/1234567890abcdef", end: time.Date(2014, 2, 15, 23, 40, 0, 0, time.UTC)},
		"copy_of_123456789012_elasticloadbalancing_eu-central-1_app.lb.1234567890abcdef_20140215T2340Z_172.160.1.192_20sg8hgm.log":                {balancer: "app/lb/1234567890abcdef", end: time.Date(2014, 2, 15, 23, 40, 0, 0, time.UTC)},
		"2022-02-15-conn_log_123456789012_elasticloadbalancing_eu-central-1_app.lb.1234567890abcdef_20140215T2340Z_172.160.1.192_20sg8hgm.log.gz": {foreign: "connection logs"},
		"some_new_log_123456789012_elasticloadbalancing_eu-central-1_app.lb.1234567890abcdef_20140215T2340Z_172.160.1.192_20sg8hgm.log.gz":        {},
		"2022-02-15-123456789012_waflogs_us-east-1_shop-acl_20240215T2340Z_20sg8hgm.log.gz":                                                       {},
		"99123456789012_elasticloadbalancing_eu-central-1_app.lb.1234567890abcdef_20140215T2340Z_172.160.1.192_20sg8hgm.log.gz":                   {},
		"conn_logger-app.log":       {},
		"conn_log.log":              {},
		"health_check_log_shop.log": {},
		"access.log":                {},
		"E2KSCSBBWX4PJH.2024-02-15-23.a1b2c3d4.log.gz": {},
		"shop_20140215T2340Z_1.log.gz":                 {},
	} {
		if wanted.balancer != "" {
			wanted.given = base[strings.Index(base, "123456789012"):]
		}
		if got := nameOf(base); got != wanted {
			t.Errorf("%s: %+v, want %+v", base, got, wanted)
		}
	}
}

// beside returns the path of a file with a name of its own where access logs are.
func (b *bucket) beside(format string, end time.Time) string {
	b.n++
	return filepath.Join(filepath.Dir(b.key(end, "")), fmt.Sprintf(format, end.UTC().Format("20060102T1504Z"), b.n))
}

// formats are lines of other logs, from the examples of their guides.
var formats = map[string]string{
	"conn_log_123456789012_elasticloadbalancing_us-east-2_app.shop.50dc6c495c0c9188_%s_172.16.1.192_%d.log.gz":         "2023-10-04T17:05:15.514108Z 203.0.113.1 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 \"CN=amazondomains.com\" NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z FEF257372D5C14D4 Success TID_3180a73013c8ca4bac2f731159d4b0fe\n",
	"health_check_log_123456789012_elasticloadbalancing_us-east-2_app.shop.50dc6c495c0c9188_%s_172.16.1.192_%d.log.gz": "http 2025-10-31T12:44:59.875678Z 0.019584011 172.31.20.97:80 HCLogsTestIPs-new/1a2b PASS 200 -\n",
	"123456789012_elasticloadbalancing_us-east-2_net.shop.c6e77e28c25b2234_%s_%d.log.gz":                               "tls 2.0 2018-12-20T02:59:40 net/my-network-loadbalancer/c6e77e28c25b2234 g3d4b5e8bb8464cd 72.21.218.154:51341 172.100.100.185:443 5 2 98 246 - arn:aws:acm:us-east-2:671290407336:certificate/2a108f19-aded-46b0-8493-c63eb1ef4a99 - ECDHE-RSA-AES128-SHA tlsv12 - my-lb.example - - - 2018-12-20T02:59:30\n",
	"123456789012_elasticloadbalancing_us-east-2_shop_%s_172.16.1.192_%d.log":                                          "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 \"GET http://www.example.com:80/ HTTP/1.1\" \"curl/7.38.0\" - -\n",
	"123456789012_waflogs_us-east-2_shop_%s_%d.log.gz":                                                                 "{\"timestamp\":1533689070589,\"action\":\"BLOCK\"}\n",
	"E2KSCSBBWX4PJH.%s.%d.log.gz": "#Version: 1.0\n#Fields: date time x-edge-location\n2019-12-04\t21:02:31\tLAX1\n",
	"app_%s_%d.log":               "{\"level\":\"info\"}\n{\"level\":\"warn\"}\n",
}

// TestOtherLogsProveNothing: they have the same prefix, come every five minutes as well,
// and say nothing of the requests. A load balancer that nobody asked is no proof that
// the access log was delivered.
func TestOtherLogsProveNothing(t *testing.T) {
	for format, text := range formats {
		t.Run(format, func(t *testing.T) {
			b := newBucket(t, Config{})
			start := b.now()
			b.pass(6 * time.Minute)
			b.deliver(start.Add(time.Minute), oldGroup, newGroup)
			b.see()
			from := start.Add(5*time.Minute + b.history.settle) // up to here its file says that there was nothing else
			b.pass(12 * time.Minute)                            // in which no access log comes
			for minute := range 3 {
				content := []byte(text)
				if strings.HasSuffix(format, ".gz") {
					content = packed(text)
				}
				b.put(b.beside(format, start.Add(time.Duration(5+5*minute)*time.Minute)), content)
			}
			b.see()
			source, target := b.counts(from, b.now())
			want(t, "source", source, traffic.Unknown, 0, "no new line in "+b.root)
			want(t, "target", target, traffic.Unknown, 0, "no new line in "+b.root)
			if !strings.Contains(source.Err, "files that are no access logs are not read: ") || strings.Count(source.Err, "the first: ") != 1 {
				t.Errorf("it does not name them once: %s", source.Err)
			}
			r := b.Report()
			if r.Damaged != 0 || len(r.Foreign) != 1 || r.Foreign[0].Files != 3 {
				t.Errorf("%+v", r)
			}
			b.deliver(b.now().Add(-7*time.Minute), oldGroup)
			b.pass(time.Second)
			b.see()
			source, target = b.counts(from, b.pass(time.Second))
			want(t, "with an access log beside them", source, traffic.Known, 1, "")
			if target.State != traffic.Known || target.Note != "" {
				t.Errorf("it is said twice: %+v", target)
			}
			if !strings.HasPrefix(source.Note, "files that are no access logs are not read: "+r.Foreign[0].What) {
				t.Errorf("the note is %q", source.Note)
			}
		})
	}
}

// TestForeignFilesThatCannotBeRead keep nothing from being known.
func TestForeignFilesThatCannotBeRead(t *testing.T) {
	b := newBucket(t, Config{})
	b.pass(6 * time.Minute)
	from := b.see()
	cut := packed(strings.Repeat(formats["E2KSCSBBWX4PJH.%s.%d.log.gz"], 10_000))
	b.put(b.beside("E2KSCSBBWX4PJH.%s.%d.log.gz", b.now()), cut[:len(cut)-8])
	b.put(b.beside("conn_log_123456789012_elasticloadbalancing_us-east-2_app.shop.50dc6c495c0c9188_%s_172.16.1.192_%d.log.gz", b.now()), []byte("cut"))
	b.deliver(b.now().Add(-5*time.Minute), oldGroup)
	b.pass(2 * arriving)
	b.see()
	source, _ := b.counts(from, b.now())
	want(t, "beside an access log", source, traffic.Known, 1, "")
	if r := b.Report(); len(r.Foreign) != 2 || r.Lines != 1 {
		t.Errorf("%+v", r)
	}
}

// TestAccessLogsWithoutAnEntry: what their name promises is not there, which is no zero.
func TestAccessLogsWithoutAnEntry(t *testing.T) {
	b := newBucket(t, Config{})
	start := b.now()
	b.pass(6 * time.Minute)
	b.deliver(start.Add(time.Minute), oldGroup)
	from := b.see()
	b.pass(period)
	node := b.key(start.Add(10*time.Minute), ".log.gz")
	b.put(node, packed("<Error><Code>AccessDenied</Code></Error>"))
	b.pass(2 * arriving)
	b.see()
	source, _ := b.counts(from, b.now())
	want(t, "an error that was fetched instead", source, traffic.Failed, 0, node+": none of its lines is an entry of an access log: fetch it again, or take it away")
	b.put(node, packed(request{at: start.Add(7 * time.Minute), group: oldGroup}.line()+"damaged\n"))
	b.pass(time.Second)
	b.see()
	source, _ = b.counts(from, b.now())
	want(t, "fetched again", source, traffic.Known, 2, "")
	if !strings.Contains(source.Note, `lines that cannot be read are not counted (the first: "damaged": it has 1 fields`) {
		t.Errorf("the note is %q", source.Note)
	}
}

// TestAnotherBalancerProvesNothing: two load balancers log under one prefix, and one of
// them has stopped.
func TestAnotherBalancerProvesNothing(t *testing.T) {
	const third = arnPrefix + "targetgroup/other/cccccccccccccccc"
	other := func(at time.Time) string {
		return strings.ReplaceAll(request{at: at, group: third}.line(), "app/shop/50dc6c495c0c9188", "app/other/60dc6c495c0c9188")
	}
	for name, deliver := range map[string]func(b *bucket, at time.Time){
		"in files of its own": func(b *bucket, at time.Time) {
			path := b.key(at.Truncate(period).Add(period), ".log.gz")
			b.put(strings.ReplaceAll(path, "app.shop.50dc6c495c0c9188", "app.other.60dc6c495c0c9188"), packed(other(at)))
		},
		"in files with other names": func(b *bucket, at time.Time) {
			b.put(b.beside("other-%s-%d.log.gz", at), packed(other(at)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBucket(t, Config{})
			start := b.now()
			b.pass(6 * time.Minute)
			b.deliver(start.Add(time.Minute), oldGroup, newGroup)
			deliver(b, start.Add(time.Minute))
			b.see()
			from := start.Add(5*time.Minute + b.history.settle)
			b.pass(12 * time.Minute)
			deliver(b, start.Add(11*time.Minute))
			b.see()
			to := b.now()
			source, target := b.counts(from, to)
			want(t, "source", source, traffic.Unknown, 0, "no new line in")
			want(t, "target", target, traffic.Unknown, 0, "no new line in")
			q := query()
			q.Requests = traffic.BySide[string]{Source: third}
			got, err := b.Counts(t.Context(), q, from, to)
			if err != nil {
				t.Fatal(err)
			}
			want(t, "the other one", got.Source, traffic.Known, 1, "")
		})
	}
}

// TestTheSameFileTwice: a second copy, and what is still being fetched, count nothing.
func TestTheSameFileTwice(t *testing.T) {
	b := newBucket(t, Config{})
	b.pass(6 * time.Minute)
	from := b.see()
	path := b.key(b.now().Truncate(period).Add(period), ".log.gz")
	content := packed(request{at: b.now(), group: oldGroup}.line())
	b.put(path, content)
	b.put(filepath.Join(b.root, "copy", filepath.Base(path)), content)
	b.put(filepath.Join(b.root, "again", "2022-02-15-"+filepath.Base(path)), content)
	for _, being := range []string{"." + filepath.Base(path), filepath.Base(path) + ".part", filepath.Base(path) + ".6eBdF1Cb", ".tmp/" + filepath.Base(path)} {
		b.put(filepath.Join(filepath.Dir(path), being), content)
	}
	b.put(filepath.Join(b.root, "._fork.log.gz"), []byte("Mac OS X"))
	b.pass(7 * time.Minute)
	b.see()
	source, _ := b.counts(from, b.now())
	want(t, "one file", source, traffic.Known, 1, "")
	if r := b.Report(); r.Lines != 1 || source.Note != "" {
		t.Errorf("%+v, %q", r, source.Note)
	}
	if err := os.Remove(path); err != nil { // the copy stays
		t.Fatal(err)
	}
	b.pass(time.Minute)
	b.see()
	if r := b.Report(); r.Lines != 1 {
		t.Errorf("%+v", r)
	}
}

// TestGRPC: what an entry cannot show is said, for the side whose it is.
func TestGRPC(t *testing.T) {
	entry := func(at time.Time, group, kind, agent string) string {
		text := request{at: at, group: group}.line()
		return kind + strings.TrimPrefix(strings.Replace(text, "curl/8.0", agent, 1), "http")
	}
	for name, c := range map[string]struct {
		kind, agent string
		blind       bool
	}{
		"by its type":         {"grpcs", "-", true},
		"behind HTTP2":        {"h2", "shop/1.0 grpc-go/1.81.1", true},
		"HTTP/2":              {"h2", "Mozilla/5.0", false},
		"grpc-web over HTTP1": {"https", "grpc-web-javascript/0.1", false},
	} {
		d := newDesk(t, Config{})
		d.serve(request{group: oldGroup}, request{group: newGroup})
		from := d.see()
		d.write(entry(d.now(), newGroup, c.kind, c.agent))
		got := d.counts(from, d.see())
		want(t, name, got.Target, traffic.Known, 1, "")
		if blind := strings.Contains(got.Target.Note, "grpc_code"); blind != c.blind {
			t.Errorf("%s: the note is %q", name, got.Target.Note)
		}
		if got.Source.Note != "" {
			t.Errorf("%s: the other side's note is %q", name, got.Source.Note)
		}
		if said := slices.ContainsFunc(d.Report().Notes(), func(n string) bool { return strings.HasPrefix(n, "calls of gRPC") }); said != c.blind {
			t.Errorf("%s: %v", name, d.Report().Notes())
		}
	}
}

// TestTooManyBalancers: the memory of a log that everybody writes is bounded.
func TestTooManyBalancers(t *testing.T) {
	d := newDesk(t, Config{})
	from := d.see()
	for n := range maxBalancers + 1 {
		d.write(strings.Replace(request{at: d.now(), group: oldGroup}.line(), "app/shop/", fmt.Sprintf("app/shop%d/", n), 1))
	}
	want(t, "more than can be remembered", d.counts(from, d.see()).Source, traffic.Failed, 0, "more than 200 load balancers")
}

// TestFilesThatBeginSlowly: nobody can say of half a line what it will be.
func TestFilesThatBeginSlowly(t *testing.T) {
	b := newBucket(t, Config{})
	b.pass(6 * time.Minute)
	from := b.see()
	entry := request{at: b.now(), group: oldGroup}.line()
	access, other := filepath.Join(b.root, "access.log"), filepath.Join(b.root, "other.log")
	for _, n := range []int{10, len(entry) - 1, len(entry)} {
		b.put(access, []byte(entry[:n]))
		b.put(other, []byte(strings.Repeat("no entry, ", 100)[:n]))
		b.pass(time.Second)
		b.see()
	}
	b.put(other, []byte("no entry\nno entry\n"))
	b.put(access, []byte(entry+"damaged\n"+entry))
	b.pass(7 * time.Minute)
	b.see()
	source, _ := b.counts(from, b.now())
	want(t, "two entries", source, traffic.Known, 2, "")
	if r := b.Report(); r.Lines != 3 || r.Damaged != 1 || len(r.Foreign) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestNamesThatResembleOthers: an access log whose name only begins like that of another
// log is read.
func TestNamesThatResembleOthers(t *testing.T) {
	for _, name := range []string{"conn_logger-app.log", "health_check_log_shop.log"} {
		b := newBucket(t, Config{})
		b.pass(6 * time.Minute)
		from := b.see()
		b.put(filepath.Join(b.root, name), []byte(request{at: b.now(), group: oldGroup}.line()))
		b.pass(7 * time.Minute)
		b.see()
		source, _ := b.counts(from, b.now())
		want(t, name, source, traffic.Known, 1, "")
	}
}

// TestNoEntriesInWhatWasMadeOfAFile: what has something before AWS's name may have
// another format, which stops nothing and covers nothing.
func TestNoEntriesInWhatWasMadeOfAFile(t *testing.T) {
	b := newBucket(t, Config{})
	start := b.now()
	b.pass(6 * time.Minute)
	b.deliver(start.Add(time.Minute), oldGroup)
	b.see()
	from := start.Add(5*time.Minute + b.history.settle)
	path := b.key(b.now().Truncate(period).Add(period), ".log.gz")
	b.put(filepath.Join(b.root, "counts-"+filepath.Base(path)), packed("{}\n"))
	b.pass(12 * time.Minute)
	b.see()
	source, _ := b.counts(from, b.now())
	want(t, "counts made of it", source, traffic.Unknown, 0, "no new line in "+b.root)
	if r := b.Report(); len(r.Foreign) != 1 || r.Foreign[0].What != otherFormat {
		t.Errorf("%+v", r)
	}
}
