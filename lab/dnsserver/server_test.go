package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func simple(name, rtype string, values ...string) Record {
	return Record{Name: name, Type: rtype, TTL: 300, Values: values, Healthy: true}
}

func weighted(name, rtype, id string, w int64, value string) Record {
	return Record{Name: name, Type: rtype, SetIdentifier: id, Weight: weight(w), TTL: 60, Values: []string{value}, Healthy: true}
}

// example is the zone of most tests.
func example() Zone {
	return Zone{Name: "example.com.", Records: []Record{
		simple("example.com.", "A", "192.0.2.1"),
		simple("www.example.com.", "CNAME", "shop.example.com."),
		simple("out.example.com.", "CNAME", "elsewhere.test."),
		simple("lost.example.com.", "CNAME", "nowhere.example.com."),
		simple("cross.example.com.", "CNAME", "lb.elb.lab.internal."),
		simple("text.example.com.", "TXT", `"heritage=external-dns" "second"`),
		simple("many.example.com.", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3"),
		simple("deep.empty.example.com.", "A", "192.0.2.9"),
		simple(`\052.wild.example.com.`, "A", "192.0.2.7"),
		simple("a.wild.example.com.", "TXT", `"here"`),
		simple("bad.example.com.", "A", "not an address"),
		weighted("shop.example.com.", "A", "source", 100, "192.0.2.10"),
		weighted("shop.example.com.", "A", "target", 0, "192.0.2.20"),
		{Name: "alias.example.com.", Type: "A", AliasTarget: "lb.elb.lab.internal.", AliasAddrs: addrs("127.230.0.1", "127.230.0.2"), TTL: 60, Healthy: true},
		{Name: "alias.example.com.", Type: "AAAA", AliasTarget: "lb.elb.lab.internal.", AliasAddrs: addrs("127.230.0.1"), Healthy: true},
		{Name: "tree.example.com.", Type: "A", AliasTarget: "shop.example.com.", Healthy: true},
		{Name: "dead-end.example.com.", Type: "A", AliasTarget: "gone.example.com.", Healthy: true},
		{Name: "outside.example.com.", Type: "A", AliasTarget: "lb.elsewhere.test.", Healthy: true},
		{Name: "loop-a.example.com.", Type: "A", AliasTarget: "loop-b.example.com.", Healthy: true},
		{Name: "loop-b.example.com.", Type: "A", AliasTarget: "loop-a.example.com.", Healthy: true},
		simple("circle-a.example.com.", "CNAME", "circle-b.example.com."),
		simple("circle-b.example.com.", "CNAME", "circle-a.example.com."),
	}}
}

func balancers() Zone {
	return Zone{Name: "elb.lab.internal.", Records: []Record{simple("lb.elb.lab.internal.", "A", "127.230.0.1")}}
}

func serve(t *testing.T, zones ...Zone) *Server {
	t.Helper()
	s, err := New("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Apply(zones)
	return s
}

func exchange(t *testing.T, s *Server, network string, m *dns.Msg) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: network, Timeout: 5 * time.Second}
	answer, _, err := c.Exchange(m, s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func ask(t *testing.T, s *Server, name, rtype string) *dns.Msg {
	t.Helper()
	return exchange(t, s, "udp", new(dns.Msg).SetQuestion(name, dns.StringToType[rtype]))
}

// short renders records as "name ttl type value", sorted.
func short(rrs []dns.RR) string {
	var out []string
	for _, rr := range rrs {
		f := strings.Fields(rr.String())
		out = append(out, strings.Join(append([]string{f[0], f[1], f[3]}, f[4:]...), " "))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func TestAnswers(t *testing.T) {
	s := serve(t, example(), balancers(), Zone{Name: "sub.example.com.", Records: []Record{simple("x.sub.example.com.", "A", "192.0.2.50")}})
	const soa = "example.com. 900 SOA ns-1.example.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
	for _, c := range []struct{ name, rtype, rcode, answer, ns string }{
		{"example.com.", "A", "NOERROR", "example.com. 300 A 192.0.2.1", ""},
		{"example.com.", "SOA", "NOERROR", soa, ""},
		{"shop.example.com.", "A", "NOERROR", "shop.example.com. 60 A 192.0.2.10", ""},
		{"SHOP.Example.COM.", "A", "NOERROR", "SHOP.Example.COM. 60 A 192.0.2.10", ""},
		{"text.example.com.", "TXT", "NOERROR", `text.example.com. 300 TXT "heritage=external-dns" "second"`, ""},
		{"many.example.com.", "A", "NOERROR", "many.example.com. 300 A 192.0.2.1; many.example.com. 300 A 192.0.2.2; many.example.com. 300 A 192.0.2.3", ""},

		{"www.example.com.", "A", "NOERROR", "shop.example.com. 60 A 192.0.2.10; www.example.com. 300 CNAME shop.example.com.", ""},
		{"www.example.com.", "CNAME", "NOERROR", "www.example.com. 300 CNAME shop.example.com.", ""},
		{"www.example.com.", "AAAA", "NOERROR", "www.example.com. 300 CNAME shop.example.com.", soa},
		{"cross.example.com.", "A", "NOERROR", "cross.example.com. 300 CNAME lb.elb.lab.internal.; lb.elb.lab.internal. 300 A 127.230.0.1", ""},
		{"out.example.com.", "A", "NOERROR", "out.example.com. 300 CNAME elsewhere.test.", ""},
		{"lost.example.com.", "A", "NXDOMAIN", "lost.example.com. 300 CNAME nowhere.example.com.", soa},
		{"circle-a.example.com.", "A", "SERVFAIL", "", ""},

		{"alias.example.com.", "A", "NOERROR", "alias.example.com. 60 A 127.230.0.1; alias.example.com. 60 A 127.230.0.2", ""},
		{"alias.example.com.", "AAAA", "NOERROR", "", soa},
		{"tree.example.com.", "A", "NOERROR", "tree.example.com. 60 A 192.0.2.10", ""},
		{"dead-end.example.com.", "A", "NOERROR", "", soa},
		{"outside.example.com.", "A", "NOERROR", "", soa},
		{"loop-a.example.com.", "A", "SERVFAIL", "", ""},

		{"shop.example.com.", "AAAA", "NOERROR", "", soa},
		{"empty.example.com.", "A", "NOERROR", "", soa},
		{"deep.empty.example.com.", "A", "NOERROR", "deep.empty.example.com. 300 A 192.0.2.9", ""},
		{"nothing.example.com.", "A", "NXDOMAIN", "", soa},
		{"b.wild.example.com.", "A", "NOERROR", "b.wild.example.com. 300 A 192.0.2.7", ""},
		{"c.b.wild.example.com.", "A", "NOERROR", "c.b.wild.example.com. 300 A 192.0.2.7", ""},
		{"b.wild.example.com.", "TXT", "NOERROR", "", soa},
		{"a.wild.example.com.", "A", "NOERROR", "", soa},    // the name exists: no wildcard
		{"x.a.wild.example.com.", "A", "NXDOMAIN", "", soa}, // nor below it
		{"bad.example.com.", "A", "SERVFAIL", "", ""},
		{"x.sub.example.com.", "A", "NOERROR", "x.sub.example.com. 300 A 192.0.2.50", ""},
		{"shop.example.com.", "ANY", "NOERROR", `shop.example.com. 3600 HINFO "RFC8482" ""`, ""},
		{"example.org.", "A", "REFUSED", "", ""},
		{"com.", "A", "REFUSED", "", ""},
	} {
		t.Run(c.name+" "+c.rtype, func(t *testing.T) {
			m := ask(t, s, c.name, c.rtype)
			if got := dns.RcodeToString[m.Rcode]; got != c.rcode {
				t.Errorf("rcode %s, want %s", got, c.rcode)
			}
			if got := short(m.Answer); got != c.answer {
				t.Errorf("answer %s\n   want %s", got, c.answer)
			}
			if got := short(m.Ns); got != c.ns {
				t.Errorf("authority %s\n      want %s", got, c.ns)
			}
			if ok := c.rcode == "NOERROR" || c.rcode == "NXDOMAIN"; m.Authoritative != ok || m.RecursionAvailable {
				t.Errorf("authoritative %v, recursion %v", m.Authoritative, m.RecursionAvailable)
			}
		})
	}
}

// TestWeightsOverQueries asks often and expects each set within four sigma.
func TestWeightsOverQueries(t *testing.T) {
	for _, c := range []struct{ source, target int64 }{{255, 1}, {200, 55}, {0, 0}, {0, 5}} {
		t.Run(fmt.Sprintf("%d:%d", c.source, c.target), func(t *testing.T) {
			s := serve(t, Zone{Name: "example.com.", Records: []Record{
				weighted("api.example.com.", "A", "source", c.source, "192.0.2.10"),
				weighted("api.example.com.", "A", "target", c.target, "192.0.2.20"),
			}})
			conn, err := dns.Dial("udp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			client := dns.Client{Timeout: 5 * time.Second}
			const n = 4000
			got := 0
			for range n {
				m, _, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion("api.example.com.", dns.TypeA), conn)
				if err != nil || len(m.Answer) != 1 {
					t.Fatalf("%v, %v: want one record of one set", m, err)
				}
				if m.Answer[0].(*dns.A).A.String() == "192.0.2.20" {
					got++
				}
			}
			p := 0.5
			if c.source+c.target > 0 {
				p = float64(c.target) / float64(c.source+c.target)
			}
			if mean, sigma := n*p, math.Sqrt(n*p*(1-p)); math.Abs(float64(got)-mean) > 4*sigma {
				t.Errorf("%d of %d answers were the target, want %.0f +- %.0f", got, n, mean, 4*sigma)
			}
			if served := s.Served("API.example.com.", "target"); served != uint64(got) {
				t.Errorf("Served says %d, the client saw %d", served, got)
			}
			if a, b := s.Served("api.example.com.", "source"), s.Served("api.example.com.", "target"); a+b != n {
				t.Errorf("Served says %d in all, want %d", a+b, n)
			}
		})
	}
}

// TestWeightedAliasTree is how several addresses get one weight: weighted
// aliases to helper names. Health comes from behind the alias.
func TestWeightedAliasTree(t *testing.T) {
	zone := func(sourceHealthy bool) Zone {
		return Zone{Name: "example.com.", Records: []Record{
			{Name: "shop.example.com.", Type: "A", SetIdentifier: "source", Weight: weight(1), AliasTarget: "source.example.com.", Healthy: sourceHealthy},
			{Name: "shop.example.com.", Type: "A", SetIdentifier: "target", Weight: weight(0), AliasTarget: "lb.elb.lab.internal.", AliasAddrs: addrs("127.230.0.9"), Healthy: true},
			simple("source.example.com.", "A", "192.0.2.1", "192.0.2.2"),
		}}
	}
	s := serve(t, zone(true))
	if got := short(ask(t, s, "shop.example.com.", "A").Answer); got != "shop.example.com. 300 A 192.0.2.1; shop.example.com. 300 A 192.0.2.2" {
		t.Errorf("answer %s", got)
	}
	s.Apply([]Zone{zone(false)})
	if got := short(ask(t, s, "shop.example.com.", "A").Answer); got != "shop.example.com. 60 A 127.230.0.9" {
		t.Errorf("with an unhealthy source: %s, want the record of weight zero", got)
	}
	if a, b, c := s.Served("shop.example.com.", "source"), s.Served("source.example.com.", ""), s.Served("shop.example.com.", "target"); a != 1 || b != 1 || c != 1 {
		t.Errorf("served %d %d %d, want 1 each", a, b, c)
	}
}

func TestSameSeedSameAnswers(t *testing.T) {
	sequence := func() (out string) {
		s := serve(t, Zone{Name: "example.com.", Records: []Record{
			weighted("a.example.com.", "CNAME", "x", 1, "x.test."), weighted("a.example.com.", "CNAME", "y", 1, "y.test."),
		}})
		for range 50 {
			out += ask(t, s, "a.example.com.", "CNAME").Answer[0].(*dns.CNAME).Target[:1]
		}
		return out
	}
	if a, b := sequence(), sequence(); a != b || !strings.Contains(a, "x") || !strings.Contains(a, "y") {
		t.Errorf("the same seed answered differently:\n%s\n%s", a, b)
	}
}

func TestTruncationAndEDNS(t *testing.T) {
	var values []string
	for i := range 60 {
		values = append(values, fmt.Sprintf("192.0.2.%d", i))
	}
	s := serve(t, Zone{Name: "example.com.", Records: []Record{simple("big.example.com.", "A", values...)}})
	q := new(dns.Msg).SetQuestion("big.example.com.", dns.TypeA)
	m := exchange(t, s, "udp", q)
	m.Compress = true // as it came over the wire
	if !m.Truncated || len(m.Answer) == 60 || m.Len() > 512 || m.IsEdns0() != nil {
		t.Errorf("UDP without EDNS: truncated %v, %d records, %d bytes", m.Truncated, len(m.Answer), m.Len())
	}
	if m := exchange(t, s, "tcp", q); m.Truncated || len(m.Answer) != 60 {
		t.Errorf("TCP: truncated %v, %d records, want all 60", m.Truncated, len(m.Answer))
	}
	if m := exchange(t, s, "udp", q.Copy().SetEdns0(4096, false)); m.Truncated || len(m.Answer) != 60 || m.IsEdns0() == nil {
		t.Errorf("UDP with EDNS: truncated %v, %d records", m.Truncated, len(m.Answer))
	}
	odd := q.Copy().SetEdns0(4096, false)
	odd.IsEdns0().SetVersion(1)
	if m := exchange(t, s, "udp", odd); m.Rcode != dns.RcodeBadVers {
		t.Errorf("EDNS version 1: %s, want BADVERS", dns.RcodeToString[m.Rcode])
	}
}

func TestOddQueries(t *testing.T) {
	s := serve(t, example())
	q := func(change func(*dns.Msg)) *dns.Msg {
		m := new(dns.Msg).SetQuestion("example.com.", dns.TypeA)
		change(m)
		return m
	}
	for name, c := range map[string]struct {
		q    *dns.Msg
		want int
	}{
		"chaos class": {q(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"notify":      {q(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), dns.RcodeNotImplemented},
	} {
		if m := exchange(t, s, "udp", c.q); m.Rcode != c.want || len(m.Answer) != 0 {
			t.Errorf("%s: %s, want %s", name, dns.RcodeToString[m.Rcode], dns.RcodeToString[c.want])
		}
	}
}

// TestGoResolver: what the standard library makes of the answers.
func TestGoResolver(t *testing.T) {
	s := serve(t, example(), balancers())
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr().String())
	}}
	for name, want := range map[string][]string{
		"www.example.com.":   {"192.0.2.10"},
		"alias.example.com.": {"127.230.0.1", "127.230.0.2"},
	} {
		got, err := r.LookupHost(t.Context(), name)
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	var missing *net.DNSError
	if _, err := r.LookupHost(t.Context(), "nothing.example.com."); !errors.As(err, &missing) || !missing.IsNotFound {
		t.Errorf("error %v, want not found", err)
	}
}

// TestApplyUnderQueries: every query is answered by the zones before or after
// a change, never by half of it.
func TestApplyUnderQueries(t *testing.T) {
	zone := func(i int) Zone {
		w := int64(i % 2)
		return Zone{Name: "example.com.", Records: []Record{
			weighted("a.example.com.", "A", "source", w, "192.0.2.1"), weighted("a.example.com.", "A", "target", 1-w, "192.0.2.2"),
		}}
	}
	s := serve(t, zone(0))
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for range 250 {
				if m := ask(t, s, "a.example.com.", "A"); m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 {
					t.Errorf("answer %v", m)
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	for i := 0; ; i++ {
		s.Apply([]Zone{zone(i)})
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond): // the pace of changes
		}
	}
}

func TestNewRefusesOtherAddresses(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "10.0.0.1:53", "localhost:53", ""} {
		if s, err := New(addr, 1); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("New(%q): %v, want an error that asks for loopback", addr, err)
			if s != nil {
				s.Close()
			}
		}
	}
	taken := serve(t)
	if _, err := New(taken.Addr().String(), 1); err == nil {
		t.Error("two servers on one address")
	}
}
