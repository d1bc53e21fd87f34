package bounded

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// RedirectError says that a server sends its client elsewhere. Nobody follows: the
// credentials would go along, and what answers there is not what was named.
type RedirectError struct {
	From, To string
	Why      string // of the refusal
}

// Error says who leads where, and what to do.
func (e *RedirectError) Error() string {
	return fmt.Sprintf("%s redirects to %s, %s, which is not followed: name the address that answers by itself", e.From, e.To, e.Why)
}

// leads refuses an answer that redirects to another server.
func leads(request *http.Request, response *http.Response) error {
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	to, err := response.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return nil
	}
	if err != nil {
		return &RedirectError{From: address(request.URL), To: response.Header.Get("Location"), Why: "no address"}
	}
	return redirected(request.URL, to)
}

// stays refuses a request that follows a redirect to another server, or too many of
// one server.
func stays(request *http.Request) error {
	for n, at := 1, request; at.Response != nil && at.Response.Request != nil; n++ {
		before := at.Response.Request
		if err := redirected(before.URL, at.URL); err != nil {
			return err
		}
		if n > maxRedirects {
			return &RedirectError{From: address(before.URL), To: address(at.URL), Why: fmt.Sprintf("after %d redirects", maxRedirects)}
		}
		at = before
	}
	return nil
}

func redirected(from, to *url.URL) error {
	if why := elsewhere(from, to); why != "" {
		return &RedirectError{From: address(from), To: address(to), Why: why}
	}
	return nil
}

// elsewhere says why to is not the server of from; empty if it is. From http to https
// of the same name is the one way that a server may be left.
func elsewhere(from, to *url.URL) string {
	switch {
	case from.Scheme == "https" && to.Scheme != "https":
		return "without encryption"
	case from.Scheme == to.Scheme && from.Host == to.Host:
		return ""
	case from.Scheme == "http" && to.Scheme == "https" && from.Port() == "" && to.Port() == "" && from.Hostname() == to.Hostname():
		return ""
	default:
		return "another server"
	}
}
