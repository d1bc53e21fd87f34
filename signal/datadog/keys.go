package datadog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadog"

	"watari.dev/internal/bounded"
)

// keys says where the two keys are.
type keys struct{ apiFile, appFile string }

// secrets are the keys themselves. They go into requests, and nowhere else.
type secrets struct{ api, app string }

func (k keys) read() (secrets, error) {
	api, apiErr := readKey("API key", k.apiFile, "DD_API_KEY")
	app, appErr := readKey("application key", k.appFile, "DD_APP_KEY")
	return secrets{api: api, app: app}, errors.Join(apiErr, appErr)
}

func readKey(what, path, variable string) (string, error) {
	from, key := path, os.Getenv(variable)
	if path != "" {
		b, err := bounded.File(path, bounded.Secret(path))
		if err != nil {
			return "", fmt.Errorf("read the %s: %w", what, err)
		}
		key = string(b)
	} else {
		from = "the environment's " + variable
	}
	switch key = strings.TrimSpace(key); {
	case key == "":
		return "", fmt.Errorf("read the %s: %s holds none", what, from)
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fmt.Errorf("read the %s: %s holds something that is no key", what, from)
	}
	return key, nil
}

// in returns a context with which the client sends the keys.
func (s secrets) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, datadog.ContextAPIKeys, map[string]datadog.APIKey{
		"apiKeyAuth": {Key: s.api}, "appKeyAuth": {Key: s.app},
	})
}

// hide takes the keys out of what a server said: proxies repeat headers.
func (s secrets) hide(text string) string {
	for _, key := range []string{s.api, s.app} {
		if key != "" {
			text = strings.ReplaceAll(text, key, "(key)")
		}
	}
	return text
}
