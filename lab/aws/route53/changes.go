package route53

import (
	"context"
	"encoding/xml"
	"net/http"
	"time"

	"watari.dev/lab/aws/wire"
)

type changeRequest struct {
	XMLName xml.Name `xml:"ChangeResourceRecordSetsRequest"`
	Comment string   `xml:"ChangeBatch>Comment"`
	Changes []edit   `xml:"ChangeBatch>Changes>Change"`
}

type changeInfo struct {
	ID          string `xml:"Id"`
	Status      string
	SubmittedAt string
	Comment     string `xml:",omitempty"`
}

func renderChange(c change) changeInfo {
	info := changeInfo{ID: "/change/" + c.ID, Status: "PENDING", SubmittedAt: c.Submitted.UTC().Format(time.RFC3339Nano), Comment: c.Comment}
	if c.InSync {
		info.Status = "INSYNC"
	}
	return info
}

// changeResourceRecordSets decides at once and takes the processing time before
// the change is there; the zone takes no other batch meanwhile.
func (s *Service) changeResourceRecordSets(ctx context.Context, zoneID string, body []byte) (wire.Reply, *wire.Error) {
	var request changeRequest
	if err := decodeXML(body, &request); err != nil {
		return wire.Reply{}, err
	}
	records, err := s.begin(zoneID, request.Changes)
	if err != nil {
		return wire.Reply{}, err
	}
	// The batch is accepted: it happens even if the caller goes away.
	pause(context.WithoutCancel(ctx), s.opts.ProcessingTime)
	made, err := s.finish(zoneID, records, request.Comment)
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.XMLReply(http.StatusOK, struct {
		XMLName   xml.Name   `xml:"ChangeResourceRecordSetsResponse"`
		Namespace string     `xml:"xmlns,attr"`
		Info      changeInfo `xml:"ChangeInfo"`
	}{Namespace: namespace, Info: renderChange(made)}), nil
}

// begin decides a batch and takes the zone.
func (s *Service) begin(zoneID string, changes []edit) (map[string]recordSet, *wire.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z, ok := s.model.Zones[zoneID]
	if !ok {
		return nil, noSuchHostedZone(zoneID)
	}
	if s.busy[zoneID] {
		return nil, wire.Errorf("PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior request.")
	}
	if err := checkHealthChecks(changes, s.model.Checks); err != nil {
		return nil, err
	}
	records, err := decideBatch(z, changes, balancers{s.opts.LoadBalancerZoneID, s.opts.IsLoadBalancer})
	if err != nil {
		return nil, err
	}
	s.busy[zoneID] = true
	return records, nil
}

// finish stores the batch's records and lets the zone go.
func (s *Service) finish(zoneID string, records map[string]recordSet, comment string) (change, *wire.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, zoneID)
	next := s.model.clone()
	z := next.Zones[zoneID]
	z.Records = records
	next.Zones[zoneID] = z
	return s.commit(next, z, comment)
}

// commit saves a model in which a zone changed, as a PENDING change. The
// caller holds the mutex.
func (s *Service) commit(next model, z zone, comment string) (change, *wire.Error) {
	next.Made++
	c := change{ID: "C" + wire.UpperID(s.opts.Seed, "change", next.Made, 20), Submitted: s.opts.Now(), Comment: comment}
	next.Changes[c.ID] = c
	if err := s.opts.State.Save(next); err != nil {
		return change{}, wire.InternalFailure(err)
	}
	s.model = next
	s.later.Do(func() { s.publish(c.ID, z) })
	return c, nil
}

// publish gives a zone to the data plane and only then calls the change INSYNC.
func (s *Service) publish(changeID string, z zone) {
	s.mu.Lock()
	s.served[z.ID] = z
	if _, exists := s.model.Zones[z.ID]; !exists {
		delete(s.served, z.ID)
	}
	s.mu.Unlock()

	s.opts.Published()

	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.model.clone()
	c := next.Changes[changeID]
	c.InSync = true
	next.Changes[changeID] = c
	s.model = next
}

func (s *Service) getChange(id string) (wire.Reply, *wire.Error) {
	c, ok := s.current().Changes[id]
	if !ok {
		return wire.Reply{}, &wire.Error{Status: http.StatusNotFound, Code: "NoSuchChange", Message: "Could not find resource with ID: " + id}
	}
	return wire.XMLReply(http.StatusOK, struct {
		XMLName   xml.Name   `xml:"GetChangeResponse"`
		Namespace string     `xml:"xmlns,attr"`
		Info      changeInfo `xml:"ChangeInfo"`
	}{Namespace: namespace, Info: renderChange(c)}), nil
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
