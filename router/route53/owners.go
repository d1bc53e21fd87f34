package route53

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
)

// ownerMemory is how long an answer to "who else writes these names" is
// believed. Owners change by hand, and to ask costs calls.
const ownerMemory = 5 * time.Minute

// ownership is what external-dns's registry says: TXT records beside the names
// that it owns (external-dns documentation, "TXT registry").
type ownership struct {
	writer string   // empty if nobody
	names  []string // which of the route's names
	at     time.Time
}

// ownerKey identifies what an answer is about.
func ownerKey(route router.Ref) string {
	return strings.Join(append([]string{route.ID, route.Type}, route.Names...), " ")
}

// knownOwner returns the last answer, or the names to look at for a new one.
func (d *Driver) knownOwner(route router.Ref) (ownership, []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o, ok := d.owners[ownerKey(route)]; ok && d.now().Sub(o.at) < ownerMemory {
		return o, nil
	}
	hints := []string{}
	for _, n := range route.Names {
		hints = append(hints, registered(n, route.Type))
	}
	return ownership{}, hints
}

func (d *Driver) rememberOwner(route router.Ref, found listing) ownership {
	o := ownerOf(route, found)
	d.mu.Lock()
	defer d.mu.Unlock()
	o.at = d.now()
	d.owners[ownerKey(route)] = o
	return o
}

// registered is the name under which external-dns keeps the registration of a
// record, unless it is the name itself as in its older versions.
func registered(name, recordType string) string {
	return strings.ToLower(recordType) + "-" + canonical(name)
}

// ownerOf reads the registrations.
func ownerOf(route router.Ref, found listing) (o ownership) {
	for _, name := range route.Names {
		sets := slices.Concat(found.sets[canonical(name)], found.sets[registered(name, route.Type)])
		for _, set := range sets {
			owner, ok := externalDNS(set)
			if ok && !slices.Contains(o.names, name) {
				o.writer = fmt.Sprintf("external-dns (owner %s)", owner)
				o.names = append(o.names, name)
			}
		}
	}
	return o
}

// externalDNS returns the owner that a TXT record of external-dns names, as in
// "heritage=external-dns,external-dns/owner=prod,...".
func externalDNS(set types.ResourceRecordSet) (owner string, ok bool) {
	if set.Type != types.RRTypeTxt {
		return "", false
	}
	for _, r := range set.ResourceRecords {
		fields := strings.Split(strings.Trim(aws.ToString(r.Value), `"`), ",")
		if !slices.Contains(fields, "heritage=external-dns") {
			continue
		}
		for _, f := range fields {
			if after, found := strings.CutPrefix(f, "external-dns/owner="); found {
				return after, true
			}
		}
		return "unknown", true
	}
	return "", false
}

func (o ownership) warnings() []string {
	if o.writer == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s owns %s and will write its own weight back; keep it away from there while the migration runs", o.writer, fewOf(o.names))}
}
