package v1alpha1

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed schema/*.json
var schemas embed.FS

// Schema returns the JSON Schema (draft 7) of a kind, for editors and other
// tools. The empty kind gives the schema of a file, which takes every kind.
func Schema(kind string) ([]byte, error) {
	name := strings.ToLower(kind)
	if kind == "" {
		name = "file"
	}
	for _, known := range []string{"", KindEnvironment, KindMigration} {
		if kind == known {
			return schemas.ReadFile("schema/" + name + ".json")
		}
	}
	return nil, fmt.Errorf("schema of kind %q: it is not known; %s", kind, choice(kind, []string{KindEnvironment, KindMigration}))
}
