package route53

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"watari.dev/lab/aws/wire"
)

// maxRecordsListed per page (API reference, ListResourceRecordSets: at most
// 300 record sets at a time).
const maxRecordsListed = 300

func (s *Service) listResourceRecordSets(zoneID string, query url.Values) (wire.Reply, *wire.Error) {
	z, ok := s.current().Zones[zoneID]
	if !ok {
		return wire.Reply{}, noSuchHostedZone(zoneID)
	}
	limit, err := maxItems(query, maxRecordsListed)
	if err != nil {
		return wire.Reply{}, err
	}
	from, err := startKey(query.Get("name"), query.Get("type"), query.Get("identifier"))
	if err != nil {
		return wire.Reply{}, err
	}
	document := struct {
		XMLName              xml.Name    `xml:"ListResourceRecordSetsResponse"`
		Namespace            string      `xml:"xmlns,attr"`
		RecordSets           []recordSet `xml:"ResourceRecordSets>ResourceRecordSet"`
		IsTruncated          bool
		MaxItems             int
		NextRecordName       string `xml:",omitempty"`
		NextRecordType       string `xml:",omitempty"`
		NextRecordIdentifier string `xml:",omitempty"`
	}{Namespace: namespace, MaxItems: limit}
	for _, key := range slices.Sorted(maps.Keys(z.Records)) {
		if key < from {
			continue
		}
		r := z.Records[key]
		if len(document.RecordSets) == limit {
			document.IsTruncated, document.NextRecordName, document.NextRecordType, document.NextRecordIdentifier = true, r.Name, r.Type, r.SetIdentifier
			break
		}
		document.RecordSets = append(document.RecordSets, r)
	}
	return wire.XMLReply(http.StatusOK, document), nil
}

// startKey is the sorting key at which a listing starts. A type needs a name,
// an identifier needs both (API reference, ListResourceRecordSets).
func startKey(name, recordType, identifier string) (string, *wire.Error) {
	if (name == "" && recordType != "") || (identifier != "" && recordType == "") {
		return "", wire.Errorf("InvalidInput", "The type of a starting record needs its name, and the identifier needs both")
	}
	if name == "" {
		return "", nil
	}
	canonical, err := canonicalName(name)
	if err != nil {
		return "", wire.Errorf("InvalidInput", "%s", err.Message)
	}
	return strings.TrimRight(keyOf(canonical, recordType, identifier), "\x00"), nil
}
