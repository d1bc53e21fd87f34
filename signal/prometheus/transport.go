package prometheus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"watari.dev/internal/bounded"
)

// newTransport returns what carries requests to the server, with its credentials.
func newTransport(c Config) (http.RoundTripper, error) {
	if c.BearerTokenFile != "" && (c.Username != "" || c.PasswordFile != "") {
		return nil, errors.New("both a bearer token and a user name or password are given: choose one")
	}
	a := &authorized{config: c, next: c.Transport}
	if a.next == nil {
		plain := bounded.NewTransport()
		var err error
		if plain.TLSClientConfig, err = readTLS(c); err != nil {
			return nil, err
		}
		a.next = plain
	}
	return a, nil
}

func readTLS(c Config) (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := bounded.File(c.CAFile, bounded.Secret(c.CAFile))
		if err != nil {
			return nil, fmt.Errorf("read the certificate authority: %w", err)
		}
		if out.RootCAs = x509.NewCertPool(); !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the certificate authority: %s holds no certificate in PEM", c.CAFile)
		}
	}
	if c.CertFile != "" || c.KeyFile != "" {
		pair, err := readPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client's certificate and key: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

func readPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := bounded.File(certFile, bounded.Secret(certFile))
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := bounded.File(keyFile, bounded.Secret(keyFile))
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// authorized adds credentials to requests, and reads the server's clock from the
// answers.
type authorized struct {
	config Config
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (a *authorized) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("User-Agent", "watari")
	for name, value := range a.config.Headers {
		request.Header.Set(name, value)
	}
	switch c := a.config; {
	case c.BearerTokenFile != "":
		token, err := readSecret(c.BearerTokenFile)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	case c.Username != "" || c.PasswordFile != "":
		password, err := readSecret(c.PasswordFile)
		if err != nil {
			return nil, err
		}
		request.SetBasicAuth(c.Username, password)
	}
	sent := time.Now()
	response, err := a.next.RoundTrip(request)
	if err == nil {
		datesOf(request.Context()).add(sent, time.Now(), response.Header)
	}
	return response, err
}

// CloseIdleConnections is what http.Client's method of this name looks for.
func (a *authorized) CloseIdleConnections() {
	if c, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func readSecret(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := bounded.File(path, bounded.Secret(path))
	if err != nil {
		return "", fmt.Errorf("read the credentials: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// firstLine returns the beginning of what a server said, for a message.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if len(line) > 200 {
		line = line[:200]
	}
	if line == "" {
		return ""
	}
	return ": " + line
}
