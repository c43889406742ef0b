package shared

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// words are those that had several meanings once, or none in the field. Each keeps to one now, see
// "Words" in README.md.
var words = []struct {
	word    string
	whole   bool     // only a name that is this word alone counts
	allowed []string // the folders that declare it in the meaning of the list; nil for none
	instead string
}{
	{"family", false, nil, "patternWatch"},
	{"families", false, nil, "patternWatches"},
	{"outlet", false, nil, "eventQueue"},
	{"guest", false, nil, "connection"},
	{"guests", false, nil, "connections"},
	{"hang", false, nil, "abort, or close"},
	{"over", true, nil, "ended, done, exceeded"},
	{"turn", true, []string{"shared/watch", "shared/dynamo", "localstack/aws/sqs"}, "attempt; a turn is for what is served one after another"},
	{"place", true, []string{"shared/watch", "shared/delivery", "functions/http", "shared/client", "localstack/chaos", "events"}, "bookmark, location"},
	{"take", true, []string{
		"shared/watch", "shared/client", "shared/grant", "shared/pattern", "shared/kept",
		"localstack/aws/throttle", "localstack/aws/sqs", "localstack/aws/lambda/mapping",
		"localstack/aws/dynamodb", "localstack/aws/dynamodb/item", "localstack/aws/iam", "localstack/stack",
	}, "receive, accept, apply; what is taken is less afterwards"},
}

// TestNamesKeepToTheWords reads all names that the code declares.
func TestNamesKeepToTheWords(t *testing.T) {
	parts := regexp.MustCompile(`[A-Z]?[a-z0-9]+|[A-Z]+`)
	names, used := 0, map[string]bool{}
	check := func(folder string, name *ast.Ident) {
		names++
		of := strings.Fields(strings.ToLower(strings.Join(parts.FindAllString(name.Name, -1), " ")))
		for _, w := range words {
			if !slices.Contains(of, w.word) || w.whole && len(of) > 1 {
				continue
			}
			if used[w.word+" in "+folder] = true; !slices.Contains(w.allowed, folder) {
				t.Errorf("%s declares %s: say %s", folder, name.Name, w.instead)
			}
		}
	}
	for _, root := range []string{"events", "functions", "infra", "localstack", "shared"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			folder, err := filepath.Rel("..", filepath.Dir(path))
			for _, name := range declared(file) {
				check(filepath.ToSlash(folder), name)
			}
			for _, name := range texts(file) {
				if strings.EqualFold(name.Name, "view") && folder != "events" { // whose fields are named as on the wire
					t.Errorf("%s declares %s, a text: say viewID; a view is what is shown", folder, name.Name)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range words {
		for _, folder := range w.allowed {
			if !used[w.word+" in "+folder] {
				t.Errorf("%s does not declare %s any more, but is allowed to", folder, w.word)
			}
		}
	}
	if names < 10_000 {
		t.Errorf("only %d names were read", names)
	}
}

// declared gives the names that a file declares: of functions, types, fields, parameters and variables.
func declared(file *ast.File) (names []*ast.Ident) {
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncDecl:
			names = append(names, n.Name)
		case *ast.TypeSpec:
			names = append(names, n.Name)
		case *ast.ValueSpec:
			names = append(names, n.Names...)
		case *ast.Field:
			names = append(names, n.Names...)
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if name, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE {
					names = append(names, name)
				}
			}
		}
		return true
	})
	return names
}

// texts gives the fields and parameters of a file that are of type string.
func texts(file *ast.File) (names []*ast.Ident) {
	ast.Inspect(file, func(node ast.Node) bool {
		if field, ok := node.(*ast.Field); ok {
			if kind, ok := field.Type.(*ast.Ident); ok && kind.Name == "string" {
				names = append(names, field.Names...)
			}
		}
		return true
	})
	return names
}
