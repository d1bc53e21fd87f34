package route53

import (
	"cmp"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"watari.dev/lab/aws/wire"
)

// Page sizes (API reference, ListHostedZones and ListHostedZonesByName).
const maxZonesListed = 100

// nameServers of every zone; the emulator's DNS server answers for all.
var nameServers = []string{"ns-1.awsdns.lab.internal", "ns-2.awsdns.lab.internal"}

type hostedZoneXML struct {
	ID              string `xml:"Id"`
	Name            string
	CallerReference string
	Comment         string `xml:"Config>Comment,omitempty"`
	PrivateZone     bool   `xml:"Config>PrivateZone"`
	RecordCount     int    `xml:"ResourceRecordSetCount"`
}

func renderZone(z zone) hostedZoneXML {
	return hostedZoneXML{ID: "/hostedzone/" + z.ID, Name: z.Name, CallerReference: z.CallerReference, Comment: z.Comment, RecordCount: len(z.Records)}
}

type createRequest struct {
	XMLName         xml.Name `xml:"CreateHostedZoneRequest"`
	Name            string
	CallerReference string
	Comment         string `xml:"HostedZoneConfig>Comment"`
	VPC             *other
}

func (s *Service) createHostedZone(body []byte) (wire.Reply, *wire.Error) {
	var request createRequest
	if err := decodeXML(body, &request); err != nil {
		return wire.Reply{}, err
	}
	if request.VPC != nil {
		return wire.Reply{}, wire.Errorf("InvalidInput", "This emulator serves public hosted zones only")
	}
	if request.CallerReference == "" || len(request.CallerReference) > 128 {
		return wire.Reply{}, wire.Errorf("InvalidInput", "Invalid XML ; CallerReference must have 1 to 128 characters")
	}
	name, err := canonicalName(request.Name)
	if err != nil {
		return wire.Reply{}, wire.Errorf("InvalidDomainName", "%s", err.Message)
	}
	z, c, err := s.addZone(zone{Name: name, CallerReference: request.CallerReference, Comment: request.Comment})
	if err != nil {
		return wire.Reply{}, err
	}
	reply := wire.XMLReply(http.StatusCreated, struct {
		XMLName     xml.Name      `xml:"CreateHostedZoneResponse"`
		Namespace   string        `xml:"xmlns,attr"`
		Zone        hostedZoneXML `xml:"HostedZone"`
		Info        changeInfo    `xml:"ChangeInfo"`
		NameServers []string      `xml:"DelegationSet>NameServers>NameServer"`
	}{Namespace: namespace, Zone: renderZone(z), Info: renderChange(c), NameServers: nameServers})
	reply.Header = map[string]string{"Location": "https://route53.amazonaws.com" + pathPrefix + "hostedzone/" + z.ID}
	return reply, nil
}

func (s *Service) addZone(z zone) (zone, change, *wire.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, have := range s.model.Zones {
		if have.CallerReference == z.CallerReference {
			return z, change{}, &wire.Error{Status: http.StatusConflict, Code: "HostedZoneAlreadyExists", Message: "A hosted zone has already been created with the specified caller reference."}
		}
	}
	next := s.model.clone()
	next.Made++
	z.ID = "Z" + wire.UpperID(s.opts.Seed, "zone", next.Made, 20)
	z.Records = apexRecords(z.Name)
	next.Zones[z.ID] = z
	c, err := s.commit(next, z, "")
	return z, c, err
}

// apexRecords are those that Route 53 makes for a new zone ("NS and SOA
// records that Amazon Route 53 creates for a public hosted zone").
func apexRecords(name string) map[string]recordSet {
	nsTTL, soaTTL := int64(172800), int64(900)
	ns := recordSet{Name: name, Type: "NS", TTL: &nsTTL, Records: &valueList{}}
	for _, server := range nameServers {
		ns.Records.List = append(ns.Records.List, setValue{server + "."})
	}
	soa := recordSet{Name: name, Type: "SOA", TTL: &soaTTL, Records: &valueList{List: []setValue{{nameServers[0] + ". awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}}}}
	return map[string]recordSet{ns.key(): ns, soa.key(): soa}
}

func (s *Service) getHostedZone(id string) (wire.Reply, *wire.Error) {
	z, ok := s.current().Zones[id]
	if !ok {
		return wire.Reply{}, noSuchHostedZone(id)
	}
	return wire.XMLReply(http.StatusOK, struct {
		XMLName     xml.Name      `xml:"GetHostedZoneResponse"`
		Namespace   string        `xml:"xmlns,attr"`
		Zone        hostedZoneXML `xml:"HostedZone"`
		NameServers []string      `xml:"DelegationSet>NameServers>NameServer"`
	}{Namespace: namespace, Zone: renderZone(z), NameServers: nameServers}), nil
}

func (s *Service) deleteHostedZone(id string) (wire.Reply, *wire.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z, ok := s.model.Zones[id]
	switch {
	case !ok:
		return wire.Reply{}, noSuchHostedZone(id)
	case s.busy[id]:
		return wire.Reply{}, wire.Errorf("PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior request.")
	case len(z.Records) > len(apexRecords(z.Name)):
		return wire.Reply{}, wire.Errorf("HostedZoneNotEmpty", "The specified hosted zone contains non-required resource record sets  and so cannot be deleted.")
	}
	next := s.model.clone()
	delete(next.Zones, id)
	c, err := s.commit(next, z, "")
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.XMLReply(http.StatusOK, struct {
		XMLName   xml.Name   `xml:"DeleteHostedZoneResponse"`
		Namespace string     `xml:"xmlns,attr"`
		Info      changeInfo `xml:"ChangeInfo"`
	}{Namespace: namespace, Info: renderChange(c)}), nil
}

// sortedZones lists zones by name with labels reversed, then by id.
func (m model) sortedZones() []zone {
	return slices.SortedFunc(maps.Values(m.Zones), func(a, b zone) int {
		return cmp.Or(strings.Compare(sortingName(a.Name), sortingName(b.Name)), strings.Compare(a.ID, b.ID))
	})
}

func (s *Service) listHostedZones(query url.Values) (wire.Reply, *wire.Error) {
	limit, err := maxItems(query, maxZonesListed)
	if err != nil {
		return wire.Reply{}, err
	}
	marker := trimID(query.Get("marker"))
	zones := s.current().sortedZones()
	start := slices.IndexFunc(zones, func(z zone) bool { return marker == "" || z.ID == marker })
	if start < 0 && marker != "" {
		return wire.Reply{}, noSuchHostedZone(marker)
	}
	zones = zones[max(start, 0):]
	document := struct {
		XMLName     xml.Name        `xml:"ListHostedZonesResponse"`
		Namespace   string          `xml:"xmlns,attr"`
		HostedZones []hostedZoneXML `xml:"HostedZones>HostedZone"`
		Marker      string          `xml:",omitempty"`
		IsTruncated bool
		NextMarker  string `xml:",omitempty"`
		MaxItems    int
	}{Namespace: namespace, Marker: marker, MaxItems: limit}
	if len(zones) > limit {
		document.IsTruncated, document.NextMarker = true, zones[limit].ID
		zones = zones[:limit]
	}
	for _, z := range zones {
		document.HostedZones = append(document.HostedZones, renderZone(z))
	}
	return wire.XMLReply(http.StatusOK, document), nil
}

func (s *Service) listHostedZonesByName(query url.Values) (wire.Reply, *wire.Error) {
	limit, err := maxItems(query, maxZonesListed)
	if err != nil {
		return wire.Reply{}, err
	}
	name, id := query.Get("dnsname"), trimID(query.Get("hostedzoneid"))
	if id != "" && name == "" {
		return wire.Reply{}, wire.Errorf("InvalidInput", "The DNSName must be specified with the HostedZoneId")
	}
	from := ""
	if name != "" {
		canonical, err := canonicalName(name)
		if err != nil {
			return wire.Reply{}, wire.Errorf("InvalidDomainName", "%s", err.Message)
		}
		from = sortingName(canonical)
	}
	zones := slices.DeleteFunc(s.current().sortedZones(), func(z zone) bool {
		return cmp.Or(strings.Compare(sortingName(z.Name), from), strings.Compare(z.ID, id)) < 0
	})
	document := struct {
		XMLName          xml.Name        `xml:"ListHostedZonesByNameResponse"`
		Namespace        string          `xml:"xmlns,attr"`
		HostedZones      []hostedZoneXML `xml:"HostedZones>HostedZone"`
		DNSName          string          `xml:",omitempty"`
		HostedZoneID     string          `xml:"HostedZoneId,omitempty"`
		IsTruncated      bool
		NextDNSName      string `xml:",omitempty"`
		NextHostedZoneID string `xml:"NextHostedZoneId,omitempty"`
		MaxItems         int
	}{Namespace: namespace, DNSName: name, HostedZoneID: id, MaxItems: limit}
	if len(zones) > limit {
		document.IsTruncated, document.NextDNSName, document.NextHostedZoneID = true, zones[limit].Name, zones[limit].ID
		zones = zones[:limit]
	}
	for _, z := range zones {
		document.HostedZones = append(document.HostedZones, renderZone(z))
	}
	return wire.XMLReply(http.StatusOK, document), nil
}

// maxItems reads the page size; more than the limit means the limit.
func maxItems(query url.Values, limit int) (int, *wire.Error) {
	text := query.Get("maxitems")
	if text == "" {
		return limit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, wire.Errorf("InvalidInput", "Invalid input: maxitems '%s' is not a positive integer", text)
	}
	return min(n, limit), nil
}

func noSuchHostedZone(id string) *wire.Error {
	return &wire.Error{Status: http.StatusNotFound, Code: "NoSuchHostedZone", Message: "No hosted zone found with ID: " + id}
}
