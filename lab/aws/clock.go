package aws

import (
	"net/http"
	"time"

	"watari.dev/lab/aws/wire"
	"watari.dev/lab/fault"
)

// tolerance is how far a request's time may be from the server's: "Signature
// expired: ... is now earlier than ... (... - 5 min.)" (aws-sdk-php issue 537,
// convox/rack issue 235), and 15 minutes for STS (aws-cli issue 6676).
func tolerance(service string) time.Duration {
	if service == "sts" {
		return 15 * time.Minute
	}
	return 5 * time.Minute
}

// checkSkew refuses a signature whose time is too far from now, with the code of a
// wrong signature, as AWS does (the same sources; the JSON services call it
// InvalidSignatureException).
func checkSkew(service string, stamp, now time.Time) *wire.Error {
	allowed := tolerance(service)
	at, minutes := stamp.Format(dateLayout), int(allowed/time.Minute)
	switch {
	case stamp.Before(now.Add(-allowed)):
		return mismatch("Signature expired: %s is now earlier than %s (%s - %d min.)", at, now.Add(-allowed).Format(dateLayout), now.Format(dateLayout), minutes)
	case stamp.After(now.Add(allowed)):
		return mismatch("Signature not yet current: %s is still later than %s (%s + %d min.)", at, now.Add(allowed).Format(dateLayout), now.Format(dateLayout), minutes)
	}
	return nil
}

// clockFor returns what AWS's clock shows a call, and answers it with that Date if a
// fault has set it off.
func (s *Server) clockFor(w http.ResponseWriter, service, action string) time.Time {
	off := s.rules.ClockOff(fault.ServiceOf(service), action)
	now := s.now().Add(off)
	if off != 0 {
		s.log.Info("the clock is off", "off", off, "service", service, "action", action)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	}
	return now
}
