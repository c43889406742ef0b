package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// capital is a word with a capital that does not begin a sentence, or names joined as Go joins them.
	capital = regexp.MustCompile(`[^.!?:|\s]\s+([A-Z][A-Za-z]*[a-z])\b|\b([A-Z][A-Za-z]*\.[A-Z][A-Za-z]*)\b|\b([A-Z][a-z]+[A-Z][A-Za-z]*)\b`)
	// status begins a text with the name of a status of HTTP.
	status = regexp.MustCompile(`^[A-Z][A-Za-z ]+: `)
)

// TestContractsHaveNoNamesOfGo: they are for readers who know nothing of the package that they are made of.
func TestContractsHaveNoNamesOfGo(t *testing.T) {
	files := made(t)
	var types struct {
		Defs map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(files["events/"+schemaFile], &types); err != nil {
		t.Fatal(err)
	}
	names, texts := exported(t), 0
	delete(names, "AsyncAPI") // which are names of others, too
	delete(names, "OpenAPI")
	for _, name := range []string{schemaFile, "asyncapi.json", "openapi.json"} {
		var document any
		if err := json.Unmarshal(files["events/"+name], &document); err != nil {
			t.Fatal(err)
		}
		prosesOf(document, func(text string) {
			texts++
			for _, found := range capital.FindAllStringSubmatch(status.ReplaceAllString(text, ""), -1) {
				word := found[1] + found[2] + found[3]
				if _, ok := types.Defs[word]; !ok && (names[word] || strings.Contains(word, ".")) {
					t.Errorf("%s has the name %s of Go: %s", name, word, text)
				}
			}
		})
	}
	if texts < 500 || !names["TypeTest"] || !names["ParsePattern"] {
		t.Errorf("only %d texts and %d names were looked at", texts, len(names))
	}
}

// prosesOf calls see with each text of a document that is for readers.
func prosesOf(document any, see func(string)) {
	switch of := document.(type) {
	case map[string]any:
		for key, value := range of {
			if text, ok := value.(string); ok && (key == "description" || key == "summary") {
				see(text)
			}
			prosesOf(value, see)
		}
	case []any:
		for _, value := range of {
			prosesOf(value, see)
		}
	}
}

// exported are the names that package events exports, with those of its types' fields.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "events", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if name, ok := n.(*ast.Ident); ok && name.IsExported() {
				names[name.Name] = true
			}
			return true
		})
	}
	return names
}
