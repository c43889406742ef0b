package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// StackName is the stack of the CDK app.
const StackName = "Watchroute"

// Assembly is what the CDK app made: the template and the functions' code.
type Assembly struct {
	Dir      string
	Template Template
}

// Template is as much of a CloudFormation template as is asked for.
type Template struct {
	Parameters map[string]struct{ Default string }
	Resources  map[string]Resource
	Outputs    map[string]struct{ Value any }
}

// Resource is one of a template's, as it is written.
type Resource struct {
	Type           string
	Properties     any
	DeletionPolicy string
}

// IDs gives the logical IDs of all resources of a type, sorted.
func (t Template) IDs(typ string) []string {
	var ids []string
	for id, r := range t.Resources {
		if r.Type == typ {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Read reads the assembly in a folder.
func Read(dir string) (Assembly, error) {
	a := Assembly{Dir: dir}
	data, err := os.ReadFile(a.TemplateFile())
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(data, &a.Template)
}

// TemplateFile is where the template is.
func (a Assembly) TemplateFile() string { return filepath.Join(a.Dir, StackName+".template.json") }

// Without makes a copy of the assembly in dir that lacks all resources of the types that lacking reports
// true for, the Lambda permissions and the outputs that refer to them, and nothing else. Another resource
// that refers to them is an error. The template's hash, by which the CLI names the file that it uploads,
// is made anew.
func (a Assembly) Without(lacking func(resourceType string) bool, dir string) (Assembly, error) {
	if err := os.CopyFS(dir, os.DirFS(a.Dir)); err != nil {
		return Assembly{}, fmt.Errorf("copy assembly: %w", err)
	}
	copied := Assembly{Dir: dir}
	before, err := os.ReadFile(copied.TemplateFile())
	if err != nil {
		return Assembly{}, err
	}
	after, err := cut(before, lacking)
	if err != nil {
		return Assembly{}, err
	}
	if err := os.WriteFile(copied.TemplateFile(), after, 0o644); err != nil {
		return Assembly{}, err
	}
	for _, file := range []string{"manifest.json", StackName + ".assets.json"} {
		if err := replaceIn(filepath.Join(dir, file), Hash(before), Hash(after)); err != nil {
			return Assembly{}, err
		}
	}
	return Read(dir)
}

// cut takes resources out of a template, with what exists for them only.
func cut(data []byte, lacking func(resourceType string) bool) ([]byte, error) {
	var whole map[string]any
	if err := json.Unmarshal(data, &whole); err != nil {
		return nil, err
	}
	resources, _ := whole["Resources"].(map[string]any)
	gone := map[string]bool{}
	for id, r := range resources {
		if lacking(typeOf(r)) {
			gone[id] = true
			delete(resources, id)
		}
	}
	for id, r := range resources {
		switch {
		case !refers(r, gone):
		case typeOf(r) == "AWS::Lambda::Permission":
			delete(resources, id)
		default:
			return nil, fmt.Errorf("%s (%s) refers to what is to be left out", id, typeOf(r))
		}
	}
	if outputs, ok := whole["Outputs"].(map[string]any); ok {
		maps.DeleteFunc(outputs, func(_ string, output any) bool { return refers(output, gone) })
	}
	return json.MarshalIndent(whole, "", " ")
}

func typeOf(resource any) string {
	declared, _ := resource.(map[string]any)
	typ, _ := declared["Type"].(string)
	return typ
}

// placeholder is a reference in a text of Fn::Sub.
var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9]+)[}.]`)

// refers reports whether a part of a template refers to one of the resources.
func refers(part any, resources map[string]bool) bool {
	switch part := part.(type) {
	case string:
		return slices.ContainsFunc(placeholder.FindAllStringSubmatch(part, -1), func(found []string) bool { return resources[found[1]] })
	case []any:
		return slices.ContainsFunc(part, func(element any) bool { return refers(element, resources) })
	case map[string]any:
		for key, value := range part {
			if refers(value, resources) || slices.ContainsFunc(named(key, value), func(id string) bool { return resources[id] }) {
				return true
			}
		}
	}
	return false
}

// named are the resources that a member of an object names.
func named(key string, value any) []string {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	switch {
	case key == "DependsOn":
	case key == "Ref" || key == "Fn::GetAtt":
		list = list[:min(1, len(list))]
	default:
		return nil
	}
	var ids []string
	for _, id := range list {
		text, _ := id.(string)
		id, _, _ := strings.Cut(text, ".") // of Fn::GetAtt in one text
		ids = append(ids, id)
	}
	return ids
}

// Hash is the SHA-256 of a file, in hexadecimal digits.
func Hash(data []byte) string {
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
