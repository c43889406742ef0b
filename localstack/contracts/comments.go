package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// comments are what the source of package events says.
type comments struct {
	types  map[string]string // by the name of a type, and of its field after a dot
	values map[string]string // by the values of constants, and by the numbers that are keys of a table
}

// readComments reads the source of package events.
func readComments(root, at string) (comments, error) {
	var source jsonschema.Reflector
	if err := source.AddGoComments(at, root+"/events", jsonschema.WithFullComment()); err != nil {
		return comments{}, fmt.Errorf("read comments: %w", err)
	}
	c := comments{types: source.CommentMap, values: map[string]string{}}
	paths, err := filepath.Glob(filepath.Join(root, "events", "*.go"))
	if err != nil {
		return comments{}, err
	}
	set := token.NewFileSet()
	for _, path := range paths {
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return comments{}, err
		}
		ast.Inspect(file, c.note)
		c.noteKeys(ast.NewCommentMap(set, file, file.Comments))
	}
	return c, nil
}

// note keeps the comment of a constant that is a text.
func (c comments) note(n ast.Node) bool {
	spec, ok := n.(*ast.ValueSpec)
	if !ok || len(spec.Values) != 1 {
		return true
	}
	if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
		if value, err := strconv.Unquote(literal.Value); err == nil && spec.Comment != nil {
			c.values[value] = strings.TrimSpace(spec.Comment.Text())
		}
	}
	return true
}

// noteKeys keeps the comments behind the rows of a table whose keys are numbers.
func (c comments) noteKeys(found ast.CommentMap) {
	for n, groups := range found {
		if row, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := row.Key.(*ast.BasicLit); ok && key.Kind == token.INT {
				c.values[key.Value] = strings.TrimSpace(groups[0].Text())
			}
		}
	}
}
