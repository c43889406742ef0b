package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stackName is the stack of the CDK app.
const stackName = "Watchroute"

// assembly is what the CDK app made: the template and the functions' code.
type assembly struct {
	dir      string
	template template
}

// template is as much of the CloudFormation template as the checks ask for.
type template struct {
	Parameters map[string]struct{ Default string }
	Resources  map[string]resource
	Outputs    map[string]struct{ Value any }
}

type resource struct {
	Type           string
	Properties     any
	DeletionPolicy string
}

// ids gives the logical IDs of all resources of a type.
func (t template) ids(typ string) []string {
	var ids []string
	for id, r := range t.Resources {
		if r.Type == typ {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// synthesize runs the CDK app whose module is at root.
func (t *toolbox) synthesize(ctx context.Context, root, dir string) (assembly, error) {
	if _, err := t.runCDK(ctx, root, "synth", "--quiet", "--output", dir); err != nil {
		return assembly{}, err
	}
	return readAssembly(dir)
}

func readAssembly(dir string) (assembly, error) {
	a := assembly{dir: dir}
	data, err := os.ReadFile(a.templateFile())
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(data, &a.template)
}

func (a assembly) templateFile() string { return filepath.Join(a.dir, stackName+".template.json") }

// without makes a copy of the assembly in dir that lacks all resources of one
// type, and is the same in all else. The template's hash, by which the CLI
// names the file that it uploads, is made anew.
func (a assembly) without(typ, dir string) (assembly, error) {
	if err := os.CopyFS(dir, os.DirFS(a.dir)); err != nil {
		return assembly{}, fmt.Errorf("copy assembly: %w", err)
	}
	copied := assembly{dir: dir}
	before, err := os.ReadFile(copied.templateFile())
	if err != nil {
		return assembly{}, err
	}
	after, err := cut(before, typ)
	if err != nil {
		return assembly{}, err
	}
	if err := os.WriteFile(copied.templateFile(), after, 0o644); err != nil {
		return assembly{}, err
	}
	for _, file := range []string{"manifest.json", stackName + ".assets.json"} {
		if err := replaceIn(filepath.Join(dir, file), hash(before), hash(after)); err != nil {
			return assembly{}, err
		}
	}
	return readAssembly(dir)
}

// cut takes the resources of a type out of a template that no other refers to.
func cut(data []byte, typ string) ([]byte, error) {
	var whole map[string]any
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, err
	}
	resources, _ := whole["Resources"].(map[string]any)
	maps.DeleteFunc(resources, func(_ string, r any) bool {
		declared, _ := r.(map[string]any)
		return declared["Type"] == typ
	})
	return json.MarshalIndent(whole, "", " ")
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// replaceIn replaces old, which must occur, in a file.
func replaceIn(file, old, replacement string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(old)) {
		return fmt.Errorf("%s does not name %s", file, old)
	}
	return os.WriteFile(file, []byte(strings.ReplaceAll(string(data), old, replacement)), 0o644)
}
