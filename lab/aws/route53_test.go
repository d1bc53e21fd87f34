package aws

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/google/go-cmp/cmp"

	"watari.dev/lab/alb"
	"watari.dev/lab/aws/elbv2"
)

func (h *harness) zone(name string) string {
	h.Helper()
	out, err := h.r53.CreateHostedZone(h.ctx, &route53.CreateHostedZoneInput{Name: &name, CallerReference: sdk.String(name)})
	return *must(h.T, out, err).HostedZone.Id
}

type edit = r53types.Change

func simple(action, name, recordType string, ttl int64, values ...string) edit {
	set := &r53types.ResourceRecordSet{Name: &name, Type: r53types.RRType(recordType), TTL: &ttl}
	for _, v := range values {
		set.ResourceRecords = append(set.ResourceRecords, r53types.ResourceRecord{Value: &v})
	}
	return edit{Action: r53types.ChangeAction(action), ResourceRecordSet: set}
}

func weighted(action, name, recordType, id string, weight, ttl int64, values ...string) edit {
	c := simple(action, name, recordType, ttl, values...)
	c.ResourceRecordSet.SetIdentifier, c.ResourceRecordSet.Weight = &id, &weight
	return c
}

func alias(action, name, recordType, zone, target string) edit {
	return edit{Action: r53types.ChangeAction(action), ResourceRecordSet: &r53types.ResourceRecordSet{
		Name: &name, Type: r53types.RRType(recordType),
		AliasTarget: &r53types.AliasTarget{HostedZoneId: &zone, DNSName: &target, EvaluateTargetHealth: true},
	}}
}

func (h *harness) change(zone string, edits ...edit) (*r53types.ChangeInfo, error) {
	out, err := h.r53.ChangeResourceRecordSets(h.ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: &r53types.ChangeBatch{Changes: edits}})
	if err != nil {
		return nil, err
	}
	return out.ChangeInfo, nil
}

func (h *harness) mustChange(zone string, edits ...edit) *r53types.ChangeInfo {
	h.Helper()
	info, err := h.change(zone, edits...)
	return must(h.T, info, err)
}

// records lists a zone as "name type set weight ttl values".
func (h *harness) records(zone string) []string {
	h.Helper()
	out, err := h.r53.ListResourceRecordSets(h.ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: &zone})
	var lines []string
	for _, r := range must(h.T, out, err).ResourceRecordSets {
		if r.Type == "NS" || r.Type == "SOA" {
			continue
		}
		line := fmt.Sprintf("%s %s %s", *r.Name, r.Type, sdk.ToString(r.SetIdentifier))
		if r.Weight != nil {
			line += fmt.Sprintf(" w%d", *r.Weight)
		}
		if r.TTL != nil {
			line += fmt.Sprintf(" %ds", *r.TTL)
		}
		for _, v := range r.ResourceRecords {
			line += " " + *v.Value
		}
		if r.AliasTarget != nil {
			line += " -> " + *r.AliasTarget.DNSName
		}
		lines = append(lines, line)
	}
	return lines
}

func (h *harness) wantRecords(zone string, want ...string) {
	h.Helper()
	if diff := cmp.Diff(want, h.records(zone)); diff != "" {
		h.Errorf("records (-want +got):\n%s", diff)
	}
}

// wantBatchError checks the messages of a refused batch.
func wantBatchError(t *testing.T, err error, part string) {
	t.Helper()
	var batch *r53types.InvalidChangeBatch
	if !errors.As(err, &batch) {
		t.Fatalf("got %v, want InvalidChangeBatch", err)
	}
	if !slices.ContainsFunc(batch.Messages, func(m string) bool { return strings.Contains(m, part) }) {
		t.Fatalf("got messages %q, want one with %q", batch.Messages, part)
	}
}

func TestHostedZones(t *testing.T) {
	h := start(t)
	b := h.zone("b.example.com")
	a := h.zone("A.example.COM.")
	_, err := h.r53.CreateHostedZone(h.ctx, &route53.CreateHostedZoneInput{Name: sdk.String("c.com"), CallerReference: sdk.String("b.example.com")})
	wantCode(t, err, "HostedZoneAlreadyExists")
	_, err = h.r53.CreateHostedZone(h.ctx, &route53.CreateHostedZoneInput{Name: sdk.String("a..com"), CallerReference: sdk.String("x")})
	wantCode(t, err, "InvalidDomainName")
	got, err := h.r53.GetHostedZone(h.ctx, &route53.GetHostedZoneInput{Id: &a})
	if z := must(t, got, err).HostedZone; *z.Name != "a.example.com." || *z.ResourceRecordSetCount != 2 || len(got.DelegationSet.NameServers) != 2 {
		t.Errorf("got %+v", z)
	}
	_, err = h.r53.GetHostedZone(h.ctx, &route53.GetHostedZoneInput{Id: sdk.String("ZNONE")})
	wantCode(t, err, "NoSuchHostedZone")

	page, err := h.r53.ListHostedZones(h.ctx, &route53.ListHostedZonesInput{MaxItems: sdk.Int32(1)})
	if must(t, page, err); !page.IsTruncated || *page.HostedZones[0].Id != a {
		t.Fatalf("got %+v", page)
	}
	page, err = h.r53.ListHostedZones(h.ctx, &route53.ListHostedZonesInput{Marker: page.NextMarker})
	if must(t, page, err); page.IsTruncated || len(page.HostedZones) != 1 || *page.HostedZones[0].Id != b {
		t.Errorf("got %+v", page)
	}
	byName, err := h.r53.ListHostedZonesByName(h.ctx, &route53.ListHostedZonesByNameInput{DNSName: sdk.String("b.example.com")})
	if must(t, byName, err); len(byName.HostedZones) != 1 || *byName.HostedZones[0].Id != b {
		t.Errorf("got %+v", byName.HostedZones)
	}
	byName, err = h.r53.ListHostedZonesByName(h.ctx, &route53.ListHostedZonesByNameInput{MaxItems: sdk.Int32(1)})
	if must(t, byName, err); !byName.IsTruncated || *byName.NextDNSName != "b.example.com." {
		t.Errorf("got %+v", byName)
	}
	h.mustChange(b, simple("CREATE", "www.b.example.com", "A", 60, "1.2.3.4"))
	_, err = h.r53.DeleteHostedZone(h.ctx, &route53.DeleteHostedZoneInput{Id: &b})
	wantCode(t, err, "HostedZoneNotEmpty")
	if _, err = h.r53.DeleteHostedZone(h.ctx, &route53.DeleteHostedZoneInput{Id: &a}); err != nil {
		t.Fatal(err)
	}
	_, err = h.r53.GetHostedZone(h.ctx, &route53.GetHostedZoneInput{Id: &a})
	wantCode(t, err, "NoSuchHostedZone")
}

// TestConversion takes a simple record to weighted ones and back, each way in
// one batch; a lone CREATE is refused.
func TestConversion(t *testing.T) {
	h := start(t)
	z := h.zone("example.com")
	h.mustChange(z, simple("CREATE", "Api.Example.com", "CNAME", 60, "old.example.net"))
	_, err := h.change(z, weighted("CREATE", "api.example.com", "CNAME", "source", 255, 60, "old.example.net"))
	wantBatchError(t, err, "RRSet with DNS name api.example.com., type CNAME, SetIdentifier source cannot be created as a non-weighted set exists with the same name and type.")
	h.mustChange(z,
		simple("DELETE", "api.example.com.", "CNAME", 60, "old.example.net"),
		weighted("CREATE", "api.example.com", "CNAME", "source", 255, 60, "old.example.net"),
		weighted("CREATE", "api.example.com", "CNAME", "target", 0, 60, "new.example.net"))
	h.wantRecords(z, "api.example.com. CNAME source w255 60s old.example.net", "api.example.com. CNAME target w0 60s new.example.net")
	_, err = h.change(z, simple("UPSERT", "api.example.com", "CNAME", 60, "old.example.net"))
	wantBatchError(t, err, "RRSet with DNS name api.example.com., type CNAME cannot be created as other RRSets exist with the same name and type.")

	// The last TTL given is the group's.
	h.mustChange(z, weighted("UPSERT", "api.example.com", "CNAME", "target", 10, 30, "new.example.net"))
	h.wantRecords(z, "api.example.com. CNAME source w255 30s old.example.net", "api.example.com. CNAME target w10 30s new.example.net")
	h.mustChange(z,
		weighted("DELETE", "api.example.com", "CNAME", "source", 255, 30, "old.example.net"),
		weighted("DELETE", "api.example.com", "CNAME", "target", 10, 30, "new.example.net"),
		simple("CREATE", "api.example.com", "CNAME", 30, "new.example.net"))
	h.wantRecords(z, "api.example.com. CNAME  30s new.example.net")
}

func TestRefusedBatches(t *testing.T) {
	h := start(t)
	z := h.zone("example.com")
	h.mustChange(z,
		simple("CREATE", "a.example.com", "A", 60, "1.2.3.4", "1.2.3.5"),
		simple("CREATE", "c.example.com", "CNAME", 60, "a.example.com"),
		weighted("CREATE", "w.example.com", "A", "one", 1, 60, "1.2.3.4"))
	var full []edit
	for i := range 100 {
		full = append(full, weighted("CREATE", "full.example.com", "A", fmt.Sprint(i), 1, 60, "1.2.3.4"))
	}
	h.mustChange(z, full...)
	h.mustChange(z, simple("DELETE", "a.example.com", "A", 60, "1.2.3.5", "1.2.3.4"), simple("CREATE", "a.example.com", "A", 60, "1.2.3.4", "1.2.3.5")) // values in any order
	before := h.records(z)
	const unknownLB = "gone-1.eu-central-1.elb.lab.internal"
	for name, tt := range map[string]struct {
		edits []edit
		part  string
	}{
		"create existing":         {[]edit{simple("CREATE", "a.example.com", "A", 60, "1.1.1.1")}, "Tried to create resource record set [name='a.example.com.', type='A'] but it already exists"},
		"delete missing":          {[]edit{simple("DELETE", "b.example.com", "A", 60, "1.1.1.1")}, "Tried to delete resource record set [name='b.example.com.', type='A'] but it was not found"},
		"delete other ttl":        {[]edit{simple("DELETE", "a.example.com", "A", 61, "1.2.3.4", "1.2.3.5")}, "but the values provided do not match the current values"},
		"delete other value":      {[]edit{simple("DELETE", "a.example.com", "A", 60, "1.2.3.4")}, "but the values provided do not match the current values"},
		"delete other weight":     {[]edit{weighted("DELETE", "w.example.com", "A", "one", 2, 60, "1.2.3.4")}, "but the values provided do not match the current values"},
		"delete other set":        {[]edit{weighted("DELETE", "w.example.com", "A", "two", 1, 60, "1.2.3.4")}, "but it was not found"},
		"delete twice":            {[]edit{simple("DELETE", "c.example.com", "CNAME", 60, "a.example.com"), simple("DELETE", "c.example.com", "CNAME", 60, "a.example.com")}, "invalid set of changes for a resource record set 'CNAME c.example.com.'"},
		"upsert twice":            {[]edit{simple("UPSERT", "n.example.com", "A", 60, "1.2.3.4"), simple("UPSERT", "n.example.com", "A", 60, "1.2.3.5")}, "invalid set of changes"},
		"cname beside others":     {[]edit{simple("CREATE", "a.example.com", "CNAME", 60, "b.example.com")}, "RRSet of type CNAME with DNS name a.example.com. is not permitted as it conflicts with other records with the same DNS name in zone example.com."},
		"other beside cname":      {[]edit{simple("CREATE", "c.example.com", "A", 60, "1.2.3.4")}, "a conflicting RRSet of type CNAME with the same DNS name already exists in zone example.com."},
		"cname at the apex":       {[]edit{simple("CREATE", "example.com", "CNAME", 60, "b.example.net")}, "is not permitted at apex in zone example.com."},
		"outside of the zone":     {[]edit{simple("CREATE", "a.example.net", "A", 60, "1.2.3.4")}, "RRSet with DNS name a.example.net. is not permitted in zone example.com."},
		"not an address":          {[]edit{simple("CREATE", "n.example.com", "A", 60, "nowhere")}, "ARRDATAIllegalIPv4Address"},
		"not an ipv6 address":     {[]edit{simple("CREATE", "n.example.com", "AAAA", 60, "1.2.3.4")}, "AAAARRDATAIllegalIPv6Address"},
		"text without quotes":     {[]edit{simple("CREATE", "n.example.com", "TXT", 60, "hello")}, "enclosed in quotation marks"},
		"a value twice":           {[]edit{simple("CREATE", "n.example.com", "A", 60, "1.2.3.4", "1.2.3.4")}, "Duplicate Resource Record: '1.2.3.4'"},
		"two cnames":              {[]edit{simple("CREATE", "n.example.com", "CNAME", 60, "x.example.com", "y.example.com")}, "only one resource record"},
		"two values of a weight":  {[]edit{weighted("CREATE", "n.example.com", "A", "x", 1, 60, "1.2.3.4", "1.2.3.5")}, "only one resource record"},
		"101 weighted sets":       {[]edit{weighted("CREATE", "full.example.com", "A", "x", 1, 60, "1.2.3.4")}, "more than 100 weighted sets"},
		"alias to nowhere":        {[]edit{alias("CREATE", "n.example.com", "A", elbv2.CanonicalHostedZoneID, unknownLB)}, "but that target was not found"},
		"alias to a foreign zone": {[]edit{alias("CREATE", "n.example.com", "A", "ZOTHER", "x.example.net")}, "the alias target name does not lie within the target zone"},
		"alias to no record":      {[]edit{alias("CREATE", "n.example.com", "A", z, "x.example.com")}, "but that target was not found"},
		"alias of another type":   {[]edit{alias("CREATE", "n.example.com", "AAAA", z, "a.example.com")}, "but that target was not found"},
		"empty label":             {[]edit{simple("CREATE", "a..example.com", "A", 60, "1.2.3.4")}, "DomainLabelEmpty"},
		"long label":              {[]edit{simple("CREATE", strings.Repeat("x", 64)+".example.com", "A", 60, "1.2.3.4")}, "DomainLabelTooLong"},
	} {
		t.Run(name, func(t *testing.T) {
			// A good change beside the bad one must have no effect either.
			_, err := h.change(z, append([]edit{simple("UPSERT", "good.example.com", "A", 60, "9.9.9.9")}, tt.edits...)...)
			wantBatchError(t, err, tt.part)
			if diff := cmp.Diff(before, h.records(z)); diff != "" {
				t.Errorf("a refused batch had an effect:\n%s", diff)
			}
		})
	}
	ns, err := h.r53.ListResourceRecordSets(h.ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: &z, MaxItems: sdk.Int32(2)})
	for _, apex := range must(t, ns, err).ResourceRecordSets {
		_, err := h.change(z, edit{Action: "DELETE", ResourceRecordSet: &apex})
		wantBatchError(t, err, "A HostedZone must contain")
	}
}

func TestInvalidInput(t *testing.T) {
	h := start(t)
	z := h.zone("example.com")
	with := func(change func(*r53types.ResourceRecordSet)) edit {
		e := weighted("CREATE", "n.example.com", "A", "x", 1, 60, "1.2.3.4")
		change(e.ResourceRecordSet)
		return e
	}
	for name, e := range map[string]edit{
		"weight 256":         with(func(r *r53types.ResourceRecordSet) { r.Weight = sdk.Int64(256) }),
		"weight -1":          with(func(r *r53types.ResourceRecordSet) { r.Weight = sdk.Int64(-1) }),
		"no set identifier":  with(func(r *r53types.ResourceRecordSet) { r.SetIdentifier = nil }),
		"set without weight": with(func(r *r53types.ResourceRecordSet) { r.Weight = nil }),
		"no ttl":             with(func(r *r53types.ResourceRecordSet) { r.TTL = nil }),
		"no values":          with(func(r *r53types.ResourceRecordSet) { r.ResourceRecords = nil }),
		"ttl too long":       with(func(r *r53types.ResourceRecordSet) { r.TTL = sdk.Int64(1 << 31) }),
		"latency routing":    with(func(r *r53types.ResourceRecordSet) { r.Weight, r.Region = nil, "eu-west-1" }),
		"type MX":            with(func(r *r53types.ResourceRecordSet) { r.Type = "MX" }),
		"unknown action":     {Action: "REPLACE", ResourceRecordSet: simple("", "n.example.com", "A", 60, "1.2.3.4").ResourceRecordSet},
		"alias with a ttl": with(func(r *r53types.ResourceRecordSet) {
			r.AliasTarget = &r53types.AliasTarget{HostedZoneId: &z, DNSName: sdk.String("a.example.com")}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.change(z, e)
			wantCode(t, err, "InvalidInput")
		})
	}
	_, err := h.change(z, with(func(r *r53types.ResourceRecordSet) { r.HealthCheckId = sdk.String("hc") }))
	wantCode(t, err, "NoSuchHealthCheck")
	_, err = h.change("ZNONE", simple("CREATE", "n.example.com", "A", 60, "1.2.3.4"))
	wantCode(t, err, "NoSuchHostedZone")
	_, err = h.change(z, []edit{}...)
	wantCode(t, err, "InvalidInput")
	_, err = h.r53.GetChange(h.ctx, &route53.GetChangeInput{Id: sdk.String("CNONE")})
	wantCode(t, err, "NoSuchChange")
	for _, in := range []*route53.ListResourceRecordSetsInput{
		{StartRecordType: "A"}, {StartRecordName: sdk.String("a.example.com"), StartRecordIdentifier: sdk.String("x")}, {MaxItems: sdk.Int32(0)},
	} {
		in.HostedZoneId = &z
		_, err = h.r53.ListResourceRecordSets(h.ctx, in)
		wantCode(t, err, "InvalidInput")
	}
}

func TestBatchLimits(t *testing.T) {
	h := start(t)
	z := h.zone("example.com")
	records := func(action string, n int) []edit {
		var edits []edit
		for i := range n {
			edits = append(edits, simple(action, fmt.Sprintf("r%d.example.com", i), "A", 60, "1.2.3.4"))
		}
		return edits
	}
	long := func(action string, characters int) []edit {
		var edits []edit
		for i := 0; characters > 0; i++ {
			n := min(characters, 4000)
			edits = append(edits, simple(action, fmt.Sprintf("t%d.example.com", i), "TXT", 60, `"`+strings.Repeat("x", n-2)+`"`))
			characters -= n
		}
		return edits
	}
	_, err := h.change(z, records("CREATE", 1001)...)
	wantBatchError(t, err, "Number of records limit of 1000 exceeded.")
	_, err = h.change(z, records("UPSERT", 501)...)
	wantBatchError(t, err, "Number of records limit of 1000 exceeded.")
	_, err = h.change(z, long("CREATE", 32002)...)
	wantBatchError(t, err, "Number of characters limit of 32000 exceeded.")
	_, err = h.change(z, long("UPSERT", 16002)...)
	wantBatchError(t, err, "Number of characters limit of 32000 exceeded.")
	h.mustChange(z, records("CREATE", 1000)...)
	h.mustChange(z, records("UPSERT", 500)...)
	h.mustChange(z, long("CREATE", 32000)...)
	h.mustChange(z, long("UPSERT", 16000)...)
}

// TestListing reads records page by page, in the order of reversed labels.
func TestListing(t *testing.T) {
	h := start(t)
	z := h.zone("example.com")
	h.mustChange(z,
		simple("CREATE", "b.example.com", "A", 60, "1.2.3.4"),
		simple("CREATE", "z.a.example.com", "A", 60, "1.2.3.4"),
		simple("CREATE", "a.example.com", "TXT", 60, `"t"`),
		simple("CREATE", "a.example.com", "A", 60, "1.2.3.4"),
		simple("CREATE", "*.example.com", "A", 60, "1.2.3.4"),
		weighted("CREATE", "w.example.com", "A", "2", 1, 60, "1.2.3.4"),
		weighted("CREATE", "w.example.com", "A", "1", 1, 60, "1.2.3.4"))
	want := []string{
		`example.com. NS `, `example.com. SOA `, `\052.example.com. A `, `a.example.com. A `, `a.example.com. TXT `,
		`z.a.example.com. A `, `b.example.com. A `, `w.example.com. A 1`, `w.example.com. A 2`,
	}
	for size := int32(1); size <= 10; size++ {
		var got []string
		pages := route53.NewListResourceRecordSetsPaginator(h.r53, &route53.ListResourceRecordSetsInput{HostedZoneId: &z, MaxItems: &size})
		for pages.HasMorePages() {
			out, err := pages.NextPage(h.ctx)
			if must(t, out, err); len(out.ResourceRecordSets) > int(size) {
				t.Fatalf("got %d records on a page of %d", len(out.ResourceRecordSets), size)
			}
			for _, r := range out.ResourceRecordSets {
				got = append(got, fmt.Sprintf("%s %s %s", *r.Name, r.Type, sdk.ToString(r.SetIdentifier)))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
	out, err := h.r53.ListResourceRecordSets(h.ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: &z, StartRecordName: sdk.String("w.example.com"), StartRecordType: "A", StartRecordIdentifier: sdk.String("2")})
	if must(t, out, err); len(out.ResourceRecordSets) != 1 {
		t.Errorf("starting at the last record gives %d", len(out.ResourceRecordSets))
	}
	h.mustChange(z, simple("DELETE", `\052.example.com`, "A", 60, "1.2.3.4"))
}

// TestPendingToInsync checks that listing shows a change at once, and the DNS
// server when the change is INSYNC.
func TestPendingToInsync(t *testing.T) {
	const lag = 300 * time.Millisecond
	h := start(t, func(c *Config) { c.InsyncDelay = lag })
	z := h.zone("example.com")
	asked := time.Now()
	info := h.mustChange(z, simple("CREATE", "a.example.com", "A", 60, "1.2.3.4"))
	if info.Status != r53types.ChangeStatusPending || !strings.HasPrefix(*info.Id, "/change/C") {
		t.Errorf("got %+v", info)
	}
	h.wantRecords(z, "a.example.com. A  60s 1.2.3.4")
	h.until("the DNS server has it", func() bool { _, served := h.names.record("a.example.com.", "A", ""); return served })
	if took := time.Since(asked); took < lag {
		t.Errorf("the DNS server had the change after %v, want at least %v", took, lag)
	}
	h.until("INSYNC", func() bool {
		out, err := h.r53.GetChange(h.ctx, &route53.GetChangeInput{Id: info.Id})
		return must(t, out, err).ChangeInfo.Status == r53types.ChangeStatusInsync
	})
	if r, served := h.names.record("a.example.com.", "A", ""); !served || r.TTL != 60 || !slices.Equal(r.Values, []string{"1.2.3.4"}) {
		t.Errorf("the DNS server has %+v once the change is INSYNC", r)
	}
}

func TestAliases(t *testing.T) {
	h := start(t)
	z := h.zone("example.com")
	lb := h.loadBalancer("web")
	group := h.targetGroup("blue")
	h.listener(*lb.LoadBalancerArn, 80, forward(group, 1))
	h.mustChange(z,
		alias("CREATE", "api.example.com", "A", *lb.CanonicalHostedZoneId, "dualstack."+strings.ToUpper(*lb.DNSName)),
		alias("CREATE", "api.example.com", "AAAA", *lb.CanonicalHostedZoneId, *lb.DNSName),
		alias("CREATE", "www.example.com", "A", strings.TrimPrefix(z, "/hostedzone/"), "api.example.com"))
	h.wantRecords(z,
		"api.example.com. A  -> dualstack."+strings.ToLower(*lb.DNSName)+".",
		"api.example.com. AAAA  -> "+strings.ToLower(*lb.DNSName)+".",
		"www.example.com. A  -> api.example.com.")
	served := func(name, recordType string) (addrs int, healthy bool, ttl uint32) {
		r, _ := h.names.record(name, recordType, "")
		return len(r.AliasAddrs), r.Healthy, r.TTL
	}
	h.until("the alias stands for two addresses", func() bool { n, _, ttl := served("api.example.com.", "A"); return n == 2 && ttl == 60 })
	if n, _, _ := served("api.example.com.", "AAAA"); n != 0 {
		t.Errorf("an IPv4 load balancer has %d IPv6 addresses", n)
	}
	if r, _ := h.names.record("www.example.com.", "A", ""); r.AliasTarget != "api.example.com." || len(r.AliasAddrs) != 0 {
		t.Errorf("an alias within the zone is served as %+v", r)
	}
	h.until("the alias of a load balancer whose group has no healthy target is not healthy", func() bool {
		_, healthy, _ := served("api.example.com.", "A")
		return !healthy
	})
	h.plane.setHealth(group, alb.Health{State: alb.Healthy})
	h.until("the alias is healthy", func() bool { _, healthy, _ := served("api.example.com.", "A"); return healthy })
}

// TestPriorRequestNotComplete overlaps two batches of one zone.
func TestPriorRequestNotComplete(t *testing.T) {
	h := start(t, func(c *Config) { c.ProcessingTime = 200 * time.Millisecond })
	z, other := h.zone("example.com"), h.zone("example.net")
	var wait sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for i := range 4 {
		wait.Go(func() {
			_, err := h.change(z, simple("UPSERT", fmt.Sprintf("a%d.example.com", i), "A", 60, "1.2.3.4"))
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	var otherErr error
	wait.Go(func() { _, otherErr = h.change(other, simple("UPSERT", "a.example.net", "A", 60, "1.2.3.4")) })
	wait.Wait()
	if otherErr != nil {
		t.Errorf("a batch of another zone: %v", otherErr)
	}
	accepted := 0
	for _, err := range errs {
		if err == nil {
			accepted++
			continue
		}
		wantCode(t, err, "PriorRequestNotComplete")
	}
	if got := len(h.records(z)); accepted == 0 || accepted == len(errs) || got != accepted {
		t.Errorf("of %d overlapping batches %d were accepted and %d had an effect", len(errs), accepted, got)
	}
}
