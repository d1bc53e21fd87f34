package route53

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// registration is a TXT record of external-dns beside a record that it owns
// (external-dns documentation, "TXT registry").
type registration struct {
	router.Registration
	identifier string // set identifier of the record; empty for a simple one
}

// ownerKey identifies what an answer is about.
func ownerKey(route router.Ref) string {
	return strings.Join(append([]string{route.ID, route.Type}, route.Names...), " ")
}

// registered returns what was registered when that was last looked at, or the
// names to look at now.
func (d *Driver) registered(route router.Ref) ([]registration, []string) {
	known, holds := d.owned.Get(ownerKey(route), d.now())
	if holds {
		return known, nil
	}
	hints := []string{}
	for _, n := range route.Names {
		hints = append(hints, registries(n, route.Type)...)
	}
	return nil, hints
}

// registries are the names under which external-dns keeps the registration of a
// record, beside the name itself as in its older versions: with the record's type
// before it, or for an alias of type A with that of a CNAME.
func registries(name, recordType string) []string {
	names := []string{strings.ToLower(recordType) + "-" + canonical(name)}
	if recordType == "A" {
		names = append(names, "cname-"+canonical(name))
	}
	return names
}

// registrations reads what is registered of the route's names.
func registrations(route router.Ref, found listing) (all []registration) {
	for _, name := range route.Names {
		for _, at := range append([]string{canonical(name)}, registries(name, route.Type)...) {
			for _, set := range found.sets[at] {
				if r, is := externalDNS(set); is {
					r.TXT, r.Name = shown(at), shown(name)
					all = append(all, r)
				}
			}
		}
	}
	return all
}

// externalDNS reads a TXT record of external-dns, as in
// "heritage=external-dns,external-dns/owner=prod,external-dns/resource=ingress/shop/web".
func externalDNS(set types.ResourceRecordSet) (r registration, is bool) {
	if set.Type != types.RRTypeTxt {
		return r, false
	}
	for _, record := range set.ResourceRecords {
		fields := strings.Split(strings.Trim(aws.ToString(record.Value), `"`), ",")
		if !slices.Contains(fields, "heritage=external-dns") {
			continue
		}
		r.Owner, r.Own, r.identifier = "unknown", set.Weight, aws.ToString(set.SetIdentifier)
		for _, f := range fields {
			switch key, value, _ := strings.Cut(f, "="); key {
			case "external-dns/owner":
				r.Owner = value
			case "external-dns/resource":
				r.Resource = value
			}
		}
		return r, true
	}
	return r, false
}

// ownersOf says who else writes the records, by what is registered of them and the
// weights that they have now.
func ownersOf(route router.Ref, all []registration, groups []group) []traffic.Owner {
	var of []router.Registration
	for _, r := range all {
		if r.identifier != "" && r.identifier != route.Source && r.identifier != route.Target {
			continue // a record of the name that is not the migration's
		}
		for _, g := range groups {
			if set := g.find(r.identifier); shown(g.name) == r.Name && set != nil {
				r.Now = set.Weight
			}
		}
		of = append(of, r.Registration)
	}
	return router.RegistrationOwners(of)
}
