package plugin

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/pkg/apis/clientauthentication"
	"k8s.io/client-go/pkg/apis/clientauthentication/install"
	v1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"
)

// versions of the protocol that client-go of this version speaks.
var versions = map[string]schema.GroupVersion{
	v1.SchemeGroupVersion.String():      v1.SchemeGroupVersion,
	v1beta1.SchemeGroupVersion.String(): v1beta1.SchemeGroupVersion,
}

func knownVersions() string { return strings.Join(slices.Sorted(maps.Keys(versions)), " and ") }

// codecs reads and writes what plugins are told and print.
var codecs = sync.OnceValue(func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	return serializer.NewCodecFactory(scheme)
})

func newCredential() *clientauthentication.ExecCredential {
	return &clientauthentication.ExecCredential{}
}

// read makes credentials of what the plugin has printed. Its errors never quote it: it
// may hold a token.
func (p *Plugin) read(printed []byte) (*Credentials, error) {
	wrong := func(format string, args ...any) (*Credentials, error) {
		return nil, &Error{Command: p.config.Command, Reason: Unusable, Text: fmt.Sprintf(format, args...)}
	}
	if len(strings.TrimSpace(string(printed))) == 0 {
		return wrong("it printed nothing")
	}
	answer := newCredential()
	_, kind, err := codecs().UniversalDecoder(p.version).Decode(printed, nil, answer)
	switch {
	case err != nil:
		return wrong("it printed %d bytes that are no ExecCredential of %s", len(printed), p.version)
	case kind.GroupVersion() != p.version:
		return wrong("it answered in %s, and the kubeconfig says %s", kind.GroupVersion(), p.version)
	case answer.Status == nil:
		return wrong("its answer has no status")
	}
	s := answer.Status
	c := &Credentials{Token: s.Token, Certificate: []byte(s.ClientCertificateData), Key: []byte(s.ClientKeyData)}
	if s.ExpirationTimestamp != nil {
		c.Expires = s.ExpirationTimestamp.Time
	}
	switch {
	case c.Token == "" && len(c.Certificate) == 0 && len(c.Key) == 0:
		return wrong("its answer has neither a token nor a certificate")
	case (len(c.Certificate) == 0) != (len(c.Key) == 0):
		return wrong("its answer has a certificate or a key, and not both")
	case len(c.Certificate) > 0:
		if _, err := tls.X509KeyPair(c.Certificate, c.Key); err != nil {
			return wrong("its certificate cannot be used: %v", err)
		}
	}
	return c, nil
}
