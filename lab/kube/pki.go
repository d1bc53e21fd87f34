package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Names of files in the pki directory of a plane.
const (
	caCertFile     = "ca.crt"
	serverCertFile = "server.crt"
	serverKeyFile  = "server.key"
	clientCertFile = "client.crt"
	clientKeyFile  = "client.key"
	saKeyFile      = "service-account.key"
	saPubFile      = "service-account.pub"
	tokensFile     = "tokens.csv"
)

const (
	validity    = 365 * 24 * time.Hour // a lab lives for hours
	clockMargin = time.Hour            // for clocks that are set back
)

// identity is a user of the API server and its token.
type identity struct {
	user, group, token string
}

// pki is every secret of one plane.
type pki struct {
	files      map[string][]byte // by name in the pki directory
	ca         []byte            // certificate, PEM
	clientCert []byte            // of the API server towards etcd and nodes, PEM
	clientKey  []byte
	admin      identity
	controller identity
	scheduler  identity
}

// newPKI makes the secrets of a plane that serves at addresses.
func newPKI(cluster string, addresses []net.IP) (pki, error) {
	authority, err := newAuthority(cluster)
	if err != nil {
		return pki{}, fmt.Errorf("make the certificates of %s: %w", cluster, err)
	}
	serverCert, serverKey, err := authority.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		IPAddresses: addresses,
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		// etcd uses one certificate for both ends of a peer connection.
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return pki{}, fmt.Errorf("make the certificates of %s: %w", cluster, err)
	}
	clientCert, clientKey, err := authority.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver-client"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return pki{}, fmt.Errorf("make the certificates of %s: %w", cluster, err)
	}
	saKey, saPub, err := newKeyPair()
	if err != nil {
		return pki{}, fmt.Errorf("make the service account key of %s: %w", cluster, err)
	}
	p := pki{
		ca: authority.pem, clientCert: clientCert, clientKey: clientKey,
		admin:      identity{user: "admin", group: "system:masters", token: newToken()},
		controller: identity{user: "system:kube-controller-manager", token: newToken()},
		scheduler:  identity{user: "system:kube-scheduler", token: newToken()},
	}
	p.files = map[string][]byte{
		caCertFile:     authority.pem,
		serverCertFile: serverCert,
		serverKeyFile:  serverKey,
		clientCertFile: clientCert,
		clientKeyFile:  clientKey,
		saKeyFile:      saKey,
		saPubFile:      saPub,
		tokensFile:     tokensCSV(p.admin, p.controller, p.scheduler),
	}
	return p, nil
}

// write writes the secrets into dir, readable by their owner only.
func (p pki) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, content := range p.files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// tokensCSV renders a static token file: token, user, user's ID, and the group
// if there is one.
func tokensCSV(identities ...identity) []byte {
	var out []byte
	for _, id := range identities {
		out = fmt.Appendf(out, "%s,%s,%s", id.token, id.user, id.user)
		if id.group != "" {
			out = fmt.Appendf(out, ",%s", id.group)
		}
		out = append(out, '\n')
	}
	return out
}

// newToken returns 256 random bits. crypto/rand never fails.
func newToken() string {
	bits := make([]byte, 32)
	_, _ = rand.Read(bits)
	return hex.EncodeToString(bits)
}

// authority is a certificate authority whose key is never written down.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(cluster string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: cluster + " lab CA"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if err := complete(template); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, pem: encode("CERTIFICATE", der)}, nil
}

// issue signs template with a new key and returns both as PEM.
func (a *authority) issue(template *x509.Certificate) (cert, key []byte, err error) {
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if err := complete(template); err != nil {
		return nil, nil, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return encode("CERTIFICATE", der), encode("EC PRIVATE KEY", keyDER), nil
}

// complete sets what every certificate of a plane has.
func complete(template *x509.Certificate) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-clockMargin)
	template.NotAfter = time.Now().Add(validity)
	return nil
}

// newKeyPair returns a key for signing service account tokens (ES256).
func newKeyPair() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	privateDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, err
	}
	return encode("EC PRIVATE KEY", privateDER), encode("PUBLIC KEY", publicDER), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
