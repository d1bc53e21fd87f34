package route53

import (
	"encoding/xml"
	"net/http"

	"watari.dev/lab/aws/wire"
)

// healthCheck is one that records may name. The emulator keeps it and checks
// nothing: a record that names one counts as healthy.
type healthCheck struct {
	ID              string
	CallerReference string
}

type createCheckRequest struct {
	XMLName         xml.Name `xml:"CreateHealthCheckRequest"`
	CallerReference string
}

func (s *Service) createHealthCheck(body []byte) (wire.Reply, *wire.Error) {
	var request createCheckRequest
	if err := decodeXML(body, &request); err != nil {
		return wire.Reply{}, err
	}
	if request.CallerReference == "" || len(request.CallerReference) > 64 {
		return wire.Reply{}, wire.Errorf("InvalidInput", "Invalid XML ; CallerReference must have 1 to 64 characters")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, have := range s.model.Checks {
		if have.CallerReference == request.CallerReference {
			return wire.Reply{}, &wire.Error{Status: http.StatusConflict, Code: "HealthCheckAlreadyExists", Message: "A health check has already been created with the specified caller reference."}
		}
	}
	next := s.model.clone()
	next.Made++
	c := healthCheck{ID: wire.UpperID(s.opts.Seed, "healthcheck", next.Made, 32), CallerReference: request.CallerReference}
	next.Checks[c.ID] = c
	if err := s.opts.State.Save(next); err != nil {
		return wire.Reply{}, wire.InternalFailure(err)
	}
	s.model = next
	reply := wire.XMLReply(http.StatusCreated, struct {
		XMLName         xml.Name `xml:"CreateHealthCheckResponse"`
		Namespace       string   `xml:"xmlns,attr"`
		ID              string   `xml:"HealthCheck>Id"`
		CallerReference string   `xml:"HealthCheck>CallerReference"`
		Version         int      `xml:"HealthCheck>HealthCheckVersion"`
	}{Namespace: namespace, ID: c.ID, CallerReference: c.CallerReference, Version: 1})
	reply.Header = map[string]string{"Location": "https://route53.amazonaws.com" + pathPrefix + "healthcheck/" + c.ID}
	return reply, nil
}

// deleteHealthCheck deletes one that records may still name: Route 53 does not
// prevent that (API reference, DeleteHealthCheck). Those records stay as they are,
// and no batch that writes one of them is accepted any more.
func (s *Service) deleteHealthCheck(id string) (wire.Reply, *wire.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.model.Checks[id]; !exists {
		return wire.Reply{}, noSuchHealthCheck(id)
	}
	next := s.model.clone()
	delete(next.Checks, id)
	if err := s.opts.State.Save(next); err != nil {
		return wire.Reply{}, wire.InternalFailure(err)
	}
	s.model = next
	return wire.XMLReply(http.StatusOK, struct {
		XMLName   xml.Name `xml:"DeleteHealthCheckResponse"`
		Namespace string   `xml:"xmlns,attr"`
	}{Namespace: namespace}), nil
}

func noSuchHealthCheck(id string) *wire.Error {
	return &wire.Error{Status: http.StatusNotFound, Code: "NoSuchHealthCheck", Message: "No health check found with id: " + id}
}

// checkHealthChecks refuses a batch that writes a record with a health check that
// does not exist. A DELETE states one that was deleted meanwhile.
func checkHealthChecks(changes []edit, checks map[string]healthCheck) *wire.Error {
	for _, c := range changes {
		id := c.ResourceRecordSet.HealthCheckID
		if id == nil || c.Action == "DELETE" {
			continue
		}
		if _, exists := checks[*id]; !exists {
			return noSuchHealthCheck(*id)
		}
	}
	return nil
}
