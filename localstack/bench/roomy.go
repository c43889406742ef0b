package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/build"
)

// withRoomy runs do on a stack without the limits of HTTP requests, which would otherwise determine
// the result.
func withRoomy(ctx context.Context, dir, name string, do func(*stackProcess) error) error {
	template, err := os.ReadFile(stack.TemplateFile)
	if err != nil {
		return err
	}
	if template, err = roomy(template); err != nil {
		return fmt.Errorf("make room in %s: %w", stack.TemplateFile, err)
	}
	path := filepath.Join(dir, "roomy.json")
	if err := os.WriteFile(path, template, 0o600); err != nil {
		return err
	}
	return logged(dir, name, func(logs *os.File) error {
		s, err := launch(ctx, filepath.Join(dir, build.Executable), logs, "--unthrottled", "--template", path)
		if err != nil {
			return err
		}
		defer s.stop()
		return do(s)
	})
}

// roomy gives a template without throttles of the REST API. A subject may read, and a function may
// hold, as much as any measurement does. Streams last longer than a measurement.
func roomy(template []byte) ([]byte, error) {
	var root map[string]any
	if err := json.Unmarshal(template, &root); err != nil {
		return nil, err
	}
	function, variables := []string{"Resources", "Http", "Properties"}, []string{"Resources", "Http", "Properties", "Environment", "Variables"}
	for _, r := range []struct {
		in    []string
		name  string
		value any
	}{
		{[]string{"Resources", "HttpStage", "Properties"}, "MethodSettings", []any{}},
		{function, "Timeout", 600}, // of seconds
		{variables, "STREAM_TIME", "4m"},
		{variables, "MAX_SUBJECT_UNITS", "1000000000"},
		{variables, "MAX_SUBJECT_HOLDS", "1000"},
		{variables, "MAX_HOLDS", "1000"},
	} {
		if err := replace(root, r.in, r.name, r.value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(root)
}

// replace changes a value of an object below root. The object must have the value, because a limit
// that was renamed would otherwise stay.
func replace(root map[string]any, object []string, name string, value any) error {
	for _, key := range object {
		root, _ = root[key].(map[string]any) // a value that is no object has nothing to replace
	}
	if _, found := root[name]; !found {
		return fmt.Errorf("there is no %s in %s", name, strings.Join(object, "."))
	}
	root[name] = value
	return nil
}
