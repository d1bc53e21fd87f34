package fault

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxRequest bounds what is read of a request, in bytes.
const maxRequest = 64 << 10

// Handler serves a holder: GET and POST of prefix, DELETE of prefix and of
// prefix/ID. Callers must show the token ("Authorization: Bearer ..."); an empty
// one lets nobody in, because whoever may inject faults may kill processes.
func Handler(prefix, token string, h Holder) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix, func(w http.ResponseWriter, r *http.Request) {
		list, err := h.List(r.Context())
		answer(w, list, err)
	})
	mux.HandleFunc("POST "+prefix, func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		if err := decode(http.MaxBytesReader(w, r.Body, maxRequest), &f); err != nil {
			answer(w, nil, err)
			return
		}
		injected, err := h.Inject(r.Context(), f)
		answer(w, injected, err)
	})
	mux.HandleFunc("DELETE "+prefix+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		healed, err := h.Heal(r.Context(), r.PathValue("id"))
		answer(w, healed, err)
	})
	mux.HandleFunc("DELETE "+prefix, func(w http.ResponseWriter, r *http.Request) {
		healed, err := h.HealAll(r.Context())
		answer(w, healed, err)
	})
	return RequireToken(token, mux)
}

// RequireToken lets only requests through that show the token.
func RequireToken(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token == "" || !ok || subtle.ConstantTimeCompare([]byte(shown), []byte(token)) != 1 {
			writeJSON(w, http.StatusUnauthorized, refusal{Error: "the token of the lab is missing or wrong"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// decode reads one JSON document without unknown fields.
func decode(from io.Reader, into any) error {
	d := json.NewDecoder(from)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	return nil
}

// refusal is the answer to what cannot be done. Its code tells errors that
// callers act on.
type refusal struct {
	Error string `json:"error"`
	Code  string `json:"code,omitempty"`
}

// codes of the errors that go over the wire.
func codes() map[string]error {
	return map[string]error{"unknown": ErrUnknown, "busy": ErrBusy, "tooMany": ErrTooMany}
}

func answer(w http.ResponseWriter, document any, err error) {
	if err == nil {
		writeJSON(w, http.StatusOK, document)
		return
	}
	r := refusal{Error: err.Error()}
	for code, known := range codes() {
		if errors.Is(err, known) {
			r.Code = code
		}
	}
	writeJSON(w, http.StatusBadRequest, r)
}

func writeJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // a caller that left is nobody to tell
}

// Client speaks to a Handler. It is a Holder.
type Client struct {
	URL   string // of the Handler's prefix
	Token string
}

// Inject lets a fault bite.
func (c Client) Inject(ctx context.Context, f Fault) (Injected, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return Injected{}, err
	}
	var injected Injected
	err = c.Do(ctx, http.MethodPost, "", body, &injected)
	return injected, err
}

// List returns every fault that was injected.
func (c Client) List(ctx context.Context) ([]Injected, error) {
	var list []Injected
	err := c.Do(ctx, http.MethodGet, "", nil, &list)
	return list, err
}

// Heal ends one fault.
func (c Client) Heal(ctx context.Context, id string) (Injected, error) {
	var healed Injected
	err := c.Do(ctx, http.MethodDelete, "/"+url.PathEscape(id), nil, &healed)
	return healed, err
}

// HealAll ends every fault.
func (c Client) HealAll(ctx context.Context) ([]Injected, error) {
	var healed []Injected
	err := c.Do(ctx, http.MethodDelete, "", nil, &healed)
	return healed, err
}

// Do sends one request and decodes the answer into the value that into points to;
// nil drops it.
func (c Client) Do(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// refused reads why a request was refused.
func refused(resp *http.Response) error {
	var r refusal
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || r.Error == "" {
		return fmt.Errorf("%s answered %s", resp.Request.URL, resp.Status)
	}
	return remote{text: r.Error, kind: codes()[r.Code]}
}

// remote is an error that came over the wire.
type remote struct {
	text string
	kind error
}

func (r remote) Error() string { return r.text }
func (r remote) Unwrap() error { return r.kind }
