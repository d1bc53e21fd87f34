package route53

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func testZone() zone {
	return zone{ID: "ZTEST", Name: "example.com.", Records: apexRecords("example.com.")}
}

func noBalancers() balancers {
	return balancers{zoneID: "ZELB", has: func(string) bool { return false }}
}

// drawChange draws from few names and values, so that changes meet each other.
func drawChange(t *rapid.T) edit {
	r := recordSet{
		Name: rapid.SampledFrom([]string{"a.example.com", "A.example.com.", "a.example.com", "b.example.com.", "b.example.com", "*.example.com", "example.com"}).Draw(t, "name"),
		Type: rapid.SampledFrom([]string{"A", "A", "A", "A", "A", "CNAME", "TXT"}).Draw(t, "type"),
	}
	if rapid.IntRange(0, 19).Draw(t, "outside") == 19 {
		r.Name = "out.example.net"
	}
	if rapid.IntRange(0, 3).Draw(t, "weighted") < 3 {
		w := rapid.Int64Range(0, 3).Draw(t, "weight")
		r.Weight, r.SetIdentifier = &w, rapid.SampledFrom([]string{"source", "target", "third"}).Draw(t, "set")
	}
	if rapid.IntRange(0, 6).Draw(t, "alias") == 6 {
		r.AliasTarget = &aliasTarget{HostedZoneID: "ZTEST", DNSName: rapid.SampledFrom([]string{"a.example.com", "b.example.com"}).Draw(t, "target")}
	} else {
		ttl := rapid.Int64Range(1, 2).Draw(t, "ttl")
		r.TTL = &ttl
		value := map[string]string{"A": "10.0.0.", "CNAME": "host", "TXT": `"text`}[r.Type] + fmt.Sprint(rapid.IntRange(1, 2).Draw(t, "value"))
		if r.Type == "TXT" {
			value += `"`
		}
		r.Records = &valueList{List: []setValue{{value}}}
	}
	return edit{Action: rapid.SampledFrom([]string{"UPSERT", "UPSERT", "CREATE", "DELETE"}).Draw(t, "action"), ResourceRecordSet: r}
}

// checkZone states what is true of every zone, whatever was done to it.
func checkZone(t *rapid.T, z zone) {
	types := make(map[string]map[string][]recordSet)
	for key, r := range z.Records {
		if key != r.key() {
			t.Fatalf("%v is stored under another key", r)
		}
		if !within(r.Name, z.Name) {
			t.Fatalf("%s is outside of the zone", r.Name)
		}
		if types[r.Name] == nil {
			types[r.Name] = make(map[string][]recordSet)
		}
		types[r.Name][r.Type] = append(types[r.Name][r.Type], r)
	}
	for name, byType := range types {
		if byType["CNAME"] != nil && (len(byType) > 1 || name == z.Name) {
			t.Fatalf("%s has a CNAME beside other records or at the apex", name)
		}
		for _, sets := range byType {
			checkSets(t, sets)
		}
	}
	if types[z.Name]["SOA"] == nil || types[z.Name]["NS"] == nil {
		t.Fatal("the zone lost its SOA or NS record")
	}
}

// checkSets looks at the record sets of one name and type.
func checkSets(t *rapid.T, sets []recordSet) {
	var ttl *int64
	for _, r := range sets {
		if !r.weighted() && len(sets) > 1 {
			t.Fatalf("%s %s is simple and has company", r.Name, r.Type)
		}
		if r.weighted() && r.TTL != nil {
			if ttl != nil && *ttl != *r.TTL {
				t.Fatalf("%s %s has weighted sets with different TTLs", r.Name, r.Type)
			}
			ttl = r.TTL
		}
	}
}

// TestBatchAtomicity applies random batches. A refused batch changes nothing
// and says why; an accepted one leaves every UPSERT and CREATE readable exactly
// as it was given and no DELETE behind, and a zone that is in order.
func TestBatchAtomicity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z := testZone()
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			var changes []edit
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				changes = append(changes, drawChange(t))
			}
			before := maps.Clone(z.Records)
			after, err := decideBatch(z, changes, noBalancers())
			if diff := cmp.Diff(before, z.Records); diff != "" {
				t.Fatalf("deciding changed the zone:\n%s", diff)
			}
			if err != nil {
				if after != nil || err.Message == "" {
					t.Fatalf("a refused batch gave records %v, message %q", after, err.Message)
				}
				continue
			}
			z.Records = after
			checkZone(t, z)
			checkEffects(t, before, z, changes)
		}
	})
}

// checkEffects looks at the last change of each record set. A batch of one
// DELETE must have stated what there was.
func checkEffects(t *rapid.T, before map[string]recordSet, z zone, changes []edit) {
	normal, err := normalize(changes)
	if err != nil {
		t.Fatal(err)
	}
	if r := normal[0].ResourceRecordSet; len(normal) == 1 && normal[0].Action == "DELETE" && !before[r.key()].same(r) {
		t.Fatalf("%v was deleted where there was %v", r, before[r.key()])
	}
	last := make(map[string]edit)
	for _, c := range normal {
		last[c.ResourceRecordSet.key()] = c
	}
	for key, c := range last {
		got, exists := z.Records[key]
		if c.Action == "DELETE" {
			if exists {
				t.Fatalf("%v was deleted and is still there", got)
			}
			continue
		}
		want := c.ResourceRecordSet
		if want.weighted() {
			want.TTL = got.TTL // a later change of the group may have set it
		}
		if !exists || !got.same(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for given, want := range map[string]string{
		"WWW.Example.com":   "www.example.com.",
		"*.example.com.":    `\052.example.com.`,
		`\052.example.com`:  `\052.example.com.`,
		"a_b-c.example.com": "a_b-c.example.com.",
		"a b.example.com":   `a\040b.example.com.`,
	} {
		got, err := canonicalName(given)
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", given, got, err, want)
		}
		if again, err := canonicalName(plainName(got)); err != nil || again != got {
			t.Errorf("%s is not stable: %s, %v", got, again, err)
		}
	}
}

// TestListingOrder sorts a parent before its children and siblings by label.
func TestListingOrder(t *testing.T) {
	want := []string{"com.", "example.com.", "a.example.com.", "z.a.example.com.", "a-b.example.com.", "b.example.com."}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b string) int {
		if keyOf(a, "A", "") < keyOf(b, "A", "") {
			return -1
		}
		return 1
	})
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
