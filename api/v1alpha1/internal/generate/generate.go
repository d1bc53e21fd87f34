package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// kinds are the kinds of the API by the names of their files.
var kinds = []struct{ kind, crd, schema string }{
	{"Environment", "watari.dev_environments.yaml", "environment.json"},
	{"Migration", "watari.dev_migrations.yaml", "migration.json"},
}

// generate reads the types in one directory and writes all files to another.
func generate(types, out string) error {
	raw, err := os.MkdirTemp("", "watari-crd-")
	if err != nil {
		return fmt.Errorf("generate: make a directory for controller-gen: %w", err)
	}
	defer os.RemoveAll(raw)
	for _, dir := range []string{"crd", "schema"} {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			return fmt.Errorf("generate: make %s: %w", dir, err)
		}
	}
	if err := runControllerGen(types, out, raw); err != nil {
		return err
	}
	schemas := map[string]object{}
	for _, k := range kinds {
		crd, err := readCRD(filepath.Join(raw, k.crd))
		if err != nil {
			return err
		}
		schemas[k.kind] = jsonSchema(k.kind, crd)
		loosenShortForms(crd)
		if err := writeCRD(filepath.Join(out, "crd", k.crd), crd); err != nil {
			return err
		}
		if err := writeJSON(filepath.Join(out, "schema", k.schema), schemas[k.kind]); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(out, "schema", "file.json"), fileSchema(schemas))
}

// runControllerGen writes the deep-copy functions to out and strict CRDs to raw.
func runControllerGen(types, out, raw string) error {
	absolute, err := filepath.Abs(out)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	cmd := exec.Command("go", "tool", "controller-gen", "object", "crd", "paths=.",
		"output:object:dir="+absolute, "output:crd:dir="+raw)
	cmd.Dir = types
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("generate: controller-gen over %s: %w\n%s", types, err, bytes.TrimSpace(output))
	}
	return nil
}

func readCRD(path string) (object, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("generate: read what controller-gen wrote: %w", err)
	}
	crd := object{}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return nil, fmt.Errorf("generate: read %s: %w", filepath.Base(path), err)
	}
	return crd, nil
}

func writeCRD(path string, crd object) error {
	data, err := yaml.Marshal(crd)
	if err != nil {
		return fmt.Errorf("generate: write %s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, append([]byte("---\n"), data...), 0o644)
}

func writeJSON(path string, schema object) error {
	var b bytes.Buffer
	if err := encode(&b, schema); err != nil {
		return fmt.Errorf("generate: write %s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
