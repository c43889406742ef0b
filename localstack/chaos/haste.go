package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/localstack/stack"
	"github.com/watchroute/watchroute/shared/build"
)

// How fast deliveries are retried in a run. A receiver has hookTime to answer, and the second attempt
// comes at once. All later ones come within two seconds after a sweep. The queue shows a message
// again after deliverTime if its function was killed.
const (
	hookTime    = "time.Second"
	deliverTime = 5 // seconds
)

// hasteEdits shorten the times of deliveries to about a sixtieth. They are edits for one build, as
// those of mutants are, because the service itself is to have no such setting.
var hasteEdits = []edit{
	{"shared/delivery/schedule.go", `wait = schedule[failures-1]`, `wait = min(schedule[failures-1]/60, 300*time.Millisecond)`},
	{"shared/delivery/schedule.go", `const busy = time.Minute`, `const busy = 500 * time.Millisecond`},
	{"shared/delivery/wake.go", `const lease = 2 * time.Minute`, `const lease = 6 * time.Second`},
	{"shared/delivery/whole.go", `const probePause = 5 * time.Minute`, `const probePause = time.Second`},
	{"shared/webhook/webhook.go", `defaultTimeout = 15 * time.Second`, `defaultTimeout = ` + hookTime},
	{"functions/deliver/main.go", `const deliveryTime = 20 * time.Second`, `const deliveryTime = 500 * time.Millisecond`},
}

// hasty are the functions that have these times: all that wake destinations, and the one that
// delivers.
var hasty = []string{"deliver", "fanout", "http"}

// buildHasty builds the hasty functions into a folder of their own, beside the other functions, which
// are built already. It gives the folder.
func buildHasty(ctx context.Context, s settings) (dir string, err error) {
	dir = filepath.Join(s.build, "hasty")
	names, err := build.Names(s.root)
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return "", err
		}
		if slices.Contains(hasty, name) {
			continue
		}
		if err := os.Link(filepath.Join(s.build, name, build.Executable), filepath.Join(dir, name, build.Executable)); err != nil {
			return "", err
		}
	}
	setting, err := overlay(s.root, dir, hasteEdits)
	if err != nil {
		return "", err
	}
	name, value, _ := strings.Cut(setting, "=")
	before := os.Getenv(name)
	if err := os.Setenv(name, value); err != nil { // for go build
		return "", err
	}
	defer os.Setenv(name, before)
	for _, function := range hasty {
		if err := build.Function(ctx, s.root, "functions/"+function, filepath.Join(dir, function), build.Host()); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// hastyTemplate writes a template whose queue of deliveries shows a message again after deliverTime.
func hastyTemplate(root, dir string) (path string, err error) {
	text, err := os.ReadFile(filepath.Join(root, stack.TemplateFile))
	if err != nil {
		return "", err
	}
	var template map[string]any
	if err := json.Unmarshal(text, &template); err != nil {
		return "", fmt.Errorf("read %s: %w", stack.TemplateFile, err)
	}
	resources, _ := template["Resources"].(map[string]any)
	for logicalID, property := range map[string]string{"Deliver": "Timeout", "DeliveriesQueue": "VisibilityTimeout"} {
		resource, _ := resources[logicalID].(map[string]any)
		properties, _ := resource["Properties"].(map[string]any)
		if _, ok := properties[property]; !ok {
			return "", fmt.Errorf("%s has no %s of %s", stack.TemplateFile, property, logicalID)
		}
		properties[property] = deliverTime
	}
	if text, err = json.Marshal(template); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "template-hasty.json")
	return path, os.WriteFile(path, text, 0o600)
}
